from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from lvdeploy.client.connection import MESSAGE_LIMIT
from lvdeploy.wire.session import Close, Dial, Lost, Opened, Received, Refused, Send
from tests.client.scripted import Run, Scripted, pump, until
from tests.client.sockets import echo, hold, raw_server, server

pytestmark = pytest.mark.real


def test_opened_tells_the_answers_headers_cookies_one_by_one(run: Run):
    def identify(connection: ServerConnection, request: Request, response: Response) -> None:
        response.headers["X-Instance"] = "web-1"
        response.headers["Set-Cookie"] = "a=1; Path=/"
        response.headers["Set-Cookie"] = "b=2; Path=/"

    async def story() -> None:
        async with server(hold, process_response=identify) as url, pump() as running:
            session = Scripted(Dial(url))
            running.start("u", session)
            [opened] = await session.until(Opened)
            lines = [(name.lower(), value) for name, value in opened.headers]
            assert ("x-instance", "web-1") in lines
            assert [value for name, value in lines if name == "set-cookie"] == ["a=1; Path=/", "b=2; Path=/"]

    run(story())


def test_a_dial_carries_its_own_headers_and_the_pumps(run: Run):
    seen: list[Request] = []

    async def note(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request)

    async def story() -> None:
        async with server(note) as url, pump(headers=(("User-Agent", "lvdeploy/1"), ("Cookie", "never"))) as running:
            session = Scripted(Dial(f"{url}?vsn=2.0.0", (("Origin", "http://127.0.0.1"), ("cookie", "s=1"))))
            running.start("u", session)
            await session.until(Opened)

    run(story())
    [request] = seen
    assert request.path == "/live/websocket?vsn=2.0.0"
    assert request.headers["User-Agent"] == "lvdeploy/1"
    assert request.headers["Origin"] == "http://127.0.0.1"
    assert request.headers.get_all("Cookie") == ["s=1"]
    assert "Sec-WebSocket-Extensions" not in request.headers


def test_messages_go_both_ways_whole_and_of_their_kind(run: Run):
    frames = ["plain", "grüße", "x" * 200_000, b"\x00\xff", ""]

    async def story() -> None:
        async with server(echo) as url, pump() as running:
            session = Scripted(
                Dial(url), turn=lambda event, now: [Send(each) for each in frames] if isinstance(event, Opened) else []
            )
            running.start("u", session)
            received = await session.until(Received, count=len(frames))
            assert [each.frame for each in received] == frames

    run(story())


def test_fragments_are_put_together_around_a_ping(run: Run):
    async def send(connection: ServerConnection) -> None:
        async def parts() -> AsyncIterator[str]:
            yield "one "
            await (await connection.ping())
            yield "two "
            yield "three"

        await connection.send(parts())
        await connection.send([b"\x01", b"\x02"])
        await hold(connection)

    async def story() -> None:
        async with server(send) as url, pump() as running:
            session = Scripted(Dial(url))
            running.start("u", session)
            received = await session.until(Received, count=2)
            assert [each.frame for each in received] == ["one two three", b"\x01\x02"]

    run(story())


@pytest.mark.parametrize("code", [1000, 1001, 1012, 4000])
def test_lost_gives_the_servers_close_code_and_reason(run: Run, code: int):
    async def close(connection: ServerConnection) -> None:
        await connection.close(code, "bye")

    async def story() -> None:
        async with server(close) as url, pump() as running:
            session = Scripted(Dial(url))
            running.start("u", session)
            assert await session.until(Lost) == [Lost(code, "bye")]

    run(story())


def test_lost_without_a_close_frame_is_1006(run: Run):
    async def cut(connection: ServerConnection) -> None:
        connection.transport.abort()

    async def end(connection: ServerConnection) -> None:
        connection.transport.close()

    async def story(handler: Callable[[ServerConnection], Awaitable[None]]) -> None:
        async with server(handler) as url, pump() as running:
            session = Scripted(Dial(url))
            running.start("u", session)
            assert await session.until(Lost) == [Lost(1006, "")]

    run(story(cut))
    run(story(end))


def test_an_empty_close_frame_is_1005(run: Run):
    async def close(connection: ServerConnection) -> None:
        connection.protocol.send_close()
        connection.send_data()
        await hold(connection)

    async def story() -> None:
        async with server(close) as url, pump() as running:
            session = Scripted(Dial(url))
            running.start("u", session)
            assert await session.until(Lost) == [Lost(1005, "")]

    run(story())


def test_a_message_over_the_bound_costs_the_connection(run: Run):
    async def flood(connection: ServerConnection) -> None:
        await connection.send("x" * (MESSAGE_LIMIT + 1))
        await hold(connection)

    async def story() -> None:
        async with server(flood) as url, pump() as running:
            session = Scripted(Dial(url))
            running.start("u", session)
            assert await session.until(Lost) == [Lost(1006, "")]
            assert session.got(Received) == []

    run(story())


def test_text_that_is_not_utf8_costs_the_connection(run: Run):
    async def send(connection: ServerConnection) -> None:
        connection.protocol.send_text(b"\xff\xfe")
        connection.send_data()
        await hold(connection)

    async def story() -> None:
        async with server(send) as url, pump() as running:
            session = Scripted(Dial(url))
            running.start("u", session)
            assert await session.until(Lost) == [Lost(1006, "")]
            assert session.got(Received) == []

    run(story())


def test_garbage_after_the_handshake_costs_the_connection(run: Run):
    async def send(connection: ServerConnection) -> None:
        connection.transport.write(b"\xff" * 64)
        await hold(connection)

    async def story() -> None:
        async with server(send) as url, pump() as running:
            session = Scripted(Dial(url))
            running.start("u", session)
            assert await session.until(Lost) == [Lost(1006, "")]

    run(story())


def test_an_http_answer_refuses_with_its_status(run: Run):
    async def story() -> None:
        def refuse(connection: ServerConnection, request: Request) -> Response:
            return connection.respond(503, "no server\n")

        async with server(hold, process_request=refuse) as url, pump() as running:
            session = Scripted(Dial(url))
            running.start("u", session)
            assert await session.until(Refused) == [Refused(503, "Service Unavailable")]
            assert session.got(Opened) == []

    run(story())


@pytest.mark.parametrize("answer", [b"", b"\x00\x01garbage\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"])
def test_a_handshake_answered_with_nonsense_is_refused(run: Run, answer: bytes):
    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async def story() -> None:
        async with raw_server(send) as url, pump() as running:
            session = Scripted(Dial(url))
            running.start("u", session)
            [refused] = await session.until(Refused)
            assert refused.status is None
            assert refused.reason

    run(story())


def test_a_server_that_never_answers_is_given_up_at_the_bound(run: Run):
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def story() -> None:
        async with raw_server(hang) as url, pump() as running:
            session = Scripted(Dial(url))
            running.start("u", session)
            await asyncio.sleep(0)
            [connection] = running._owner
            await until(lambda: connection.connected)
            running.patient(connection, 0.01)
            [refused] = await session.until(Refused)
            assert refused.status is None
            assert "no answer" in refused.reason

    run(story())


def test_a_server_that_hangs_after_its_close_frame_is_cut(run: Run):
    async def story() -> None:
        over = asyncio.Event()

        async def hang(connection: ServerConnection) -> None:
            connection.protocol.send_close(1012, "restart")
            connection.send_data()
            connection.transport.pause_reading()
            await over.wait()

        async with server(hang) as url, pump() as running:
            session = Scripted(Dial(url))
            running.start("u", session)
            lost = await session.until(Lost)
            over.set()
            assert lost == [Lost(1012, "restart")]

    run(story())


def test_nothing_of_a_closed_connection_is_handed_in(run: Run):
    closed: list[int | None] = []

    async def chat(connection: ServerConnection) -> None:
        await connection.send("first")
        await connection.send("second")
        await connection.wait_closed()
        closed.append(connection.close_code)

    async def story() -> None:
        async with server(chat) as url, pump() as running:
            session = Scripted(
                Dial(url), turn=lambda event, now: [Close(1000, "done")] if isinstance(event, Received) else []
            )
            running.start("u", session)
            await until(lambda: bool(closed))
            assert session.inputs[1:] == [Received("first")]

    run(story())
    assert closed == [1000]
