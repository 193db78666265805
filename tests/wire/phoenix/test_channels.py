"""Plain channels with a scripted server: topics joined, pushed to, heard, and joined again after a loss."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lvdeploy.model import Kind
from lvdeploy.wire.phoenix import Channels
from lvdeploy.wire.session import CannotAct, Click, Join, Leave, Part, Push
from tests.wire.phoenix.peer import Peer

ROOM = "room:lobby"


def user(topics: dict[str, dict[str, Any]] | None = None, **settings: Any) -> Peer:
    return Peer(client=Channels("http://app.test", topics or {ROOM: {"name": "ann"}}, **settings))


def joined(**settings: Any) -> Peer:
    """Return a user in the room, its join answered."""
    peer = user(**settings).open()
    return peer.reply(peer.last("phx_join"), {"seq": 7, "title": "Lobby"})


def texts(peer: Peer, selector: str) -> list[Any]:
    return [json.loads(each.text) for each in peer.client.look(selector)]


def lost_and_open(peer: Peer, code: int = 1012) -> Peer:
    peer.lose(code)
    peer.wake()
    return peer.open()


def test_socket_is_dialled_where_the_endpoint_mounts_it() -> None:
    """phoenix socket.js endPointURL: params first, vsn last; a browser sends its Origin."""
    [(_, dial)] = user(params={"token": "a b"}, headers=(("Authorization", "x"),), pin="p").dials
    assert dial.url == "ws://app.test/socket/websocket?token=a%20b&vsn=2.0.0"
    headers = dict(dial.headers)
    assert headers["Origin"] == "http://app.test"
    assert (headers["Authorization"], headers["X-Lvdeploy-Pin"]) == ("x", "p")


def test_topics_are_joined_when_the_socket_opens() -> None:
    """phoenix channel.js: a join before the open waits for it; join_ref is the join's own ref."""
    peer = user({ROOM: {"name": "ann"}, "user:1": {}})
    assert peer.sent == []
    first, second = peer.open().sent
    assert first[2:] == [ROOM, "phx_join", {"name": "ann"}]
    assert second[2:] == ["user:1", "phx_join", {}]
    assert first[0] == first[1] != second[1]


def test_it_is_idle_once_every_topic_is_joined() -> None:
    peer = user({ROOM: {}, "user:1": {}}).open()
    first, second = peer.sent
    assert not peer.reply(first).client.idle
    assert peer.reply(second).client.idle


def test_the_join_response_is_what_a_topic_shows() -> None:
    [found] = joined().client.look(ROOM)
    assert json.loads(found.text) == {"seq": 7, "title": "Lobby"}
    assert found.attributes == {"seq": "7", "title": "Lobby"}


def test_pushes_of_the_server_are_heard_in_order() -> None:
    peer = joined()
    for body in ("one", "two"):
        peer.push("msg", {"body": body}, topic=ROOM)
    assert [each.attributes["body"] for each in peer.client.look(f"{ROOM} msg")] == ["one", "two"]
    assert peer.client.look(f"{ROOM} other") == ()
    assert peer.client.look("room:other msg") == ()


def test_a_push_is_sent_on_its_topic_and_answered() -> None:
    peer = joined().act(Push("shout", {"body": "hi"}, topic=ROOM))
    push = peer.last("shout")
    assert push[0] == peer.last("phx_join")[0]
    assert push[2:] == [ROOM, "shout", {"body": "hi"}]
    assert not peer.client.idle
    assert peer.reply(push, {"id": 9}).client.idle
    assert texts(peer, f"{ROOM} reply:shout") == [{"status": "ok", "id": 9}]
    assert peer.seen(Kind.ACKNOWLEDGED) == [{"event": "shout"}]


def test_an_error_reply_is_no_acknowledgement() -> None:
    peer = joined().act(Push("shout"))
    peer.reply(peer.last("shout"), {"reason": "muted"}, status="error")
    assert peer.seen(Kind.UNANSWERED) == [{"event": "shout", "reason": "muted"}]
    assert texts(peer, f"{ROOM} reply:shout") == [{"status": "error", "reason": "muted"}]


def test_a_push_without_an_answer_is_given_up_after_ten_seconds() -> None:
    """phoenix constants.js: DEFAULT_TIMEOUT 10000."""
    peer = joined().act(Push("shout")).wait(9.9)
    assert not peer.client.idle
    peer.wait(0.2)
    assert peer.seen(Kind.UNANSWERED) == [{"event": "shout", "reason": "timeout"}]
    assert peer.client.idle


def test_a_push_waits_until_its_topic_is_joined() -> None:
    """phoenix channel.js: pushBuffer is sent when the join is answered ok."""
    peer = user().open().act(Push("shout"))
    assert peer.events() == ["phx_join"]
    peer.reply(peer.last("phx_join"))
    assert peer.events() == ["phx_join", "shout"]


def test_a_push_that_waits_too_long_is_not_sent() -> None:
    """phoenix push.js send: nothing is sent after its timeout."""
    peer = user().act(Push("shout")).wait(10.0).open()
    peer.reply(peer.last("phx_join"))
    assert peer.events() == ["phx_join"]
    assert peer.seen(Kind.UNANSWERED) == [{"event": "shout", "reason": "timeout"}]


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1012])
def test_a_lost_connection_comes_back_and_the_topics_with_it(code: int) -> None:
    """phoenix socket.js 1.8.16 onConnClose: every close that is not ours reconnects, channels rejoin at once."""
    peer = joined()
    before = peer.last("phx_join")[0]
    peer.lose(code)
    assert not peer.client.idle
    assert peer.wake() == pytest.approx(0.010)
    join = peer.open().last("phx_join")
    assert join[2:] == [ROOM, "phx_join", {"name": "ann"}]
    assert join[0] != before
    assert peer.reply(join, {"seq": 8}).client.idle
    assert texts(peer, ROOM) == [{"seq": 8}]
    assert [each["rejoin"] for each in peer.seen(Kind.JOINED)] == [False, True]


def test_older_javascript_takes_a_normal_closure_for_final() -> None:
    """phoenix socket.js before 1.8.16: event.code 1000 does not schedule a reconnect."""
    peer = joined(phoenix=(1, 8, 15)).lose(1000).wait(60.0)
    assert len(peer.dials) == 1
    assert not peer.client.idle


def test_refused_dials_are_repeated_by_the_table() -> None:
    """phoenix socket.js reconnectAfterMs."""
    peer = joined().lose()
    waits = []
    for _ in range(11):
        waits.append(peer.wake())
        peer.refuse(503)
    assert waits == pytest.approx([0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 5.0])
    assert peer.seen(Kind.REFUSED)[0] == {
        "attempt": 1, "status": 503, "error": "refused", "retry_in": pytest.approx(0.05)
    }  # fmt: skip


def test_what_is_unanswered_at_a_loss_is_told_once_and_never_repeated() -> None:
    """phoenix push.js: a push in flight is not sent again; only its timeout would tell."""
    peer = joined().act(Push("shout"))
    lost_and_open(peer)
    peer.reply(peer.last("phx_join")).wait(15.0)
    assert "shout" not in peer.events()
    assert peer.seen(Kind.UNANSWERED) == [{"event": "shout", "reason": "connection lost"}]
    assert peer.client.idle


def test_a_push_while_away_is_sent_after_the_rejoin() -> None:
    peer = joined().lose().act(Push("shout"))
    peer.wake()
    peer.open()
    assert peer.events() == ["phx_join"]
    assert peer.reply(peer.last("phx_join")).events() == ["phx_join", "shout"]


def test_a_crashed_channel_rejoins_later_and_later() -> None:
    """phoenix socket.js rejoinAfterMs, while the socket stays up."""
    peer = joined()
    waits = []
    for _ in range(5):
        waits.append(peer.push("phx_error", {}, topic=ROOM, join_ref=peer.last("phx_join")[0]).wake())
    assert waits == pytest.approx([1.0, 2.0, 5.0, 10.0, 10.0])
    assert peer.seen(Kind.CRASHED)[0]["topic"] == ROOM
    assert len(peer.dials) == 1


def test_a_refused_join_is_tried_again() -> None:
    """phoenix channel.js: joinPush error schedules the rejoin timer."""
    peer = user().open().refuse_join(reason="unauthorized")
    assert peer.seen(Kind.JOIN_FAILED) == [{"topic": ROOM, "reason": "unauthorized", "rejoin": False}]
    assert peer.wake() == pytest.approx(1.0)
    assert peer.events() == ["phx_join", "phx_join"]


def test_a_join_without_a_reply_is_left_and_tried_again() -> None:
    peer = user().open().wait(10.1)
    assert peer.events() == ["phx_join", "phx_leave"]
    assert peer.seen(Kind.JOIN_FAILED)[0]["reason"] == "timeout"
    assert peer.wait(1.0).events()[-1] == "phx_join"


def test_a_topic_that_the_server_closes_is_not_joined_again() -> None:
    """phoenix channel.js onClose."""
    peer = joined()
    peer.push("phx_close", {}, topic=ROOM, join_ref=peer.last("phx_join")[0]).wait(20.0)
    assert peer.events() == ["phx_join"]
    assert not peer.client.idle


def test_frames_of_an_earlier_join_are_dropped() -> None:
    """phoenix channel.js isMember."""
    peer = joined()
    before = peer.last("phx_join")[0]
    lost_and_open(peer)
    peer.reply(peer.last("phx_join"))
    peer.push("msg", {"n": 1}, topic=ROOM, join_ref=before).push("msg", {"n": 2}, topic=ROOM)
    assert texts(peer, f"{ROOM} msg") == [{"n": 2}]


def test_heartbeats_keep_it_alive_and_an_unanswered_one_ends_it() -> None:
    """phoenix socket.js heartbeatTimeout: close 1000, then the normal table."""
    peer = joined().wait(30.0)
    assert peer.last("heartbeat")[2] == "phoenix"
    peer.wait(30.0)
    assert [each.code for each in peer.closes] == [1000]
    assert peer.seen(Kind.LOST)[0]["reason"] == "heartbeat timeout"
    assert peer.wake() == pytest.approx(0.010)


def test_another_topic_is_joined_and_left_on_the_same_socket() -> None:
    peer = joined().act(Join("user:1", {"a": 1}))
    join = peer.last("phx_join")
    assert join[2:] == ["user:1", "phx_join", {"a": 1}]
    peer.reply(join).act(Part("user:1"))
    assert peer.last("phx_leave")[:3:2] == [join[0], "user:1"]
    assert peer.client.look("user:1") == ()
    assert peer.client.idle


def test_joining_a_topic_again_leaves_it_first() -> None:
    """phoenix socket.js leaveOpenTopic."""
    peer = joined()
    before = peer.last("phx_join")[0]
    peer.act(Join(ROOM, {"name": "bob"}))
    assert peer.events() == ["phx_join", "phx_leave", "phx_join"]
    assert peer.last("phx_leave")[0] == before
    assert peer.last("phx_join")[4] == {"name": "bob"}
    peer.push("phx_close", {}, topic=ROOM, join_ref=before)
    assert peer.reply(peer.last("phx_join")).client.idle


def test_what_is_kept_of_a_topic_is_bounded() -> None:
    peer = joined()
    for number in range(150):
        peer.push("msg", {"n": number}, topic=ROOM)
    kept = texts(peer, f"{ROOM} msg")
    assert len(kept) == 100
    assert kept[-1] == {"n": 149}
    for _ in range(20):
        peer.push("long", {"body": "x" * 400_000}, topic=ROOM)
    assert len(peer.client.look(f"{ROOM} long")) == 2


@pytest.mark.parametrize(
    ("action", "why"),
    [
        (Click("#a"), "no page for a click"),
        (Push("shout", topic="room:other"), "'room:other' is not joined"),
        (Part("room:other"), "not joined"),
        (Push("shout", target="#a"), "no page"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_said(action: Any, why: str) -> None:
    peer = joined()
    with pytest.raises(CannotAct, match=why):
        peer.act(action)
    assert peer.events() == ["phx_join"]


def test_a_push_to_one_of_several_topics_must_name_it() -> None:
    peer = user({ROOM: {}, "user:1": {}}).open()
    with pytest.raises(CannotAct, match="which topic"):
        peer.act(Push("shout"))


def test_leaving_closes_the_socket_and_wants_nothing_more() -> None:
    peer = joined().act(Push("shout")).act(Leave())
    assert [each.code for each in peer.closes] == [1000]
    assert peer.client.wake_at is None


def test_who_answered_is_read_from_the_upgrade() -> None:
    peer = user().open([("X-Instance", "web-1"), ("X-App-Version", "2.0")]).lose()
    assert peer.seen(Kind.OPENED)[0]["instance"] == "web-1"
    assert peer.seen(Kind.LOST)[0]["version"] == "2.0"
