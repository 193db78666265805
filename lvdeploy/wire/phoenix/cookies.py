"""A cookie jar for one origin, as a browser keeps it."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from lvdeploy.wire.session import Headers

MAX_COOKIES = 100
"""More than any site sets; a server cannot make a client grow without bound."""

MAX_LENGTH = 8192


class Cookie(NamedTuple):
    """A value as it was set, quotes and all; ``expires_at`` in monotonic seconds, ``None`` for the session."""

    value: str
    expires_at: float | None


class Cookies:
    """Cookies by name and path; the Domain attribute says nothing new to a client of one origin."""

    __slots__ = ("_cookies", "_secure")

    def __init__(self, *, secure: bool) -> None:
        self._cookies: dict[tuple[str, str], Cookie] = {}
        self._secure = secure

    def store(self, headers: Headers, *, path: str, now: float) -> None:
        """Take in the Set-Cookie lines of an answer to a request for ``path``."""
        date = _date(next((value for name, value in headers if name.lower() == "date"), ""))
        for name, line in headers:
            if name.lower() == "set-cookie" and len(line) <= MAX_LENGTH:
                self._store_line(line, path=path, now=now, date=date)

    def set(self, name: str, value: str, *, max_age: float | None, now: float) -> None:
        """Set a cookie for the whole site, as ``document.cookie`` does; a negative ``max_age`` removes it."""
        self._put((name, "/"), value, None if max_age is None else now + max_age, now=now)

    def header(self, path: str, now: float) -> str:
        """Return the Cookie header for a request, empty if there is nothing to say; longest paths first."""
        fitting = [
            (cookie_path, f"{name}={cookie.value}" if name else cookie.value)
            for (name, cookie_path), cookie in self._cookies.items()
            if _covers(cookie_path, path) and not _expired(cookie, now)
        ]
        return "; ".join(pair for _, pair in sorted(fitting, key=lambda each: -len(each[0])))

    def _store_line(self, line: str, *, path: str, now: float, date: datetime | None) -> None:
        pair, *attributes = line.split(";")
        name, equals, value = pair.partition("=")
        if not equals:
            name, value = "", name
        fields = {key.strip().lower(): text.strip() for key, _, text in (each.partition("=") for each in attributes)}
        if "secure" in fields and not self._secure:
            return
        given = fields.get("path", "")
        where = given if given.startswith("/") else _default_path(path)
        self._put((name.strip(), where), value.strip(), _expiry(fields, now=now, date=date), now=now)

    def _put(self, key: tuple[str, str], value: str, expires_at: float | None, *, now: float) -> None:
        if expires_at is not None and expires_at <= now:
            self._cookies.pop(key, None)
        elif key in self._cookies or len(self._cookies) < MAX_COOKIES:
            self._cookies[key] = Cookie(value, expires_at)


def _expiry(fields: dict[str, str], *, now: float, date: datetime | None) -> float | None:
    try:
        return now + int(fields["max-age"])
    except (KeyError, ValueError):
        expires = _date(fields.get("expires", ""))
    if expires is None:
        return None
    # without the answer's own Date there is no wall clock here; deletions use the epoch
    if date is None:
        return now if expires.year <= 1971 else None
    return now + (expires - date).total_seconds()


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    # "-0000" gives a date without a zone, which cannot be subtracted from one that has it
    return date if date.tzinfo is not None else None


def _default_path(path: str) -> str:
    # RFC 6265, 5.1.4: up to, not including, the last slash
    return path[: path.rfind("/")] or "/"


def _covers(cookie_path: str, path: str) -> bool:
    if path == cookie_path or cookie_path == "/":
        return True
    return path.startswith(cookie_path if cookie_path.endswith("/") else cookie_path + "/")


def _expired(cookie: Cookie, now: float) -> bool:
    return cookie.expires_at is not None and cookie.expires_at <= now
