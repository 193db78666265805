from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request

from lvdeploy.client.dialer import explain
from lvdeploy.wire.session import Dial, Opened, Refused
from tests.client.scripted import Run, Scripted, pump, until
from tests.client.sockets import hold, raw_server, server

pytestmark = pytest.mark.real


def test_nobody_listening_is_refused(run: Run):
    async def story() -> None:
        async with raw_server(lambda reader, writer: asyncio.sleep(0)) as url:
            pass
        async with pump() as running:
            session = Scripted(Dial(url))
            running.start("u", session)
            [refused] = await session.until(Refused)
            assert refused.status is None
            assert "refused" in refused.reason.lower()

    run(story())


def test_dials_wait_their_turn(run: Run):
    at_once = 0
    most = 0

    async def slowly(connection: ServerConnection, request: Request) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1

    async def story() -> None:
        async with server(hold, process_request=slowly) as url, pump(dials=3) as running:
            sessions = [Scripted(Dial(url)) for _ in range(20)]
            for number, session in enumerate(sessions):
                running.start(f"u{number}", session)
            for session in sessions:
                await session.until(Opened)

    run(story())
    assert most <= 3


def test_a_dial_given_up_while_it_waits_is_never_made(run: Run):
    asked: list[str] = []

    async def story() -> None:
        go = asyncio.Event()

        async def note(connection: ServerConnection, request: Request) -> None:
            asked.append(request.path)
            await go.wait()

        async with server(hold, process_request=note) as url, pump(dials=1) as running:
            first, second, third = (Scripted(Dial(f"{url}/{name}")) for name in "abc")
            for name, session in (("a", first), ("b", second), ("c", third)):
                running.start(name, session)
            await until(lambda: bool(asked))
            running.stop("b")
            go.set()
            await third.until(Opened)
            assert second.inputs == []

    run(story())
    assert [path[-1] for path in asked] == ["a", "c"]


def test_giving_up_makes_room_for_the_next(run: Run):
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def story() -> None:
        async with raw_server(hang) as silent, server(hold) as url, pump(dials=1) as running:
            stuck, next_one = Scripted(Dial(silent)), Scripted(Dial(url))
            running.start("stuck", stuck)
            running.start("next", next_one)
            running.stop("stuck")
            await next_one.until(Opened)

    run(story())


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 4000)"), "connection refused"),
        (ConnectionResetError(104, "Connection reset by peer"), "connection reset by peer"),
        (OSError("Multiple exceptions: [Errno 111] …"), "Multiple exceptions: [Errno 111] …"),
        (TimeoutError(), "TimeoutError"),
        (UnicodeError("label too long"), "UnicodeError: label too long"),
    ],
)
def test_errors_are_said_in_a_line(error: Exception, words: str):
    assert explain(error) == words
