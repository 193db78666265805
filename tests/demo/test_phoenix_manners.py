"""The socket and its channels answer what Phoenix answers when something is not as it should be."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import pytest
from itsdangerous import URLSafeTimedSerializer
from pyview.csrf import generate_csrf_token
from pyview.session import serialize_session
from websockets.exceptions import InvalidStatus

from lvdeploy.demo.phoenix_manners import PhoenixManners, Socket
from lvdeploy.demo.sockets import Sockets
from tests.demo.browser import Browser, View, run
from tests.demo.conftest import Launch
from tests.demo.instance import SECRET, Instance

pytestmark = pytest.mark.real

Send = Callable[[dict[str, object]], Awaitable[None]]
STALE = {"response": {"reason": "stale"}, "status": "error"}


def on(instance: Instance, path: str, story: Callable[[View], Awaitable[None]], **query: str) -> None:
    """Load a page, open its socket, and live the story."""

    async def live() -> None:
        view = await Browser().visit(instance, path)
        await view.connect(**query)
        await story(view)

    run(live())


def test_page_and_socket_say_who_answers(shared: Instance):
    async def story(view: View) -> None:
        response = view.socket.response
        assert response is not None
        for headers in (view.page.headers, response.headers):
            assert headers["x-instance"] == "shared"
            assert headers["x-app-version"] == "1.0"
        assert "sec-websocket-extensions" not in response.headers
        await view.join()
        assert view.attribute("#app", "data-app-version") == "1.0"
        assert view.attribute("#app", "data-instance") == "shared"
        assert view.attribute("#app", "data-connected") == "true"

    on(shared, "/", story)


def test_a_join_is_answered_with_the_page_and_the_version_of_its_grammar(shared: Instance):
    async def story(view: View) -> None:
        join_ref, ref, topic, event, payload = await view.join()
        assert (join_ref, ref, topic, event) == ("4", "4", view.topic, "phx_reply")
        assert payload["status"] == "ok"
        assert payload["response"]["liveview_version"] == "0.20.17"
        assert view.text("#panel") == "settings"

    on(shared, "/dashboard?tab=settings", story)


@pytest.mark.parametrize("changes", [
    {"params": {"_csrf_token": "forged"}}, {"params": {}}, {"params": None}, {"session": "forged"}, {"session": None},
])
def test_foreign_tokens_are_stale(shared: Instance, changes: dict[str, object]):
    async def story(view: View) -> None:
        assert (await view.join(**changes))[3:] == ["phx_reply", STALE]
        assert (await view.join())[4]["status"] == "ok", "the socket is still good"

    on(shared, "/counter", story)


def test_the_token_of_another_page_is_stale(shared: Instance):
    async def story(view: View) -> None:
        other = await view.browser.visit(shared, "/counter")
        assert (await view.join(params={"_csrf_token": other.token}))[4] == STALE

    on(shared, "/counter", story)


def test_an_upgrade_without_cookie_or_token_is_accepted_and_its_joins_are_stale(shared: Instance):
    async def story(view: View) -> None:
        assert (await view.join())[4] == STALE

    on(shared, "/counter", story, _csrf_token="forged")

    async def without_cookie() -> None:
        view = await Browser().visit(shared, "/counter")
        view.browser.cookies.clear()
        await view.connect()
        await story(view)

    run(without_cookie())


def test_a_page_that_was_open_for_longer_than_an_hour_still_rejoins(
    shared: Instance, monkeypatch: pytest.MonkeyPatch
):
    async def story(view: View) -> None:
        with monkeypatch.context() as yesterday:
            now = int(time.time())
            yesterday.setattr("itsdangerous.timed.time.time", lambda: now - 24 * 3600)
            old = URLSafeTimedSerializer(SECRET, salt="pyview-csrf-token").dumps(view.topic)
        assert isinstance(old, str)
        reply = await view.join(params={"_csrf_token": old})
        assert reply[4]["status"] == "ok"

    on(shared, "/counter", story)


def test_a_page_that_is_not_there_is_unauthorized(shared: Instance):
    async def story(view: View) -> None:
        reply = await view.join(url=f"{shared.url}/nowhere")
        assert reply[4] == {"response": {"reason": "unauthorized"}, "status": "error"}

    on(shared, "/counter", story)


def test_a_join_without_a_url_crashes_and_nothing_else_does(shared: Instance):
    async def story(view: View) -> None:
        reply = await view.join(url=...)
        assert reply[4] == {"response": {"reason": "join crashed"}, "status": "error"}
        assert (await view.join())[4]["status"] == "ok"

    on(shared, "/counter", story)


def test_leaving_is_told_by_close_and_then_answered(shared: Instance):
    async def story(view: View) -> None:
        await view.join()
        await view.send("4", "5", view.topic, "phx_leave", {})
        assert await view.receive() == ["4", "4", view.topic, "phx_close", {}]
        assert await view.receive() == ["4", "5", view.topic, "phx_reply", {"response": {}, "status": "ok"}]

    on(shared, "/counter", story)


def test_live_navigation_stays_on_the_socket(shared: Instance):
    async def story(view: View) -> None:
        await view.join()
        await view.send("4", "5", view.topic, "phx_leave", {})
        await view.send(
            "6", "6", view.topic, "phx_join", view.join_payload(url=..., redirect=f"{shared.url}/dashboard?tab=billing")
        )
        frames = [await view.receive() for _ in range(3)]
        assert [(frame[0], frame[1], frame[3]) for frame in frames] == [
            ("4", "4", "phx_close"), ("4", "5", "phx_reply"), ("6", "6", "phx_reply"),
        ]
        assert "billing" in json.dumps(frames[2][4]["response"]["rendered"])

    on(shared, "/", story)


def test_a_second_join_of_a_topic_closes_the_first(shared: Instance):
    async def story(view: View) -> None:
        await view.join()
        closed = await view.join()
        assert closed == ["4", "4", view.topic, "phx_close", {}]
        assert (await view.receive())[:2] == ["5", "5"]

    on(shared, "/counter", story)


def test_frames_of_an_earlier_join_are_dropped(shared: Instance):
    async def story(view: View) -> None:
        await view.join()
        await view.send("3", "9", view.topic, "event", {"type": "click", "event": "inc", "value": {}})
        await view.click("inc")
        assert view.text("#count") == "1"

    on(shared, "/counter", story)


def test_a_topic_that_nobody_joined_is_unmatched(shared: Instance):
    async def story(view: View) -> None:
        await view.send("4", "5", view.topic, "event", {"type": "click", "event": "inc", "value": {}})
        unmatched = {"response": {"reason": "unmatched topic"}, "status": "error"}
        assert await view.receive() == [None, "5", view.topic, "phx_reply", unmatched]

    on(shared, "/counter", story)


def test_an_event_the_view_does_not_know_crashes_it_and_the_client_can_join_again(shared: Instance):
    async def story(view: View) -> None:
        await view.join()
        await view.click("inc")
        crash = await view.click("unheard-of")
        assert crash == ["4", "4", view.topic, "phx_error", {"reason": "channel_crash"}]
        assert (await view.join())[4]["status"] == "ok"
        assert view.text("#count") == "0", "a new view begins"

    on(shared, "/counter", story)


def test_heartbeats_are_answered_with_and_without_a_view(shared: Instance):
    async def story(view: View) -> None:
        for ref in ("7", "8"):
            await view.send(None, ref, "phoenix", "heartbeat", {})
            assert await view.receive() == [None, ref, "phoenix", "phx_reply", {"response": {}, "status": "ok"}]
            await view.join()

    on(shared, "/counter", story)


@pytest.mark.parametrize("garbage", ["no json", "[1,2]", '["4","5","lv:x","event"]', '{"topic":"lv:x"}', "[" * 60_000])
def test_what_is_no_frame_ends_the_socket_with_1011(shared: Instance, garbage: str):
    async def story(view: View) -> None:
        await view.socket.send(garbage)
        assert await view.closed() == 1011

    on(shared, "/counter", story)


def test_versions_of_the_serializer_are_told_apart(shared: Instance):
    async def live() -> None:
        view = await Browser().visit(shared, "/counter")
        with pytest.raises(InvalidStatus) as refused:
            await view.connect(vsn="3.0.0")
        assert refused.value.response.status_code == 403
        await view.connect(vsn="1.0.0")
        await view.send(None, "1", "phoenix", "heartbeat", {})
        assert await view.closed() == 1011

    run(live())


def test_a_release_that_cannot_mount_still_answers_its_pages(launch: Launch):
    async def story(view: View) -> None:
        for _ in range(2):
            reply = await view.join()
            assert reply[4] == {"response": {"reason": "join crashed"}, "status": "error"}

    instance = launch(DEMO_BREAK="mount")
    on(instance, "/users/new", story)
    log = instance.log.read_text()
    assert len(log.splitlines()) == 2, "one line for each crash"
    assert "cannot mount" in log


def test_a_socket_that_says_nothing_ends_with_1002(monkeypatch: pytest.MonkeyPatch):
    sent: list[dict[str, object]] = []

    async def live() -> None:
        incoming: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        incoming.put_nowait({"type": "websocket.connect"})

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        manners = PhoenixManners(send, sockets=Sockets(), routed=lambda path: True)
        scope = {"type": "websocket", "path": "/live/websocket", "query_string": b"vsn=2.0.0"}
        await manners(scope, incoming.get, send)

    monkeypatch.setattr("lvdeploy.demo.phoenix_manners._IDLE", 0.01)
    asyncio.run(live())
    assert sent == [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1002}]


def test_the_close_frame_leaves_after_the_view_has_ended():
    order: list[str] = []

    async def view(scope: object, receive: Callable[[], Awaitable[dict[str, str]]], send: Send) -> None:
        while (message := await receive())["type"] != "websocket.disconnect":
            if "text" in message:
                await send({"type": "websocket.send", "text": json.dumps(["4", "4", "lv:x", "phx_reply", {}])})
        for _ in range(10):
            await asyncio.sleep(0)
        order.append("saved")

    async def live() -> None:
        incoming: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        joined = asyncio.Event()

        async def send(message: dict[str, object]) -> None:
            order.append(str(message["type"]))
            joined.set()

        payload = {
            "url": "/", "session": serialize_session({}), "params": {"_csrf_token": generate_csrf_token("lv:x")},
        }
        incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(["4", "4", "lv:x", "phx_join", payload])})
        socket = Socket(view, {}, receive=incoming.get, send=send, routed=lambda path: True, trusted=True)
        serving = asyncio.create_task(socket.run(understood=True))
        await joined.wait()
        await socket.close(1012)
        incoming.put_nowait({"type": "websocket.disconnect"})
        await serving

    asyncio.run(live())
    assert order == ["websocket.send", "saved", "websocket.close"]
