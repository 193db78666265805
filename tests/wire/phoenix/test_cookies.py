"""A browser's cookies, for one origin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.wire.phoenix.cookies import MAX_COOKIES, Cookies


def jar(*lines: str, path: str = "/a/b", secure: bool = False, date: str = "") -> Cookies:
    cookies = Cookies(secure=secure)
    dated = [("Date", date)] if date else []
    cookies.store([*dated, *(("Set-Cookie", line) for line in lines)], path=path, now=0.0)
    return cookies


def test_values_travel_as_they_came() -> None:
    assert jar('k="a=b c"; Path=/; HttpOnly').header("/live/websocket", 1.0) == 'k="a=b c"'


def test_path_decides_where_a_cookie_goes() -> None:
    cookies = jar("here=1", "deep=2; path=/a/b/c", "all=3; path=/")
    assert cookies.header("/a/b/c/d", 0.0) == "deep=2; here=1; all=3"
    assert cookies.header("/ab", 0.0) == "all=3"


def test_cookie_ends_with_its_age() -> None:
    cookies = jar("k=1; Max-Age=10; Path=/")
    assert cookies.header("/", 9.0) == "k=1"
    assert cookies.header("/", 10.0) == ""


def test_expiry_is_measured_by_the_servers_own_clock() -> None:
    expires = "k=1; Path=/; Expires=Sun, 22 Nov 2026 11:38:03 GMT"
    cookies = jar(expires, date="Sun, 22 Nov 2026 11:37:03 GMT")
    assert cookies.header("/", 59.0) == "k=1"
    assert cookies.header("/", 61.0) == ""


def test_cookie_set_in_the_past_is_removed() -> None:
    cookies = jar("k=1; Path=/")
    cookies.store([("set-cookie", "k=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT")], path="/", now=1.0)
    assert cookies.header("/", 1.0) == ""


def test_secure_cookie_is_not_kept_over_plain_http() -> None:
    assert jar("k=1; Secure; Path=/").header("/", 0.0) == ""
    assert jar("k=1; Secure; Path=/", secure=True).header("/", 0.0) == "k=1"


def test_server_cannot_fill_the_jar_without_bound() -> None:
    cookies = jar(*(f"k{i}=1; Path=/" for i in range(3 * MAX_COOKIES)))
    assert cookies.header("/", 0.0).count("=") == MAX_COOKIES


@given(st.lists(st.text()), st.text(), st.text())
def test_no_header_raises(lines: list[str], date: str, path: str) -> None:
    jar(*lines, date=date, path=path).header(path, 1.0)
