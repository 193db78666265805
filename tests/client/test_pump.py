from __future__ import annotations

import time

import pytest
from websockets.asyncio.server import ServerConnection

from lvdeploy.model import Kind, Observation
from lvdeploy.wire.session import Dial, Observe, Opened, Received, Refused, Send, Woken
from tests.client.scripted import Run, Scripted, pump, until
from tests.client.sockets import echo, hold, server

pytestmark = pytest.mark.real


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
