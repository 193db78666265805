"""Addresses, and the socket's URL as Phoenix's JavaScript writes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.wire.phoenix.endpoint import Endpoint


def test_socket_url_is_that_of_a_browser() -> None:
    """The app's params object, changed by the last join, then vsn; phoenix ajax.js serialize."""
    params = {"_csrf_token": "a-b_c", "_track_static": ["http://h/a.js?vsn=d"], "_mounts": 0, "_live_referer": None}
    assert Endpoint("http://h:4000/x").socket_url(params) == (
        "ws://h:4000/live/websocket?_csrf_token=a-b_c&_track_static%5B0%5D=http%3A%2F%2Fh%2Fa.js%3Fvsn%3Dd"
        "&_mounts=0&_live_referer=undefined&vsn=2.0.0"
    )


def test_tls_stays_tls() -> None:
    assert Endpoint("https://h/").socket_url({}) == "wss://h/live/websocket?vsn=2.0.0"


@pytest.mark.parametrize(
    ("href", "resolved"),
    [
        ("/b?c=1#d", "http://h:4000/b?c=1#d"), ("?tab=x", "http://h:4000/a?tab=x"), ("HTTP://H:4000", "http://h:4000/"),
        ("http://h:80/", "http://h/"), ("/ü ö", "http://h:4000/%C3%BC%20%C3%B6"), ("//evil/x", "http://evil/x"),
        ("mailto:a@b", "mailto:a@b"), ("http://[::1", "http://[::1"),
    ],
)  # fmt: skip
def test_links_resolve_as_in_a_browser(href: str, resolved: str) -> None:
    assert Endpoint("http://h:4000").resolve(href, base="http://h:4000/a?b=1") == resolved


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("http://h:4000/x", True), ("http://H:4000", True), ("http://h/x", False), ("https://h:4000/", False),
        ("http://h.evil:4000/", False), ("http://user@evil:4000/", False), ("javascript:alert(1)", False),
        ("file:///etc/passwd", False), ("http://h:99999/", False), ("", False),
    ],
)  # fmt: skip
def test_only_the_configured_origin_is_ours(url: str, ours: bool) -> None:
    assert Endpoint("http://h:4000").is_ours(url) is ours


@pytest.mark.parametrize("url", ["", "app.test", "ftp://h/", "ws://h/", "http://", "http://h:x/"])
def test_a_service_is_a_web_address(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        Endpoint(url)


@given(st.text(), st.text())
def test_no_link_raises(href: str, base: str) -> None:
    endpoint = Endpoint("http://h")
    endpoint.is_ours(endpoint.resolve(href, base=base))
