"""A LiveView page and its user, against a scripted server: what the official JavaScript does in each case."""

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
    CannotAct,
    Change,
    Click,
    Fetched,
    FetchFailed,
    Leave,
    Lost,
    Opened,
    Push,
    Received,
    Refused,
    Session,
    Submit,
    Visit,
    Woken,
)
from tests.wire.phoenix.peer import FORM, LINKS, STICKY, TOPIC, URL, Peer, page, tree

CHILD = '<div id="kid" data-phx-session="{}" data-phx-static="" data-phx-parent-id="phx-MAIN"></div>'
DEAD_CHILD = '<div id="kid" data-phx-session="" data-phx-static="KS" data-phx-parent-id="phx-MAIN">dead</div>'


def typed() -> Peer:
    """Return a page in whose form somebody typed, acknowledged."""
    peer = Peer().joined().act(Change("#f", {"u[name]": "Ann"}))
    return peer.reply(peer.last("event"))


def reconnected(peer: Peer) -> Peer:
    peer.lose()
    peer.wake()
    return peer.open()


# Loading and joining


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


def test_dial_looks_like_a_browsers() -> None:
    peer = Peer(user_agent="Firefox", headers=[("X-Extra", "1")], pin="T").answer_page(
        headers=[("Set-Cookie", "_key=S1; path=/; HttpOnly")]
    )
    headers = dict(peer.dials[0][1].headers)
    assert headers["Origin"] == "http://app.test"
    assert headers["Cookie"] == "_key=S1"
    assert headers["User-Agent"] == "Firefox"
    assert headers["X-Extra"] == "1"
    assert headers["X-Lvdeploy-Pin"] == "T"
    assert dict(peer.fetches[0].headers)["X-Lvdeploy-Pin"] == "T"


def test_cookies_of_the_upgrade_are_kept_too() -> None:
    """An affinity cookie may be set by the 101 alone."""
    peer = Peer().answer_page().open([("Set-Cookie", "side=b; path=/")]).reply_join().lose()
    peer.wake()
    assert dict(peer.dials[-1][1].headers)["Cookie"] == "side=b"


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


def test_redirects_are_followed_with_their_cookies() -> None:
    peer = Peer().answer_page(status=302, headers=[("Location", "/login"), ("Set-Cookie", "k=1; path=/")])
    assert (peer.fetches[-1].url, peer.cookie()) == ("http://app.test/login", "k=1")
    peer.answer_page()
    assert peer.client.url == "http://app.test/login"
    assert len(peer.seen(Kind.PAGE_LOADED)) == 1


def test_redirect_loop_ends() -> None:
    peer = Peer()
    for _ in range(11):
        peer.answer_page(status=302, headers=[("Location", "/again")])
    assert len(peer.fetches) == 11
    assert peer.seen(Kind.PAGE_FAILED)[0]["error"] == "more than 10 redirects"
    assert not peer.client.idle


@pytest.mark.parametrize("location", ["http://evil.test/", "https://app.test/", "//evil.test/", "file:///etc/passwd"])
def test_other_origins_are_never_fetched(location: str) -> None:
    peer = Peer().answer_page(status=302, headers=[("Location", location)])
    assert len(peer.fetches) == 1
    assert "another origin" in peer.seen(Kind.PAGE_FAILED)[0]["error"]


def test_unreachable_page_is_loaded_again_as_chromium_does() -> None:
    """Chromium net_error_auto_reloader.cc: 1 s, 5 s, 30 s …; an HTTP status is not retried."""
    peer = Peer().feed(FetchFailed(1, "refused"))
    assert peer.seen(Kind.PAGE_FAILED) == [{"url": URL, "error": "refused"}]
    assert peer.wake() == pytest.approx(1.0)
    peer.feed(FetchFailed(2, "refused"))
    assert peer.wake() == pytest.approx(5.0)
    peer.answer_page(b"broken", status=500)
    assert peer.client.wake_at is None
    assert not peer.client.idle


def test_page_without_views_is_idle_once_loaded() -> None:
    peer = Peer().answer_page(b"<p>dead</p>")
    assert peer.client.idle
    assert peer.dials == []


# Idle


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


# Rejoining


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


# Events


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


# Navigation


def test_patch_link_asks_the_server_and_then_changes_the_address() -> None:
    """view.ts pushLinkPatch: live_patch with the absolute URL; history after the reply."""
    peer = Peer().joined().act(Click("#patch"))
    assert peer.sent[-1][3:] == ["live_patch", {"url": "http://app.test/page?a=2"}]
    assert peer.client.url == URL
    assert not peer.client.idle
    peer.reply(peer.sent[-1], {"diff": {"0": "2"}})
    assert peer.client.url == "http://app.test/page?a=2"
    assert peer.client.look("i")[0].text == "2"
    assert reconnected(peer).last("phx_join")[4]["url"] == "http://app.test/page?a=2"


def test_diffs_wait_for_the_patch_under_way() -> None:
    """view.ts update: hasPendingLink buffers the main view's diffs."""
    peer = Peer().joined().act(Click("#patch"))
    peer.push("diff", {"0": "early"})
    assert peer.client.look("i")[0].text == "0"
    assert peer.reply(peer.last("live_patch")).client.look("i")[0].text == "early"


def test_failed_patch_loads_the_page_as_it_was() -> None:
    """view.ts pushLinkPatch: the fallback is the current location."""
    peer = Peer().joined().act(Click("#patch"))
    peer.reply(peer.last("live_patch"), {"reason": "boom"}, status="error")
    assert peer.fetches[-1].url == URL
    assert peer.answer_page().seen(Kind.PAGE_LOADED)[-1]["reason"] == "failed_patch"


def test_patch_to_another_view_becomes_a_live_navigation() -> None:
    """channel.ex answers link_redirect; view.ts replaces the main view."""
    peer = Peer().joined().act(Click("#patch"))
    peer.reply(peer.last("live_patch"), {"link_redirect": True})
    assert peer.events()[-2:] == ["phx_leave", "phx_join"]
    assert peer.sent[-1][4]["redirect"] == "http://app.test/page?a=2"


def test_servers_patch_is_where_the_rejoin_goes() -> None:
    """view.ts onLivePatch: href follows, and the next join says it."""
    peer = Peer().joined().push("live_patch", {"kind": "push", "to": "/page?a=3"})
    assert peer.client.url == "http://app.test/page?a=3"
    assert reconnected(peer).last("phx_join")[4]["url"] == "http://app.test/page?a=3"


def test_live_navigation_keeps_socket_topic_and_tokens() -> None:
    """live_socket.ts replaceMain: leave, join with redirect and _live_referer, on the same topic."""
    peer = Peer().joined()
    first = peer.last("phx_join")
    peer.act(Click("#go"))
    leave, join = peer.sent[-2:]
    assert (leave[0], leave[3]) == (first[0], "phx_leave")
    assert list(join[4]) == ["redirect", "params", "session", "static", "sticky"]
    assert join[4]["session"] == first[4]["session"]
    assert join[4]["params"]["_live_referer"] == URL
    assert join[4]["params"]["_mounts"] == 0
    assert peer.client.url == URL
    peer.frame(first[0], first[0], TOPIC, "phx_close", {}).reply_join(tree("<b>other</b>"), container=["div", {}])
    assert peer.client.url == "http://app.test/other"
    assert peer.client.look("b")[0].text == "other"
    assert (len(peer.dials), len(peer.fetches)) == (1, 1)


def test_view_reached_by_navigation_rejoins_by_redirect_without_its_flash() -> None:
    """view.ts: the redirect flag and the referer stay, the flash is spent."""
    peer = Peer().joined()
    peer.act(Click("#hit")).reply(peer.last("event"), {"live_redirect": {"to": "/b", "kind": "push", "flash": "FL"}})
    assert peer.last("phx_join")[4]["flash"] == "FL"
    join = reconnected(peer.reply_join()).last("phx_join")
    assert join[4]["redirect"] == "http://app.test/b"
    assert join[4]["params"]["_live_referer"] == URL
    assert join[4]["params"]["_mounts"] == 1
    assert "flash" not in join[4]
    assert "url" not in join[4]


def test_navigation_lost_on_the_way_loads_where_it_led() -> None:
    """view.ts onClose: a main view that errors with a link pending reloads with jitter, to the link."""
    peer = Peer().joined().act(Click("#go")).lose()
    assert 5.0 <= peer.wake() <= 10.0
    assert peer.fetches[-1].url == "http://app.test/other"


def test_unauthorized_navigation_loads_the_page_it_led_to() -> None:
    peer = Peer().joined().act(Click("#go")).refuse_join(reason="unauthorized")
    assert peer.fetches[-1].url == "http://app.test/other"


def test_link_on_a_disconnected_page_is_a_page_load() -> None:
    """live_socket.ts bindNav: without a connection the browser follows the link itself."""
    peer = Peer().joined().lose().act(Click("#go"))
    assert peer.fetches[-1].url == "http://app.test/other"


def test_redirect_in_a_reply_unloads_the_page() -> None:
    peer = Peer().joined().act(Click("#hit"))
    peer.reply(peer.last("event"), {"redirect": {"to": "/login", "flash": "FL"}})
    assert peer.events()[-2:] == ["phx_leave", "phx_leave"]
    assert (peer.fetches[-1].url, peer.cookie()) == ("http://app.test/login", "__phoenix_flash__=FL")


def test_redirect_to_another_origin_is_refused() -> None:
    peer = Peer().joined().push("redirect", {"to": "http://evil.test/"})
    assert len(peer.fetches) == 1
    assert peer.seen(Kind.PAGE_FAILED) == [{"url": "http://evil.test/", "error": "another origin"}]


def test_address_bar_leaves_without_a_word() -> None:
    """phoenix socket.js pagehide: the socket closes, no view leaves."""
    peer = Peer().joined().act(Visit("/elsewhere"))
    assert peer.events() == ["phx_join"]
    assert len(peer.closes) == 1
    assert peer.fetches[-1].url == "http://app.test/elsewhere"


def test_nothing_can_be_done_on_a_page_that_was_left() -> None:
    peer = Peer().joined().act(Leave())
    with pytest.raises(CannotAct, match="left"):
        peer.act(Click("#hit"))


# Form recovery


def test_recovery_comes_after_the_rejoin_and_before_the_page_changes() -> None:
    """view.ts onJoin: join reply, recovery event, its reply, and only then the patch."""
    peer = reconnected(typed())
    assert peer.events() == ["phx_join"]
    peer.reply_join(tree(slot="new"))
    assert peer.events() == ["phx_join", "validate"]
    assert peer.last("event")[4] == {
        "type": "form", "event": "validate", "value": "u%5Bname%5D=Ann", "meta": {"_target": "u[name]"}, "uploads": {},
    }  # fmt: skip
    assert peer.client.look("i")[0].text == "0"
    assert not peer.client.idle
    peer.wait(0.5).reply(peer.last("event"), {"diff": {"0": "recovered"}})
    assert peer.client.look("i")[0].text == "recovered"
    assert peer.client.idle
    assert peer.seen(Kind.RECOVERED) == [{"forms": ["f"], "skipped": {}}]
    assert peer.observed[-1].value == pytest.approx(0.5)


def test_forms_recover_back_to_back_and_the_last_reply_decides() -> None:
    """view.ts maybeRecoverForms: sent without waiting; the last form's reply applies the join."""
    two = FORM + '<form id="g" phx-change="gv" phx-auto-recover="grec"><input name="gx"></form>'
    peer = reconnected(Peer().joined(rendered=tree(two))).reply_join(tree(two, slot="new"))
    assert peer.events() == ["phx_join", "validate", "grec"]
    first, last = peer.sent[1:]
    peer.reply(last, {"diff": {"0": "last"}})
    assert peer.client.look("i")[0].text == "last"
    peer.reply(first, {"diff": {"0": "first"}})
    assert peer.client.look("i")[0].text == "first"


@pytest.mark.parametrize(
    "form",
    [
        FORM.replace('phx-change="validate"', 'phx-change="validate" phx-auto-recover="ignore"'),
        FORM.replace(' id="f"', ""),
        '<form id="f" phx-change="validate"></form>',
    ],
)
def test_forms_that_cannot_be_recovered_are_not_sent(form: str) -> None:
    """view.ts getFormsForRecovery, maybeRecoverForms."""
    peer = reconnected(Peer().joined(rendered=tree(form))).reply_join(tree(form))
    assert peer.events() == ["phx_join"]
    assert peer.client.idle


def test_changed_event_name_skips_the_form_and_says_so() -> None:
    renamed = FORM.replace("validate", "check")
    peer = reconnected(typed()).reply_join(tree(renamed))
    assert peer.events() == ["phx_join"]
    assert list(peer.seen(Kind.RECOVERED)[0]["skipped"]) == ["f"]


def test_recovery_that_crashes_is_not_tried_again() -> None:
    """view.ts pendingForms: abandoned after the crash, and on every later reconnect of this page."""
    peer = reconnected(typed()).reply_join()
    assert peer.events()[-1] == "validate"
    assert peer.push("phx_error", {}).wake() == pytest.approx(1.0)
    peer.reply_join()
    assert peer.events()[-1] == "phx_join"
    assert peer.client.idle
    assert reconnected(peer).reply_join().events() == ["phx_join"]


def test_page_load_recovers_nothing() -> None:
    peer = typed().lose(1000)
    peer.wake()
    assert peer.answer_page().open().reply_join().events() == ["phx_join"]


def test_live_navigation_recovers_nothing() -> None:
    peer = typed().act(Click("#go"))
    assert peer.reply_join().events()[-1] == "phx_join"


# Nested and sticky views


def test_child_joins_after_its_parent_with_its_own_tokens() -> None:
    """view.ts onJoinComplete: session from the parent's join, static from the dead render, no url."""
    peer = Peer().answer_page(page(DEAD_CHILD)).open()
    assert len(peer.sent) == 1
    peer.reply_join(tree(CHILD.format("KT1")))
    join = peer.sent[-1]
    assert join[2:4] == ["lv:kid", "phx_join"]
    assert list(join[4]) == ["params", "session", "static", "sticky"]
    assert (join[4]["session"], join[4]["static"]) == ("KT1", "KS")
    assert not peer.client.idle
    assert peer.reply_join({"0": "k", "s": ["<b>", "</b>"]}).client.idle
    assert peer.client.look("#kid b")[0].text == "k"


def test_children_come_back_as_new_channels_after_their_parent() -> None:
    """view.ts: a parent's error destroys its children; they join again with fresh tokens and no static."""
    peer = Peer().answer_page(page(DEAD_CHILD)).open().reply_join(tree(CHILD.format("KT1")))
    reconnected(peer.reply_join({"s": ["k"]}))
    assert [frame[2:4] for frame in peer.sent] == [["lv:kid", "phx_leave"], [TOPIC, "phx_join"]]
    peer.reply_join(tree(CHILD.format("KT2")))
    join = peer.sent[-1]
    assert (join[2], join[4]["session"], join[4]["static"]) == ("lv:kid", "KT2", None)
    assert join[4]["params"]["_mounts"] == 1


def test_child_gives_up_after_three_joins() -> None:
    """view.ts MAX_CHILD_JOIN_ATTEMPTS: the child is destroyed, the page lives on."""
    peer = Peer().answer_page(page(DEAD_CHILD)).open().reply_join(tree(CHILD.format("KT1")))
    for wait in (1.0, 2.0):
        peer.refuse_join(reason="join crashed")
        assert peer.wake() == pytest.approx(wait)
    peer.refuse_join(reason="join crashed").wait(20.0)
    assert [frame[2:4] for frame in peer.sent].count(["lv:kid", "phx_join"]) == 3
    assert peer.client.idle


def test_child_that_leaves_the_page_leaves_its_channel() -> None:
    peer = Peer().joined(rendered={"0": CHILD.format("KT1"), "s": ["<p>", "</p>"]})
    peer.reply_join({"s": ["k"]}).push("diff", {"0": ""})
    assert peer.sent[-1][2:4] == ["lv:kid", "phx_leave"]
    assert peer.client.idle


def test_sticky_view_is_a_root_of_its_own() -> None:
    """live_socket.ts joinRootViews: joined at once, without url, sticky true."""
    peer = Peer().answer_page(page(more=STICKY)).open()
    main, sticky = peer.sent
    assert (main[2], sticky[2]) == (TOPIC, "lv:stick")
    assert "url" not in sticky[4]
    assert sticky[4]["sticky"] is True


# Versions of the JavaScript


def test_auto_imitates_the_version_of_the_first_join() -> None:
    """pyview announces 0.20.17 and reads ``_target`` inside the value; 0.20 marks no unused fields."""
    peer = Peer().joined(version="0.20.17").act(Change("#f", {"u[name]": "A"}))
    payload = peer.last("event")[4]
    assert payload["value"] == "u%5Bname%5D=A&_target=u%5Bname%5D"
    assert "meta" not in payload
    join = reconnected(peer).last("phx_join")[4]
    assert "sticky" not in join
    assert "_mount_attempts" not in join["params"]


def test_version_stays_until_the_page_is_loaded_again() -> None:
    """The JavaScript in the browser stays the old release's after a cutover."""
    peer = reconnected(Peer().joined(version="1.0.5", html=page(LINKS), rendered=tree(LINKS)))
    peer.reply_join(tree(LINKS), version="1.2.10")
    assert peer.client._live is not None
    assert peer.client._live.javascript == (1, 0, 5)
    peer.act(Visit("/")).answer_page().open().reply_join(version="1.2.10")
    assert peer.client._live.javascript == (1, 2, 10)


@pytest.mark.parametrize(("version", "flash"), [((1, 1, 3), True), ((1, 2, 0), False)])
def test_rejoin_says_null_flash_up_to_1_1(version: tuple[int, int, int], flash: bool) -> None:
    peer = Peer(javascript=version).joined()
    assert "flash" not in peer.last("phx_join")[4]
    assert ("flash" in reconnected(peer).last("phx_join")[4]) is flash


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
