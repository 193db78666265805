"""What the page's JavaScript does when joins fail, connections end and events go unanswered."""

from __future__ import annotations

import pytest

from lvdeploy.model import Kind
from lvdeploy.wire.session import (
    CannotAct,
    Change,
    Click,
    Push,
)
from tests.wire.phoenix.peer import LINKS, TOPIC, URL, Peer, page, reconnected, tree


def test_rejoin_after_1012_keeps_tokens_and_counts_mounts() -> None:
    """view.ts: same session and static, _mounts counts the joins, _mount_attempts starts at 0."""
    peer = Peer().joined()
    first = peer.last("phx_join")
    again = reconnected(peer).last("phx_join")
    assert again[0] != first[0]
    assert {key: again[4][key] for key in ("url", "session", "static")} == {
        key: first[4][key] for key in ("url", "session", "static")
    }
    assert again[4]["params"]["_mounts"] == 1
    assert again[4]["params"]["_mount_attempts"] == 0


def test_rejoin_is_observed_as_one() -> None:
    peer = reconnected(Peer().joined()).reply_join()
    assert [each["rejoin"] for each in peer.seen(Kind.JOINED)] == [False, True]
    assert peer.seen(Kind.JOINED)[0]["liveview_version"] == "1.2.10"


def test_close_code_1000_loads_the_page_after_five_to_ten_seconds() -> None:
    """live_socket.ts: event.code === 1000 && main means reloadWithJitter; nothing reconnects meanwhile."""
    peer = Peer().joined().lose(1000)
    wait = peer.wake()
    assert 5.0 <= wait <= 10.0
    assert len(peer.dials) == 1
    assert len(peer.fetches) == 2
    assert peer.seen(Kind.RELOAD_SCHEDULED) == [{"reason": "code 1000", "tries": 0}]
    peer.answer_page()
    assert peer.seen(Kind.PAGE_LOADED)[-1]["reason"] == "reload"
    assert peer.open().sent[0][4]["params"]["_mounts"] == 0


def test_eleventh_reload_in_a_row_waits_thirty_seconds_and_a_join_forgets_them() -> None:
    """live_socket.ts: tries >= maxReloads waits failsafeJitter; view.ts onJoin drops the counter."""
    peer = Peer()
    waits = []
    for _ in range(12):
        peer.answer_page().open().refuse_join(reason="join crashed")
        waits.append(peer.wake())
    assert all(5.0 <= wait <= 10.0 for wait in waits[:10])
    assert waits[10:] == pytest.approx([30.0, 30.0])
    peer.answer_page().open().reply_join().lose(1000)
    assert peer.wake() < 30.0
    assert peer.seen(Kind.RELOAD_SCHEDULED)[-1]["tries"] == 0


def test_crashed_join_closes_the_socket_and_loads_the_page_later() -> None:
    """view.ts onJoinError: the main view reloads with jitter, which disconnects first."""
    peer = Peer().answer_page().open().refuse_join(reason="join crashed")
    assert [close.code for close in peer.closes] == [1000]
    assert peer.seen(Kind.JOIN_FAILED) == [{"topic": TOPIC, "reason": "join crashed", "rejoin": False}]
    assert 5.0 <= peer.wake() <= 10.0
    assert len(peer.fetches) == 2


@pytest.mark.parametrize("reason", ["stale", "unauthorized"])
def test_stale_and_unauthorized_load_the_page_at_once(reason: str) -> None:
    """view.ts onJoinError: redirect to main's href; leaves for the view and the body's own, then close."""
    peer = reconnected(Peer().joined()).refuse_join(reason=reason)
    assert [frame[2:4] for frame in peer.sent[1:]] == [[TOPIC, "phx_leave"], ["lv:", "phx_leave"]]
    assert len(peer.closes) == 1
    assert peer.fetches[-1].url == URL
    assert peer.seen(Kind.RELOAD_SCHEDULED) == []
    assert peer.answer_page().seen(Kind.PAGE_LOADED)[-1]["reason"] == reason


def test_join_that_is_always_stale_is_slowed_down() -> None:
    """A browser loops as fast as it can; twenty loads are enough to see it."""
    peer = Peer()
    for _ in range(20):
        peer.answer_page().open().refuse_join(reason="stale")
    assert len(peer.fetches) == 21
    peer.answer_page().open().refuse_join(reason="stale")
    assert len(peer.fetches) == 21
    assert peer.wake() == pytest.approx(30.0)


def test_failed_mount_leaves_its_status_for_the_next_load() -> None:
    """live_socket.ts redirect: the reload token goes into a cookie for a minute."""
    peer = Peer().answer_page().open().refuse_join(reason="reload", status=404, token="TOK")
    assert peer.cookie() == "__phoenix_reload_status__=TOK"
    assert peer.fetches[-1].url == URL


def test_redirect_in_a_join_takes_its_flash_along() -> None:
    """browser.ts redirect: __phoenix_flash__ for a minute, then the address."""
    peer = Peer().answer_page().open().refuse_join(redirect={"to": "/login", "flash": "FL"})
    assert (peer.fetches[-1].url, peer.cookie()) == ("http://app.test/login", "__phoenix_flash__=FL")
    assert "phx_leave" in peer.events()


def test_live_redirect_in_a_join_joins_again_on_the_same_topic() -> None:
    """view.ts onJoinError: leave, then live navigation."""
    peer = Peer().answer_page().open().refuse_join(live_redirect={"to": "/b", "kind": "push", "flash": "FL"})
    join = peer.sent[-1]
    assert join[2:4] == [TOPIC, "phx_join"]
    assert join[4]["redirect"] == "http://app.test/b"
    assert join[4]["flash"] == "FL"
    assert "url" not in join[4]
    assert len(peer.fetches) == 1


def test_live_patch_in_a_join_changes_the_address() -> None:
    """view.ts applyJoinPatch: history after the patch."""
    peer = Peer().joined(live_patch={"to": "/page?a=9", "kind": "push"})
    assert peer.client.url == "http://app.test/page?a=9"


def test_join_that_times_out_loads_the_page_later() -> None:
    """view.ts: the main view's join timeout reloads with jitter."""
    peer = Peer().answer_page().open().wait(10.0)
    assert peer.seen(Kind.RELOAD_SCHEDULED) == [{"reason": "timeout", "tries": 0}]


def test_disconnect_broadcast_rejoins() -> None:
    """Endpoint.broadcast "disconnect" closes with 1001, which is a reconnect like any other."""
    assert reconnected(Peer().joined()).events() == ["phx_join"]



def test_click_pushes_its_event() -> None:
    peer = Peer().joined().act(Click("#hit"))
    assert peer.last("event")[4] == {"type": "click", "event": "hit", "value": {"value": ""}}
    peer.reply(peer.last("event"), {"diff": {"0": "1"}})
    assert peer.client.look("i")[0].text == "1"
    assert peer.seen(Kind.ACKNOWLEDGED) == [{"event": "hit"}]


def test_hook_pushes_a_hook_event() -> None:
    peer = Peer().joined().act(Push("tick", {"n": 1}))
    assert peer.last("event")[4] == {"type": "hook", "event": "tick", "value": {"n": 1}}


def test_click_while_disconnected_is_refused_and_not_queued() -> None:
    """LiveView drops events while it cannot push."""
    peer = Peer().joined_without_forms().lose()
    with pytest.raises(CannotAct, match="not connected"):
        peer.act(Click("#hit"))
    peer.wake()
    assert peer.open().reply_join(tree(LINKS)).events() == ["phx_join"]


def test_typing_while_disconnected_stays_and_is_recovered() -> None:
    """The browser keeps what is typed, drops the event, and recovers the form after the rejoin."""
    peer = Peer().joined().lose().act(Change("#f", {"u[name]": "Bob"}))
    assert peer.seen(Kind.UNANSWERED) == [{"event": "validate", "reason": "not connected"}]
    peer.wake()
    peer.open().reply_join()
    assert peer.last("event")[4]["value"] == "u%5Bname%5D=Bob"


def test_event_without_an_answer_for_thirty_seconds_loads_the_page() -> None:
    """view.ts pushWithReply: PUSH_TIMEOUT without a rejoin since means reloadWithJitter."""
    peer = Peer().joined().wait(1.0).act(Click("#hit")).wait(29.0)
    peer.reply(peer.last("heartbeat"))
    assert peer.seen(Kind.UNANSWERED) == []
    peer.wait(1.0)
    assert peer.seen(Kind.UNANSWERED) == [{"event": "hit", "reason": "timeout"}]
    assert peer.seen(Kind.RELOAD_SCHEDULED) == [{"reason": "push timeout", "tries": 0}]


def test_event_in_flight_at_the_loss_reloads_only_a_page_that_stays_away() -> None:
    """view.ts: a rejoin within the 30 s makes the timeout harmless."""
    peer = reconnected(Peer().joined_without_forms().act(Click("#hit"))).reply_join(tree(LINKS)).wait(31.0)
    assert peer.seen(Kind.RELOAD_SCHEDULED) == []
    peer = Peer().joined().act(Click("#hit")).lose()
    while peer.now < 131.0:
        peer.wake()
        if peer.client.wake_at is None or not peer.seen(Kind.RELOAD_SCHEDULED):
            peer.refuse()
    assert peer.seen(Kind.RELOAD_SCHEDULED) == [{"reason": "push timeout", "tries": 0}]


def test_diff_pushed_by_the_server_changes_its_slot_only() -> None:
    peer = Peer().joined(rendered={"0": "a", "1": "b", "s": ["<b>", "</b><u>", "</u>"]}).push("diff", {"0": "x"})
    assert (peer.client.look("b")[0].text, peer.client.look("u")[0].text) == ("x", "b")


def test_title_of_a_diff_is_shown() -> None:
    peer = Peer().answer_page(page(head="<title>t</title>")).open().reply_join().push("diff", {"t": "News"})
    assert peer.client.look("title")[0].text == "News"


def test_malformed_diff_is_a_crash_of_the_view_not_of_the_client() -> None:
    peer = Peer().joined().push("diff", {"c": 1, "0": {"s": 7}})
    assert peer.seen(Kind.CRASHED)[0]["reason"].startswith("malformed")
    assert peer.push("diff", {"0": "next"}).client.look("i")[0].text == "next"


def test_hook_can_target_a_component() -> None:
    rendered = {"0": 1, "s": ["<p>", "</p>"], "c": {"1": {"s": ['<div id="box">x</div>'], "r": 1}}}
    peer = Peer().joined(rendered=rendered).act(Push("tick", {}, target="#box"))
    assert peer.last("event")[4] == {"type": "hook", "event": "tick", "value": {}, "cid": 1}
    with pytest.raises(CannotAct, match="component"):
        peer.act(Push("tick", {}, target="p"))


def test_change_of_an_input_that_is_not_there_changes_nothing() -> None:
    peer = Peer().joined()
    with pytest.raises(CannotAct, match="u\\[age\\]"):
        peer.act(Change("#f", {"u[name]": "Ann", "u[age]": "7"}))
    assert peer.events() == ["phx_join"]
    assert peer.client.look("#f input")[0].value == ""
