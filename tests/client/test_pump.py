from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from lvdeploy.client.connection import MESSAGE_LIMIT
from lvdeploy.model import Kind, Observation
from lvdeploy.wire.session import Close, Dial, Lost, Observe, Opened, Received, Refused, Send, Woken
from tests.client.scripted import Run, Scripted, pump, until

pytestmark = pytest.mark.real


@asynccontextmanager
async def server(handler: Callable[[ServerConnection], Awaitable[None]], **options) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0, **options) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/live/websocket"


@asynccontextmanager
async def raw_server(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    under_way = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way
        under_way += 1
        try:
            await handler(reader, writer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        finally:
            under_way -= 1

    running = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with running:
        yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/live/websocket"
        await until(lambda: not under_way, what="the server's handlers to end")


async def hold(connection: ServerConnection) -> None:
    await connection.wait_closed()


async def echo(connection: ServerConnection) -> None:
    try:
        async for message in connection:
            await connection.send(message)
    except ConnectionClosed:
        pass


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


def test_a_dial_abandons_the_connection_before(run: Run):
    async def name(connection: ServerConnection) -> None:
        assert connection.request is not None
        await connection.send(connection.request.path)
        await hold(connection)

    async def story() -> None:
        async with server(name) as url, pump() as running:
            session = Scripted(Dial(f"{url}/a"), Dial(f"{url}/b"))
            running.start("u", session)
            assert await session.until(Received) == [Received("/live/websocket/b")]
            session.turn = lambda event, now: []
            assert len(session.got(Opened)) == 1
            assert session.got(Refused) == []

    run(story())


def test_hosts_outside_are_refused_without_a_connection(run: Run):
    async def story() -> None:
        async with pump(hosts=("demo.example",)) as running:
            session = Scripted(Dial("ws://elsewhere.example/live"))
            running.start("u", session)
            [refused] = await session.until(Refused)
            assert refused.status is None
            assert "elsewhere.example" in refused.reason

    run(story())


def test_a_refusal_of_an_abandoned_dial_is_not_handed_in(run: Run):
    async def story() -> None:
        async with server(hold) as url, pump() as running:
            session = Scripted(Dial("ws://elsewhere.example/live"), Dial(url))
            running.start("u", session)
            await session.until(Opened)
            assert session.got(Refused) == []

    run(story())


def test_connect_to_changes_the_address_and_not_the_host(run: Run):
    hosts: list[str] = []

    async def note(connection: ServerConnection) -> None:
        assert connection.request is not None
        hosts.append(connection.request.headers["Host"])

    async def story() -> None:
        async with server(note) as url:
            port = int(url.split(":")[2].split("/")[0])
            async with pump(hosts=("demo.example",), connect_to=("127.0.0.1", port)) as running:
                session = Scripted(Dial("ws://demo.example/live/websocket"))
                running.start("u", session)
                await session.until(Opened)

    run(story())
    assert hosts == ["demo.example"]


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


def test_a_session_is_woken_when_it_asked_and_not_before(run: Run):
    woken: list[float] = []

    async def story() -> None:
        async with pump() as running:
            session = Scripted()
            session.wake_at = asked = time.monotonic() + 0.05

            def turn(event: object, now: float) -> list:
                woken.append(now)
                session.wake_at = None
                return []

            session.turn = turn
            running.start("u", session)
            await session.until(Woken)
            assert woken[0] >= asked

    run(story())
    assert len(woken) == 1


def test_a_session_that_raises_is_gone_and_the_others_go_on(run: Run, caplog: pytest.LogCaptureFixture):
    observed: list[Observation] = []

    def broken(event: object, now: float) -> list:
        raise LookupError("no such thing")

    async def story() -> None:
        async with server(echo) as url, pump(observed) as running:
            well = Scripted(Dial(url), turn=lambda e, now: [Send("still here")] if isinstance(e, Opened) else [])
            running.start("broken", Scripted(Dial(url), turn=broken))
            await until(lambda: any(each.kind is Kind.GONE for each in observed))
            running.start("well", well)
            await well.until(Received)

    run(story())
    [gone] = [each for each in observed if each.kind is Kind.GONE]
    assert gone.client == "broken"
    assert "LookupError" in str(gone.detail["reason"])
    assert "no such thing" in caplog.text


def test_observations_get_the_time_since_origin_and_the_clients_name(run: Run):
    observed: list[Observation] = []

    async def story() -> None:
        async with pump(observed) as running:
            running.start("u", Scripted(Observe(Kind.READY, 0.5, {"state": {}}, "step 1")))

    run(story())
    [ready, ended] = observed
    assert (ready.client, ready.kind, ready.value, ready.step, ready.detail) == (
        "u",
        Kind.READY,
        0.5,
        "step 1",
        {"state": {}},
    )
    assert 0 <= ready.at < 60
    assert (ended.kind, ended.detail) == (Kind.ENDED, {"away": True})


def test_ended_says_whether_the_client_was_joined(run: Run):
    observed: list[Observation] = []

    async def story() -> None:
        async with pump(observed) as running:
            running.start("there", Scripted(Observe(Kind.JOINED)))
            running.start("lost", Scripted(Observe(Kind.JOINED), Observe(Kind.LOST)))

    run(story())
    ended = {each.client: each.detail for each in observed if each.kind is Kind.ENDED}
    assert ended == {"there": {"away": False}, "lost": {"away": True}}


def test_stopping_closes_as_a_browser_that_goes_away(run: Run):
    codes: list[int | None] = []

    async def note(connection: ServerConnection) -> None:
        await connection.wait_closed()
        codes.append(connection.close_code)

    async def story() -> None:
        async with server(note) as url:
            async with pump() as running:
                session = Scripted(Dial(url))
                running.start("u", session)
                await session.until(Opened)
            await until(lambda: bool(codes))

    run(story())
    assert codes == [1001]
