from __future__ import annotations

import asyncio
import socket
import ssl
import time
from pathlib import Path

import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import InvalidMessage

from lvdeploy.errors import Refused
from lvdeploy.wire.session import Dial, Fetch, Fetched, Lost, Opened, Received, Send
from tests.client.scripted import Scripted, pump, until
from tests.client.web import web
from tests.real import free_port
from tests.swarm.proxied import NAME, QUICK, ended, joined, proxied, proxy_to, service

pytestmark = pytest.mark.real


def test_breaks_are_paced_and_meet_only_those_who_were_there():
    async def story() -> None:
        async with service() as target, proxied(target.port) as proxy, joined(proxy, 4) as clients:
            began = time.monotonic()
            breaking = asyncio.create_task(proxy.part_all(1012, per_second=20))
            assert await ended(clients[0]) == 1012
            async with connect(f"ws://{proxy.address}/", proxy=None) as late:
                assert await breaking == 4
                assert time.monotonic() - began >= 3 / 20
                assert [await ended(each) for each in clients] == [1012] * 4
                await late.send("still here")
                assert await late.recv() == "still here"

    asyncio.run(story())


def test_refused_is_refused_and_over_when_it_is_over():
    async def story() -> None:
        async with service() as target, proxied(target.port) as proxy:
            url, host, port = f"ws://{proxy.address}/", *proxy.address.split(":")
            async with joined(proxy) as [client]:
                await proxy.refuse()
                with pytest.raises(ConnectionRefusedError):
                    await connect(url, proxy=None)
                await client.send("what was open stays")
                assert await client.recv() == "what was open stays"
                with socket.socket() as thief, pytest.raises(OSError, match="in use"):
                    thief.bind((host, int(port)))
            await proxy.admit()
            async with connect(url, proxy=None) as back:
                await back.send("back")
                assert await back.recv() == "back"

    asyncio.run(story())


def test_held_clients_hear_nothing_until_they_are_released():
    async def story() -> None:
        async with service() as target, proxied(target.port) as proxy:
            proxy.hold()
            dialing = [
                asyncio.create_task(connect(f"ws://{proxy.address}/", proxy=None).__aenter__()) for _ in range(2)
            ]
            await until(lambda: len(proxy._held) == 2)
            assert not any(each.done() for each in dialing)
            assert not target.server.connections
            await proxy.release(per_second=QUICK)
            for client in await asyncio.gather(*dialing):
                await client.send("at last")
                assert await client.recv() == "at last"
                await client.close()

    asyncio.run(story())


def test_nothing_is_left_open_at_the_end():
    async def story() -> None:
        async with service() as target:
            proxy = proxy_to(target.port)
            await proxy.start()
            async with joined(proxy, 3) as clients:
                proxy.hold()
                held = asyncio.create_task(connect(f"ws://{proxy.address}/", proxy=None).__aenter__())
                await until(lambda: len(proxy._held) == 1)
                await proxy.close()
                assert [await ended(each) for each in clients] == [1001] * 3
                with pytest.raises((OSError, EOFError, InvalidMessage)):
                    await held
            await until(lambda: target.closed == [1001] * 3)
            assert not target.server.connections
            await proxy.close()

    asyncio.run(story())


# TLS


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def ca(authority, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def serving(authority, name: str = NAME) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_clients_keep_believing_in_the_https_url(authority, ca: str):
    """Plain on loopback, TLS to the target; Host, Origin and the url stay those of the service."""
    seen: dict[str, str | None] = {}

    def note(connection: ServerConnection, request) -> None:
        seen.update(host=request.headers["Host"], origin=request.headers.get("Origin"))

    async def story() -> None:
        async with (
            service(serving(authority), process_request=note) as target,
            proxied(target.port, scheme="https", ca=ca) as proxy,
            pump(hosts=(NAME,), connect_to=("127.0.0.1", int(proxy.address.split(":")[1])), tls_ended=True) as running,
        ):
            session = Scripted(
                Dial(f"wss://{NAME}/live/websocket", (("Origin", f"https://{NAME}"),)),
                turn=lambda event, now: [Send("through")] if isinstance(event, Opened) else [],
            )
            running.start("u", session)
            assert await session.until(Received) == [Received("through")]
            await proxy.part_all(1012, per_second=QUICK)
            [lost] = await session.until(Lost)
            assert lost.code == 1012
            await until(lambda: target.closed == [1001])

    asyncio.run(story())
    assert seen == {"host": NAME, "origin": f"https://{NAME}"}


def test_a_page_comes_through_with_its_own_host_redirects_and_secure_cookies(authority, ca: str):
    def respond(request) -> None:
        location = ("Location", f"https://{request.headers['Host']}/there")
        request.answer(302, b"", location, ("Set-Cookie", "sid=1; Secure; HttpOnly"))

    async def story(port: int) -> None:
        async with (
            proxied(port, scheme="https", ca=ca) as proxy,
            pump(hosts=(NAME,), connect_to=("127.0.0.1", int(proxy.address.split(":")[1])), tls_ended=True) as running,
        ):
            session = Scripted(Fetch(1, f"https://{NAME}/"))
            running.start("u", session)
            [fetched] = await session.until(Fetched)
            headers = dict(fetched.headers)
            assert fetched.status == 302
            assert headers["Location"] == f"https://{NAME}/there"
            assert headers["Set-Cookie"] == "sid=1; Secure; HttpOnly"

    with web(respond, tls=serving(authority)) as port:
        asyncio.run(story(port))


@pytest.mark.parametrize("name", ["other.example", None])
def test_a_target_whose_certificate_is_not_its_own_is_refused(authority, ca: str, name):
    """Another name, or an authority that is not trusted."""

    async def story() -> None:
        async with service(serving(authority, name or NAME)) as target:
            proxy = proxy_to(target.port, scheme="https", ca=ca if name else None)
            with pytest.raises(Refused, match="certificate refused"):
                await proxy.start()

    asyncio.run(story())


def test_a_target_that_is_not_there_is_refused_before_anybody_comes():
    async def story() -> None:
        with pytest.raises(Refused, match=r"cannot reach demo\.example at 127\.0\.0\.1:.*connection refused"):
            await proxy_to(free_port()).start()

    asyncio.run(story())


def test_a_target_that_goes_away_later_cuts_the_client_and_is_remembered():
    async def story() -> None:
        async with service() as target, proxied(target.port) as proxy:
            target.server.close()
            await target.server.wait_closed()
            with pytest.raises((OSError, EOFError, InvalidMessage)):
                await connect(f"ws://{proxy.address}/", proxy=None)
            await until(lambda: proxy.unreachable == "connection refused")

    asyncio.run(story())
