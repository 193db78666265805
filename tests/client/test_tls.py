from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from lvdeploy.wire.session import Dial, Fetch, Fetched, FetchFailed, Opened, Received, Refused, Send
from tests.client.scripted import Run, Scripted, pump
from tests.client.web import web

trustme = pytest.importorskip("trustme")

pytestmark = pytest.mark.real

NAME = "demo.example"


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


async def dialled(context: ssl.SSLContext, *, ca: str | None) -> Scripted:
    async def greet(connection: ServerConnection) -> None:
        await connection.send(await connection.recv())
        await connection.wait_closed()

    async with serve(greet, "127.0.0.1", 0, ssl=context) as server:
        address = ("127.0.0.1", next(iter(server.sockets)).getsockname()[1])
        async with pump(hosts=(NAME,), connect_to=address, ca=ca) as running:
            session = Scripted(
                Dial(f"wss://{NAME}/live/websocket"),
                turn=lambda event, now: [Send("x" * 100_000)] if isinstance(event, Opened) else [],
            )
            running.start("u", session)
            await session.until(Received, Refused)
            return session


def test_a_dial_verifies_the_name_of_the_url_at_the_address_it_connects_to(run: Run, authority, ca: str):
    async def story() -> None:
        session = await dialled(serving(authority), ca=ca)
        assert session.got(Received) == [Received("x" * 100_000)]

    run(story())


def test_a_certificate_of_another_name_is_refused(run: Run, authority, ca: str):
    async def story() -> None:
        [refused] = (await dialled(serving(authority, "other.example"), ca=ca)).got(Refused)
        assert refused.status is None
        assert "certificate refused" in refused.reason
        assert NAME in refused.reason

    run(story())


def test_a_certificate_of_an_unknown_authority_is_refused(run: Run, authority):
    async def story() -> None:
        [refused] = (await dialled(serving(authority), ca=None)).got(Refused)
        assert "certificate refused" in refused.reason

    run(story())


def test_a_fetch_verifies_the_name_of_the_url_at_the_address_it_connects_to(run: Run, authority, ca: str):
    hosts: list[str] = []

    async def story(port: int, trusted: str | None) -> None:
        async with pump(hosts=(NAME,), connect_to=("127.0.0.1", port), ca=trusted) as running:
            session = Scripted(Fetch(1, f"https://{NAME}/"))
            running.start("u", session)
            if trusted is not None:
                [fetched] = await session.until(Fetched)
                assert fetched.body == b"hello"
            else:
                [failed] = await session.until(FetchFailed)
                assert "certificate refused" in failed.reason

    def respond(request) -> None:
        hosts.append(request.headers["Host"])
        request.answer(200, b"hello")

    with web(respond, tls=serving(authority)) as port:
        run(story(port, ca))
        run(story(port, None))
    assert hosts == [NAME]
