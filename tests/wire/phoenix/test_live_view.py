"""A page and its user in a browser tab, against a scripted server."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.model import Kind
from lvdeploy.wire.phoenix import Identify, LiveView
from lvdeploy.wire.session import (
    Change,
    Click,
    Fetched,
    FetchFailed,
    Lost,
    Opened,
    Received,
    Refused,
    Session,
    Submit,
    Woken,
)
from tests.wire.phoenix.peer import LINKS, TOPIC, URL, Peer, page, reconnected, tree, typed


def test_live_view_is_a_session() -> None:
    session: Session = Peer().client
    assert session.url == URL


def test_first_join_has_the_keys_and_order_of_the_browser() -> None:
    """view.ts: url, params, session, static, sticky; join_ref is the join's own ref."""
    peer = Peer(URL + "#top").answer_page().open()
    frame = peer.sent[0]
    assert frame[0] == frame[1]
    assert frame[2:4] == [TOPIC, "phx_join"]
    assert json.dumps(frame[4]) == json.dumps({
        "url": URL + "#top",
        "params": {"_csrf_token": "CSRF", "_mounts": 0, "_mount_attempts": 0},
        "session": "SESSION",
        "static": "STATIC",
        "sticky": False,
    })


def test_socket_url_carries_what_the_join_was_built_with() -> None:
    """The generated app.js hands LiveSocket an object, which connectParams changes before the first dial."""
    _, dial = Peer().answer_page().dials[0]
    assert dial.url == (
        "ws://app.test/live/websocket?_csrf_token=CSRF&_mounts=0&_mount_attempts=0&_live_referer=undefined&vsn=2.0.0"
    )


def test_reconnect_url_is_one_join_behind() -> None:
    """The params are refreshed when a join is built, after the socket opened."""
    peer = reconnected(reconnected(Peer().joined()).reply_join()).reply_join()
    assert [f"_mounts={n}&" in dial.url for n, (_, dial) in zip((0, 0, 1), peer.dials, strict=True)] == [True] * 3


def test_tracked_assets_are_absolute_or_absent() -> None:
    """view.ts connectParams: _track_static lists the absolute src and href of phx-track-static."""
    head = '<script phx-track-static src="/assets/app.js?vsn=d"></script>'
    params = Peer().answer_page(page(head=head)).open().sent[0][4]["params"]
    assert list(params) == ["_csrf_token", "_track_static", "_mounts", "_mount_attempts"]
    assert params["_track_static"] == ["http://app.test/assets/app.js?vsn=d"]
    assert "_track_static" not in Peer().answer_page().open().sent[0][4]["params"]


def test_own_connection_params_follow_the_csrf_token() -> None:
    params = Peer(params={"tz": "UTC"}).answer_page().open().sent[0][4]["params"]
    assert list(params)[:2] == ["_csrf_token", "tz"]


def test_who_answered_is_observed() -> None:
    identify = Identify(instance="x-served-by", version="x-rev")
    peer = Peer(identify=identify).answer_page(headers=[("X-Served-By", "a1"), ("X-Rev", "2")])
    assert peer.seen(Kind.PAGE_LOADED) == [
        {"url": URL, "status": 200, "reason": "first", "instance": "a1", "version": "2"}
    ]
    peer.open([("x-served-by", "b1"), ("x-rev", "3")])
    assert peer.seen(Kind.OPENED)[0]["instance"] == "b1"
    assert peer.lose().seen(Kind.LOST)[0]["version"] == "3"

def test_idle_only_when_joined_and_answered() -> None:
    peer = Peer()
    assert not peer.client.idle
    assert not peer.answer_page().client.idle
    assert not peer.open().client.idle
    assert peer.reply_join().client.idle
    assert not peer.act(Click("#hit")).client.idle
    assert peer.reply(peer.last("event")).client.idle
    assert not peer.lose().client.idle


def test_event_lost_with_its_connection_does_not_keep_the_page_busy() -> None:
    peer = Peer().joined_without_forms().act(Click("#hit"))
    assert reconnected(peer).reply_join(tree(LINKS)).client.idle
    assert peer.seen(Kind.UNANSWERED) == [{"event": "hit", "reason": "connection lost"}]



# Whatever the server sends

HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["s", "k", "kc", "c", "d", "p", "0", "1", "r", "e", "t", "to", "diff", "stream",
                                       "rendered", "response", "status", "redirect", "live_redirect", "reason",
                                       "live_patch", "flash", "token"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
OBJECT = st.dictionaries(st.sampled_from(["diff", "0", "s", "c", "rendered", "redirect", "live_redirect", "to", "kind",
                                          "reason", "status", "response", "flash", "live_patch", "liveview_version"]),
                         HOSTILE, max_size=4)  # fmt: skip
EVENTS = st.sampled_from(
    ["phx_reply", "phx_error", "phx_close", "diff", "live_patch", "live_redirect", "redirect", "x"]
)
REFS = st.sampled_from([None, "1", "2", "3", "4", "5"])
TOPICS = st.sampled_from([TOPIC, "phoenix", "lv:kid", "lv:"])
STATUS = st.sampled_from(["ok", "error", "timeout"])


@st.composite
def frames(draw: Any) -> str:
    event, payload = draw(EVENTS), draw(OBJECT)
    if event == "phx_reply" and draw(st.booleans()):
        payload = {"status": draw(STATUS), "response": draw(OBJECT)}
    return json.dumps([draw(REFS), draw(REFS), draw(TOPICS), event, payload])


INPUTS = st.one_of(
    frames().map(Received),
    st.text().map(Received),
    st.binary().map(Received),
    st.builds(Fetched, st.integers(1, 4), st.sampled_from([200, 302, 404, 500]),
              st.lists(st.tuples(st.sampled_from(["Location", "Set-Cookie", "Date"]), st.text())), st.binary()),
    st.builds(FetchFailed, st.integers(1, 4), st.text()),
    st.builds(Opened, st.lists(st.tuples(st.just("set-cookie"), st.text()))),
    st.builds(Refused, st.none() | st.integers(100, 599), st.text()),
    st.builds(Lost, st.sampled_from([1000, 1001, 1006, 1012])),
    st.just(Woken()),
)  # fmt: skip


@given(st.lists(st.tuples(INPUTS, st.floats(0, 40)), max_size=12), st.booleans())
def test_no_input_raises(inputs: list[tuple[Any, float]], joined: bool) -> None:
    """Whatever comes, in whatever order, the client goes on, and stays on its origin."""
    peer = Peer().joined() if joined else Peer()
    for event, later in inputs:
        peer.now += later
        peer.feed(event)
        assert peer.client.wake_at is None or isinstance(peer.client.wake_at, float)
        assert isinstance(peer.client.idle, bool)
    assert all(fetch.url.startswith("http://app.test/") for fetch in peer.fetches)
    assert all(dial.url.startswith("ws://app.test/live/websocket?") for _, dial in peer.dials)


def test_secrets_are_not_observed() -> None:
    """Tokens and cookies stay out of the observations."""
    peer = typed().lose()
    peer.wake()
    peer.open().refuse_join(reason="stale")
    told = repr(peer.observed)
    assert not any(secret in told for secret in ("SESSION", "STATIC", "CSRF"))


def test_submit_pushes_the_form() -> None:
    peer = Peer().joined().act(Change("#f", {"u[name]": "Ann"})).act(Submit("#f"))
    assert peer.last("event")[4] == {"type": "form", "event": "save", "value": "u%5Bname%5D=Ann", "meta": {}}


@pytest.mark.parametrize("url", ["app.test", "ftp://x/", ""])
def test_service_without_a_web_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        LiveView(url, rng=random.Random(1))
