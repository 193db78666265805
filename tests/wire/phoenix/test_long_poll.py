"""Long polling: when a page turns to it, what it asks for, and how it ends."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from lvdeploy.model import Kind
from lvdeploy.wire.phoenix.long_poll import LongPoll
from lvdeploy.wire.session import (
    Click,
    Effect,
    Fetch,
    Fetched,
    FetchFailed,
    Headers,
    Leave,
    Lost,
    Opened,
    Received,
    Refused,
)
from tests.wire.phoenix.peer import Peer

JOINED = {"rendered": {"s": ["<button id='hit' phx-click='hit'>h</button>"]}, "liveview_version": "1.2.10"}
BEHIND = [("x-instance", "web-2"), ("x-app-version", "2.0.0")]


def polls(peer: Peer) -> list[Fetch]:
    return [each for each in peer.fetches if "/longpoll?" in each.url]


def posted(fetch: Fetch) -> list[list[Any]]:
    return [json.loads(line) for line in fetch.body.decode().splitlines()]


def answer(peer: Peer, fetch: Fetch, **body: Any) -> Peer:
    return peer.feed(Fetched(fetch.number, 200, BEHIND, json.dumps(body).encode()))


def fallen(**settings: Any) -> Peer:
    """A page that was joined, lost its websocket, and was refused another."""
    peer = Peer(long_poll_fallback=2.5, **settings).joined()
    peer.reply(peer.last("heartbeat")).lose(1012)
    peer.wake()
    return peer.refuse()


def polling() -> Peer:
    """The same with an open session of long polling."""
    peer = fallen()
    return answer(peer, polls(peer)[-1], status=410, token="T1", messages=[])


def held(peer: Peer) -> Fetch:
    """The poll that the server holds."""
    return next(each for each in reversed(polls(peer)) if each.method == "GET")


def answer_join(peer: Peer, status: str, response: dict[str, Any]) -> Peer:
    """Answer the join of an open session over its poll; its batch stays unanswered."""
    join = posted(next(each for each in reversed(polls(peer)) if each.method == "POST"))[0]
    message = [*join[:3], "phx_reply", {"status": status, "response": response}]
    return answer(peer, held(peer), status=200, token="T1", messages=[json.dumps(message)])


# When


def test_refused_reconnect_turns_to_long_polling_at_once() -> None:
    """Case 18; phoenix socket.js connectWithFallback: the first error before open."""
    peer = fallen()
    assert len(polls(peer)) == 1
    assert polls(peer)[0].method == "GET"
    assert polls(peer)[0].url.endswith("&vsn=2.0.0&")
    assert [each["retry_in"] for each in peer.seen(Kind.REFUSED)] == [0.0]


def test_long_polling_is_never_left() -> None:
    """Case 18: a refused poll is repeated by the table, and no websocket is tried again."""
    peer = fallen()
    for attempt in range(4):
        peer.feed(FetchFailed(polls(peer)[-1].number, "refused"))
        assert peer.wake() == pytest.approx((0.01, 0.05, 0.1, 0.15)[attempt])
    assert len(peer.dials) == 2
    assert len(polls(peer)) == 5
    assert [each["attempt"] for each in peer.seen(Kind.REFUSED)] == [1, 2, 3, 4, 5]


def test_page_without_fallback_never_polls() -> None:
    """Case 20; phoenix socket.js connect."""
    peer = Peer().joined().lose(1012)
    for _ in range(5):
        peer.wake()
        peer.refuse()
    assert not polls(peer)
    assert peer.events() == []


def test_websocket_that_does_not_open_in_time_is_given_up() -> None:
    """phoenix socket.js connectWithFallback: fallbackTimer."""
    peer = Peer(long_poll_fallback=2.5).answer_page()
    assert peer.wake() == pytest.approx(2.5)
    assert len(peer.closes) == 1
    assert len(polls(peer)) == 1
    assert peer.seen(Kind.REFUSED)[0]["error"] == "not open in time"


def test_first_join_waits_for_the_fallback() -> None:
    """phoenix socket.js: a join still buffered is sent over the fallback as it is, the first attempt."""
    peer = Peer(long_poll_fallback=2.5).answer_page().refuse()
    answer(peer, polls(peer)[-1], status=410, token="T1", messages=[])
    joins = posted(polls(peer)[-1])
    assert [each[3] for each in joins] == ["phx_join"]
    assert joins[0][4]["params"]["_mount_attempts"] == 0


def test_open_websocket_that_answers_no_ping_is_given_up() -> None:
    """phoenix socket.js connectWithFallback: a fresh threshold for the ping after the open."""
    peer = Peer(long_poll_fallback=2.5).joined()
    assert peer.last("heartbeat")[0::2] == [None, "phoenix", {}]
    assert peer.wake() == pytest.approx(2.5)
    assert peer.seen(Kind.LOST)[0]["reason"] == "ping unanswered"
    assert len(polls(peer)) == 1


def test_answered_ping_proves_the_websocket() -> None:
    """phoenix socket.js: the ping's reply clears the fallback timer; heartbeats follow as ever."""
    peer = Peer(long_poll_fallback=2.5).joined()
    peer.reply(peer.last("heartbeat")).wait(20.0)
    assert not polls(peer)
    assert peer.wait(10.0).events().count("heartbeat") == 2


def test_page_whose_websocket_never_worked_tells_the_next_one() -> None:
    """phoenix socket.js storeSession("phx:fallback:LongPoll"): session storage outlives the page."""
    peer = Peer(long_poll_fallback=2.5).answer_page().refuse()
    answer(peer, polls(peer)[-1], status=410, token="T1", messages=[])
    answer_join(peer, "error", {"reason": "stale"}).answer_page()
    assert len(peer.dials) == 1
    assert polls(peer)[-1].url.endswith("&vsn=2.0.0&")


def test_page_whose_websocket_once_worked_tells_nobody() -> None:
    """phoenix socket.js primaryPassedHealthCheck: the next page begins with a websocket."""
    peer = polling()
    answer_join(peer, "error", {"reason": "stale"}).answer_page()
    assert len(peer.dials) == 3


# How


def test_opened_session_rejoins_and_says_how_it_is_connected() -> None:
    """phoenix longpoll.js poll: 410 without a token is the open; the poll goes on, what is sent is posted."""
    peer = polling()
    get, post = polls(peer)[-2:]
    assert [get.method, post.method] == ["GET", "POST"]
    assert get.url.endswith("&vsn=2.0.0&token=T1")
    assert dict(post.headers)["Content-Type"] == "application/x-ndjson"
    assert [each[3] for each in posted(post)] == ["phx_join"]
    opened = peer.seen(Kind.OPENED)[-1]
    assert [opened["transport"], opened["instance"], opened["version"]] == ["longpoll", "web-2", "2.0.0"]


def test_frames_of_a_turn_leave_in_one_batch_and_wait_for_its_answer() -> None:
    """phoenix longpoll.js send: one batch at a time; its answer lets the next one go."""
    peer = polling()
    join = polls(peer)[-1]
    answer_join(peer, "ok", JOINED)
    peer.act(Click("#hit"))
    peer.act(Click("#hit"))
    assert polls(peer)[-1].method == "GET"
    answer(peer, join, status=200)
    assert [each[4]["event"] for each in posted(polls(peer)[-1])] == ["hit", "hit"]


def test_gone_session_ends_the_connection() -> None:
    """Case 19; phoenix longpoll.js: 410 with a token held closes with 3410, and the channels rejoin."""
    peer = polling()
    answer(peer, polls(peer)[-2], status=410, token="T2", messages=[])
    assert [peer.seen(Kind.LOST)[-1][each] for each in ("code", "reason", "transport")] == [
        3410,
        "session_gone",
        "longpoll",
    ]
    assert peer.wake() == pytest.approx(0.010)
    answer(peer, polls(peer)[-1], status=410, token="T3", messages=[])
    assert [each[3] for each in posted(polls(peer)[-1])] == ["phx_join"]


def test_polls_are_their_own_heartbeats() -> None:
    """phoenix longpoll.js skipHeartbeat: an empty poll is answered after 10 s, and the next one asked."""
    peer = polling()
    post = polls(peer)[-1]
    answer_join(answer(peer, post, status=200), "ok", JOINED)
    for _ in range(5):
        peer.wait(10.0)
        before = len(polls(peer))
        answer(peer, held(peer), status=204, token="T1")
        assert len(polls(peer)) == before + 1
    assert all(each[3] != "heartbeat" for fetch in polls(peer) for each in posted(fetch))


def test_poll_that_hangs_is_given_up() -> None:
    """phoenix socket.js longpollerTimeout 20000: closes with 1005, reconnects."""
    peer = fallen()
    assert peer.wake() == pytest.approx(20.0)
    assert peer.seen(Kind.REFUSED)[-1]["error"] == "long poll: timeout"
    assert peer.wake() == pytest.approx(0.010)


def test_late_answer_to_a_poll_that_was_given_up_is_nobodys() -> None:
    peer = fallen()
    hanging = polls(peer)[-1]
    peer.wake()
    answer(peer, hanging, status=410, token="T1", messages=[])
    assert not [each for each in peer.seen(Kind.OPENED) if each["transport"] == "longpoll"]


def test_cookie_of_a_poll_goes_with_the_next() -> None:
    peer = fallen()
    body = json.dumps({"status": 410, "token": "T1", "messages": []}).encode()
    peer.feed(Fetched(polls(peer)[-1].number, 200, [("set-cookie", "stick=web-2; path=/")], body))
    assert dict(polls(peer)[-1].headers)["Cookie"] == "stick=web-2"


def test_left_page_polls_no_more() -> None:
    """phoenix longpoll.js stop: pending requests and batches are given up."""
    peer = answer_join(polling(), "ok", JOINED)
    asked = polls(peer)
    peer.act(Click("#hit")).act(Leave())
    for fetch in asked:
        answer(peer, fetch, status=204, token="T1")
    assert polls(peer) == asked
    assert peer.client.wake_at is None


# The connection by itself


class Asked:
    """Numbers the requests of a connection."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, method: str, url: str, *, headers: Headers, body: bytes) -> Fetch:
        self.number += 1
        return Fetch(self.number, url, method, headers, body)


def opened_poll() -> tuple[LongPoll, list[Effect]]:
    out: list[Effect] = []
    poll = LongPoll("http://app.test/live/longpoll?vsn=2.0.0", out=out, request=Asked())
    poll.begin(0.0)
    told = poll.answered(Fetched(1, 200, (), b'{"status":410,"token":"T","messages":[]}'), 0.0)
    assert told == [Opened(())]
    return poll, out


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"status":200,"token":"T","messages":["a","b"]}', [Received("a"), Received("b")]),
        (b'{"status":204,"token":"T","messages":[]}', []),
        (b'{"status":403}', [Lost(1008, "forbidden")]),
        (b'{"status":500}', [Lost(1011, "internal server error")]),
        (b"<html>503</html>", [Lost(1011, "internal server error")]),
        (b"null", [Lost(1011, "internal server error")]),
        # longpoll.js throws on these, and polls no more
        (b'{"status":302}', []),
        (b'{"status":200,"messages":7}', []),
        (b"[]", []),
        (b"7", []),
    ],
)
def test_every_answer_to_a_poll_has_one_meaning(body: bytes, told: list[Any]) -> None:
    """phoenix longpoll.js poll."""
    poll, _ = opened_poll()
    assert poll.answered(Fetched(2, 200, (), body), 1.0) == told


@pytest.mark.parametrize("body", [b"", b'{"status":410}', b'{"status":500}', b"[]", b"oh"])
def test_batch_not_taken_ends_the_connection(body: bytes) -> None:
    """phoenix longpoll.js batchSend: anything but 200."""
    poll, _ = opened_poll()
    poll.send("frame")
    poll.flush(0.0)
    assert poll.answered(Fetched(3, 200, (), body), 1.0) == [Lost(1011, "internal server error")]


def test_session_that_is_refused_was_never_open() -> None:
    poll = LongPoll("http://app.test/live/longpoll?vsn=2.0.0", out=[], request=Asked())
    poll.begin(0.0)
    assert poll.answered(Fetched(1, 503, (), b"down"), 0.0) == [Refused(503, "long poll: internal server error")]


def test_batches_hold_a_hundred_frames_and_binary_ones_as_base64() -> None:
    """phoenix constants.js MAX_LONGPOLL_BATCH_SIZE; longpoll.js arrayBufferToBase64."""
    poll, out = opened_poll()
    poll.send(b"\x00\xff")
    for _ in range(120):
        poll.send("frame")
    poll.flush(0.0)
    first = [each for each in out if isinstance(each, Fetch)][-1]
    assert first.body.splitlines()[0] == base64.b64encode(b"\x00\xff")
    assert len(first.body.splitlines()) == 100
    assert poll.answered(Fetched(first.number, 200, (), b'{"status":200}'), 0.0) == []
    poll.flush(0.0)
    assert len([each for each in out if isinstance(each, Fetch)][-1].body.splitlines()) == 21
