from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from lvdeploy.swarm import relay
from lvdeploy.swarm.fault_proxy import FaultProxy
from lvdeploy.swarm.frames import close_frame
from tests.client.scripted import until
from tests.client.sockets import raw_server
from tests.real import PATIENCE
from tests.swarm.proxied import QUICK, ended, joined, proxied, service

pytestmark = pytest.mark.real


@pytest.mark.parametrize("code", [1012, 1001, 1000, 1011])
def test_a_client_sees_the_code_and_the_target_a_user_who_leaves(code):
    async def story() -> None:
        async with service() as target, proxied(target.port) as proxy, joined(proxy) as [client]:
            await client.send("hello")
            assert await client.recv() == "hello"

            assert await proxy.part_all(code, per_second=QUICK) == 1

            assert await ended(client) == code
            await until(lambda: target.closed == [1001])
            await until(lambda: proxy.websockets == 0)

    asyncio.run(story())


def test_a_cut_is_abrupt_on_both_sides():
    async def story() -> None:
        async with service() as target, proxied(target.port) as proxy, joined(proxy) as [client]:
            assert await proxy.cut_all(per_second=QUICK) == 1

            assert await ended(client) == 1006
            await until(lambda: target.closed == [1006])

    asyncio.run(story())


def test_whole_frames_go_before_the_close_frame_however_long(monkeypatch):
    """The close frame never lands within a frame that is under way."""
    # a busy machine may need more than a second for three megabytes
    monkeypatch.setattr(relay, "CLOSE_PATIENCE", PATIENCE)
    sizes = [70_000, 300_000, 125, 3_000_000]

    async def flood(connection: ServerConnection) -> None:
        for number in range(200):
            await connection.send(bytes([number % 256]) * sizes[number % len(sizes)])

    async def story() -> None:
        async with serve(flood, "127.0.0.1", 0, compression=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with proxied(port) as proxy, joined(proxy, max_size=None) as [client]:
                whole = 0
                await client.recv()
                await proxy.part_all(1012, per_second=QUICK)
                with pytest.raises(ConnectionClosed) as caught:
                    while True:
                        message = await client.recv()
                        whole += 1
                        assert len(set(message)) == 1
                assert len(message) in sizes
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1012
                assert whole < 199

    asyncio.run(story())


@asynccontextmanager
async def by_hand(proxy: FaultProxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A websocket whose bytes the test writes and reads."""
    host, port = proxy.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"GET / HTTP/1.1\r\nHost: demo.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    yield reader, writer
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def test_a_client_s_frame_that_is_under_way_reaches_the_target_whole():
    frame = Frame(Opcode.TEXT, b"half now, half later").serialize(mask=True)

    async def story() -> None:
        async with service() as target, proxied(target.port) as proxy, by_hand(proxy) as (_, writer):
            writer.write(frame[:10])
            await until(lambda: not all(each._client_frames.between_frames for each in proxy._relays))
            await proxy.part_all(1012, per_second=QUICK)
            for _ in range(20):  # the relay's turns, so that it knows before the rest comes
                await asyncio.sleep(0)
            writer.write(frame[10:])
            await until(lambda: target.closed == [1001])
            assert target.got == ["half now, half later"]

    asyncio.run(story())


def test_the_connection_stays_until_the_client_has_answered_the_close_frame(monkeypatch):
    """One that is closed too early takes the close frame along."""
    monkeypatch.setattr(relay, "CLOSE_PATIENCE", PATIENCE)

    async def story() -> None:
        async with service() as target, proxied(target.port) as proxy, by_hand(proxy) as (reader, writer):
            await proxy.part_all(1012, per_second=QUICK)
            assert await reader.readexactly(4) == close_frame(1012, masked=False)
            await until(lambda: target.closed == [1001])
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.2)
            writer.write(close_frame(1012, masked=True))
            assert await reader.read() == b""

    asyncio.run(story())


def test_nothing_is_put_into_a_frame_that_the_target_never_ends():
    async def stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + b"\x81\x7e\x01\x00abc")
        await reader.read()

    async def story() -> None:
        async with (
            raw_server(stuck) as url, proxied(urlsplit(url).port) as proxy, by_hand(proxy) as (reader, _),
        ):
            assert await reader.readexactly(7) == b"\x81\x7e\x01\x00abc"
            await proxy.part_all(1012, per_second=QUICK)
            assert await reader.read() == b""

    asyncio.run(story())
