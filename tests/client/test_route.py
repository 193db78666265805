from __future__ import annotations

from dataclasses import replace

import pytest

from lvdeploy.client.route import Outside, Route, Target, parse_address

ROUTE = Route(frozenset({"demo.example", "::1"}))


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://demo.example/a", Target("demo.example", 80, False, "demo.example", "demo.example")),
        ("https://DEMO.example:8443/", Target("demo.example", 8443, True, "demo.example", "demo.example:8443")),
        ("wss://demo.example/live", Target("demo.example", 443, True, "demo.example", "demo.example")),
        ("ws://[::1]:4000/live", Target("::1", 4000, False, "::1", "[::1]:4000")),
    ],
)
def test_a_url_leads_to_its_own_host(url: str, target: Target):
    assert ROUTE.target(url) == target


def test_connect_to_takes_the_place_of_the_address_only():
    route = Route(frozenset({"demo.example"}), ("10.0.0.7", 8443))
    assert route.target("https://demo.example/") == Target("10.0.0.7", 8443, True, "demo.example", "demo.example")


@pytest.mark.parametrize(
    "url",
    [
        "http://other.example/",
        "http://demo.example.evil.example/",
        "http://demo.example@evil.example/",
        "file:///etc/passwd",
        "/path/only",
        "http://demo.example:port/",
        "http://[::1/",
        "",
    ],
)
def test_everything_else_is_outside(url: str):
    with pytest.raises(Outside):
        ROUTE.target(url)


def test_ended_tls_changes_nothing_but_what_is_spoken():
    hosts, address = frozenset(["demo.example"]), ("127.0.0.1", 4000)
    direct = Route(hosts, address).target("wss://demo.example/live")
    ended = Route(hosts, address, tls_ended=True).target("wss://demo.example/live")

    assert (direct.secure, ended.secure) == (True, False)
    assert replace(ended, secure=True) == direct


def test_addresses_are_host_and_port():
    assert parse_address("10.0.0.7:80") == ("10.0.0.7", 80)
    assert parse_address("[::1]:443") == ("::1", 443)


@pytest.mark.parametrize("text", ["host", "host:", ":80", "host:80/path", "host:99999", ""])
def test_what_is_no_address_is_said(text: str):
    with pytest.raises(ValueError, match=r"."):
        parse_address(text)
