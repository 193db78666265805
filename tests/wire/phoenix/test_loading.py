"""Requests, redirects and cookies between an address and its page."""

from __future__ import annotations

import pytest

from lvdeploy.model import Kind
from lvdeploy.wire.session import (
    FetchFailed,
)
from tests.wire.phoenix.peer import URL, Peer


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


def test_dial_looks_like_a_browsers() -> None:
    """phoenix transport.ex connect_session: the session cookie of the page's answer comes with the upgrade."""
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
