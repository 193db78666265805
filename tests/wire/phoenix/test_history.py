"""Back, and where it leads: within a view, by live navigation, or by a page load."""

from __future__ import annotations

import pytest

from lvdeploy.model import Kind
from lvdeploy.wire.phoenix.history import Entry, History
from lvdeploy.wire.session import Back, CannotAct, Click, Navigate, Visit
from tests.wire.phoenix.peer import LINKS, Peer, page, tree

HERE = "http://app.test/page?a=1"
THERE = "http://app.test/page?a=2"
OTHER = "http://app.test/other"


def patched() -> Peer:
    peer = Peer().joined_without_forms().act(Click("#patch"))
    return peer.reply(peer.last("live_patch"))


def navigated() -> Peer:
    return Peer().joined_without_forms().act(Click("#go")).reply_join(tree(LINKS))


def test_back_within_a_view_asks_it_for_the_address_before() -> None:
    """live_socket.ts popstate: the entry was left by a patch of the same view, so live_patch."""
    peer = patched()
    assert peer.client.url == THERE
    peer.act(Back())
    assert peer.client.url == HERE
    assert peer.last("live_patch")[4] == {"url": HERE}
    peer.reply(peer.last("live_patch"))
    assert peer.client.idle
    with pytest.raises(CannotAct):
        peer.act(Back())


def test_rejoin_after_back_is_at_the_address_before() -> None:
    peer = patched().act(Back())
    peer.reply(peer.last("live_patch")).lose()
    peer.wake()
    assert peer.open().last("phx_join")[4]["url"] == HERE


def test_back_from_a_live_navigation_navigates_live() -> None:
    """live_socket.ts popstate: left by redirect, so replaceMain."""
    peer = navigated().act(Back())
    assert peer.events()[-2:] == ["phx_leave", "phx_join"]
    assert peer.last("phx_join")[4]["redirect"] == HERE
    peer.reply_join(tree(LINKS))
    assert peer.client.url == HERE
    with pytest.raises(CannotAct):
        peer.act(Back())


def test_back_over_a_page_load_loads_the_page() -> None:
    """live_socket.ts pageshow: a page out of the browser's own cache is loaded again."""
    peer = Peer().joined_without_forms().act(Visit("/other")).answer_page(page(LINKS))
    peer.act(Back())
    assert peer.fetches[-1].url == HERE
    peer.answer_page(page(LINKS))
    assert peer.client.url == HERE
    assert peer.seen(Kind.PAGE_LOADED)[-1]["reason"] == "back"


def test_back_while_the_view_is_away_joins_anew() -> None:
    """live_socket.ts popstate: main is not connected, so replaceMain; its join waits for the socket."""
    peer = patched().lose().act(Back())
    peer.wake()
    assert peer.open().last("phx_join")[4]["redirect"] == HERE


def test_patch_that_replaces_leaves_nothing_to_go_back_to() -> None:
    peer = Peer().joined_without_forms().push("live_patch", {"to": "/page?a=9", "kind": "replace"})
    assert peer.client.url == "http://app.test/page?a=9"
    with pytest.raises(CannotAct):
        peer.act(Back())


def test_first_page_has_nothing_before_it() -> None:
    with pytest.raises(CannotAct):
        Peer().joined().act(Back())


def test_script_navigates_live() -> None:
    """JS.navigate: leave, and join with redirect; without a connection a page load."""
    peer = Peer().joined_without_forms().act(Navigate("/other"))
    assert peer.last("phx_join")[4]["redirect"] == OTHER
    assert peer.reply_join(tree(LINKS)).client.url == OTHER
    peer.lose().act(Navigate("/page"))
    assert peer.fetches[-1].url == "http://app.test/page"


# The history by itself


def test_address_loaded_again_takes_its_own_place() -> None:
    history = History()
    history.loaded(HERE)
    history.loaded(HERE)
    assert not history.can_go_back


def test_entry_remembers_how_it_was_left() -> None:
    history = History()
    history.loaded(HERE)
    history.replace(HERE, view="v")
    history.push(THERE, view="v", by="patch")
    assert history.back() == Entry(HERE, "v", "patch")
