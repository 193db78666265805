from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.utils import accept_key

from tests.client.scripted import until
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


def test_whole_frames_go_before_the_close_frame_however_long():
    """The close frame never lands within a frame that is under way."""
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


def test_a_target_that_stops_within_a_frame_does_not_hold_the_client():
    async def story() -> None:
        async def stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            key = next(line[19:] for line in head.decode().split("\r\n") if line.startswith("Sec-WebSocket-Key: "))
            answer = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
                     f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
            writer.write(answer.encode() + b"\x81\x7e\x01\x00abc")
            await reader.read()
            writer.close()

        server = await asyncio.start_server(stuck, "127.0.0.1", 0)
        async with server, proxied(server.sockets[0].getsockname()[1]) as proxy, joined(proxy) as [client]:
            await proxy.part_all(1012, per_second=QUICK)
            assert await ended(client) == 1006

    asyncio.run(story())
