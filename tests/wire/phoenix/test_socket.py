"""The socket of a LiveView page: heartbeats, reconnects, joins and leaves, in Phoenix's own time."""

from __future__ import annotations

import pytest

from lvdeploy.model import Kind
from lvdeploy.wire.session import CannotAct, Click, Hide, Leave, Show
from tests.wire.phoenix.peer import LINKS, TOPIC, Peer, tree


def test_heartbeat_follows_thirty_quiet_seconds() -> None:
    """phoenix socket.js: heartbeatIntervalMs 30000, on topic phoenix, without a join_ref."""
    peer = Peer().joined().wait(29.9)
    assert "heartbeat" not in peer.events()
    peer.wait(0.1)
    assert peer.last("heartbeat")[0::2] == [None, "phoenix", {}]


def test_heartbeats_count_from_the_last_reply() -> None:
    """phoenix socket.js onConnMessage: the reply to the pending heartbeat starts the next interval."""
    peer = Peer().joined().wait(30.0)
    peer.wait(5.0).reply(peer.last("heartbeat")).wait(29.9)
    assert peer.events().count("heartbeat") == 1
    assert peer.wait(0.1).events().count("heartbeat") == 2


def test_unanswered_heartbeat_ends_the_connection_and_reconnects_at_once() -> None:
    """phoenix socket.js heartbeatTimeout: close 1000, then the normal table, no page load."""
    peer = Peer().joined().wait(60.0)
    assert [(each.code, each.reason) for each in peer.closes] == [(1000, "heartbeat timeout")]
    assert peer.wake() == pytest.approx(0.010)
    assert len(peer.dials) == 2
    assert peer.open().last("phx_join")[4]["params"]["_mounts"] == 1
    assert len(peer.fetches) == 1


@pytest.mark.parametrize("code", [1001, 1006, 1011, 1012])
def test_lost_connection_is_dialled_again_after_ten_milliseconds(code: int) -> None:
    """phoenix socket.js onConnClose: every close but 1000 reconnects by the table."""
    peer = Peer().joined().lose(code)
    assert peer.wake() == pytest.approx(0.010)
    assert len(peer.dials) == 2
    assert peer.seen(Kind.LOST) == [
        {"code": code, "reason": "", "transport": "websocket", "instance": "", "version": ""}
    ]


def test_refused_dials_are_repeated_by_the_table() -> None:
    """phoenix socket.js reconnectAfterMs, tries counted when the timer fires."""
    peer = Peer().joined().lose()
    waits = []
    for _ in range(12):
        waits.append(peer.wake())
        peer.refuse()
    assert waits == pytest.approx([0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 5.0, 5.0])
    assert [each["attempt"] for each in peer.seen(Kind.REFUSED)] == list(range(1, 13))
    assert [each["retry_in"] for each in peer.seen(Kind.REFUSED)][:3] == pytest.approx([0.05, 0.1, 0.15])


def test_open_connection_starts_the_table_anew() -> None:
    """phoenix socket.js onConnOpen: reconnectTimer.reset()."""
    peer = Peer().joined().lose()
    for _ in range(5):
        peer.wake()
        peer.refuse()
    peer.wake()
    peer.open().lose()
    assert peer.wake() == pytest.approx(0.010)
    assert peer.open().seen(Kind.OPENED)[-1]["attempt"] == 1


def test_refused_handshake_is_retried_for_ever() -> None:
    """A bad Origin is answered 403 before the upgrade; a browser sees an error like any other."""
    peer = Peer().answer_page().refuse(403)
    assert peer.seen(Kind.REFUSED)[0]["status"] == 403
    peer.wait(60.0)
    assert len(peer.dials) == 2


def test_channel_joins_at_once_when_the_socket_opens() -> None:
    """phoenix channel.js: socket.onOpen rejoins errored channels without rejoinAfterMs."""
    peer = Peer().joined().lose()
    peer.wake()
    assert peer.open().events() == ["phx_join"]


def test_join_before_the_first_open_is_sent_once() -> None:
    """phoenix socket.js: the join waits in the send buffer; after a failed dial its rejoin takes its place."""
    peer = Peer().answer_page()
    assert peer.sent == []
    peer.refuse()
    peer.wake()
    assert peer.open().events() == ["phx_join"]


def test_crashed_channel_rejoins_later_and_later() -> None:
    """phoenix socket.js rejoinAfterMs: 1000, 2000, 5000, then 10000, while the socket stays up."""
    peer = Peer().joined()
    waits = []
    for _ in range(5):
        waits.append(peer.push("phx_error", {"reason": "channel_crash"}, join_ref=peer.last("phx_join")[0]).wake())
    assert waits == pytest.approx([1.0, 2.0, 5.0, 10.0, 10.0])
    assert len(peer.dials) == 1
    assert peer.seen(Kind.CRASHED)[0] == {"topic": TOPIC, "reason": "channel_crash", "rejoin_in": pytest.approx(1.0)}


def test_good_join_resets_the_rejoin_table() -> None:
    peer = Peer().joined_without_forms()
    for _ in range(3):
        peer.push("phx_error", {})
        assert peer.wake() == pytest.approx(1.0)
        peer.reply_join(tree(LINKS))


def test_closed_channel_is_not_joined_again() -> None:
    """phoenix channel.js onClose: the channel is removed."""
    peer = Peer().joined()
    peer.push("phx_close", {}, join_ref=peer.last("phx_join")[0]).wait(29.0)
    assert peer.events() == ["phx_join"]
    with pytest.raises(CannotAct):
        peer.act(Click("#hit"))


def test_frames_of_an_earlier_join_are_dropped() -> None:
    """phoenix channel.js isMember: outdated join_refs are dropped, broadcasts have none."""
    peer = Peer().joined_without_forms()
    before = peer.last("phx_join")[0]
    peer.push("phx_error", {})
    peer.wake()
    peer.reply_join(tree(LINKS))
    assert peer.push("diff", {"0": "old"}, join_ref=before).client.look("i")[0].text == "0"
    assert peer.push("diff", {"0": "new"}).client.look("i")[0].text == "new"


def test_join_without_a_reply_is_left_after_ten_seconds() -> None:
    """phoenix channel.js: joinPush timeout sends phx_leave with the join's own ref."""
    peer = Peer().answer_page().open().wait(9.9)
    assert peer.events() == ["phx_join"]
    peer.wait(0.2)
    assert peer.events() == ["phx_join", "phx_leave"]
    assert peer.last("phx_leave")[0] == peer.last("phx_join")[0]
    assert peer.seen(Kind.JOIN_FAILED) == [{"topic": TOPIC, "reason": "timeout", "rejoin": False}]


def test_reply_is_taken_once() -> None:
    peer = Peer().joined().act(Click("#hit"))
    event = peer.last("event")
    peer.reply(event, {"diff": {"0": "1"}}).reply(event, {"diff": {"0": "2"}})
    assert peer.client.look("i")[0].text == "1"
    assert len(peer.seen(Kind.ACKNOWLEDGED)) == 1


def test_refs_never_repeat_and_a_join_carries_its_own() -> None:
    peer = Peer().joined().act(Click("#hit")).act(Click("#hit")).wait(30.0)
    refs = [frame[1] for frame in peer.sent]
    assert len(set(refs)) == len(refs)
    join = peer.last("phx_join")
    assert join[0] == join[1]


def test_nothing_asks_to_be_woken_after_the_page_is_left() -> None:
    peer = Peer().joined().act(Click("#hit")).act(Leave())
    assert peer.client.wake_at is None
    assert peer.events()[-1] == "hit"
    assert len(peer.closes) == 1


# In the background


def test_hidden_page_does_not_reconnect_before_it_is_shown() -> None:
    """phoenix socket.js 1.8: the reconnect timer of a hidden page does nothing; shown, it reconnects at once."""
    peer = Peer().joined().act(Hide()).lose()
    assert len(peer.wait(60.0).dials) == 1
    peer.act(Show())
    assert len(peer.dials) == 2
    assert peer.open().last("phx_join")[4]["params"]["_mounts"] == 1


def test_page_shown_again_does_not_wait_for_its_next_attempt() -> None:
    """phoenix socket.js handleVisibilityChange: and its table begins anew."""
    peer = Peer().joined().lose()
    for _ in range(9):
        peer.wake()
        peer.refuse()
    peer.act(Hide()).act(Show())
    assert len(peer.dials) == 11
    assert peer.refuse().wake() == pytest.approx(0.010)


def test_attempt_that_hangs_is_made_anew_when_the_page_is_shown() -> None:
    """phoenix socket.js handleVisibilityChange: what is connecting is torn down too."""
    peer = Peer().joined().lose()
    peer.wake()
    peer.act(Hide()).act(Show())
    assert len(peer.closes) == 1
    assert len(peer.dials) == 3


def test_connected_page_may_be_hidden_and_shown_as_it_likes() -> None:
    peer = Peer().joined().act(Hide()).wait(20.0).act(Show())
    assert len(peer.dials) == 1
    assert peer.closes == []


def test_page_that_waits_for_its_reload_is_not_reconnected() -> None:
    """phoenix socket.js closeWasClean: reloadWithJitter closed the socket on purpose."""
    peer = Peer().joined().act(Hide()).lose(1000).act(Show())
    assert len(peer.dials) == 1
