"""Where a page goes, and what it says of it."""

from __future__ import annotations

import pytest

from lvdeploy.model import Kind
from lvdeploy.wire.session import (
    CannotAct,
    Click,
    Leave,
    Visit,
)
from tests.wire.phoenix.peer import TOPIC, URL, Peer, reconnected, tree


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
