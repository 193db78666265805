"""Loading a page: the requests, redirects and cookies between an address and its HTML."""

from __future__ import annotations

from dataclasses import dataclass

from lvdeploy.wire.phoenix.cookies import Cookies
from lvdeploy.wire.phoenix.endpoint import Endpoint, path_of, without_fragment
from lvdeploy.wire.session import Fetch, Fetched, Headers

MAX_REDIRECTS = 10

REDIRECTS = frozenset({301, 302, 303, 307, 308})

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
FORM = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class Load:
    """A page on its way. ``reason`` says why it is loaded; ``began`` is monotonic seconds."""

    number: int
    url: str
    reason: str
    began: float
    method: str = "GET"
    body: bytes = b""
    hops: int = 0


@dataclass(frozen=True, slots=True)
class Unfollowed:
    """A redirect that is not followed, in words."""

    url: str
    error: str


class Loader:
    """Makes the requests of one client. ``headers`` go with every request and every dial."""

    __slots__ = ("_cookies", "_endpoint", "_headers", "_number", "_user_agent")

    def __init__(self, endpoint: Endpoint, cookies: Cookies, *, user_agent: str, headers: Headers) -> None:
        self._endpoint = endpoint
        self._cookies = cookies
        self._user_agent = user_agent
        self._headers = tuple(headers)
        self._number = 0

    def begin(self, url: str, reason: str, *, now: float, method: str = "GET", body: bytes = b"") -> Load:
        """Return a new load; ``request`` makes its first request."""
        self._number += 1
        return Load(self._number, url, reason, now, method, body)

    def request(self, load: Load, now: float) -> Fetch:
        """Return the request for where the load is now."""
        own = [("User-Agent", self._user_agent), ("Accept", ACCEPT), *self._cookie(load.url, now)]
        if load.method != "GET":
            own += [("Content-Type", FORM), ("Origin", self._endpoint.origin)]
        headers = (*own, *self._headers)
        return Fetch(load.number, without_fragment(load.url), load.method, headers, load.body)

    def upgrade_headers(self, url: str, now: float) -> Headers:
        """Return the headers of a dial, as a browser sends them."""
        return (
            ("Origin", self._endpoint.origin),
            ("User-Agent", self._user_agent),
            *self._cookie(url, now),
            *self._headers,
        )

    def of_script(self, method: str, url: str, now: float, *, headers: Headers, body: bytes) -> Fetch:
        """Return a request that the page's script makes."""
        self._number += 1
        own = [("User-Agent", self._user_agent), *headers, *self._cookie(url, now)]
        if method != "GET":
            own.append(("Origin", self._endpoint.origin))
        return Fetch(self._number, url, method, (*own, *self._headers), body)

    def keep_cookies(self, headers: Headers, url: str, now: float) -> None:
        """Take in the cookies of an answer."""
        self._cookies.store(headers, path=path_of(url), now=now)

    def follow(self, load: Load, answer: Fetched) -> bool | Unfollowed:
        """Move the load on if the answer redirects; False if it is the page itself."""
        location = header(answer.headers, "location")
        if answer.status not in REDIRECTS or not location:
            return False
        url = self._endpoint.resolve(location, base=load.url)
        if not self._endpoint.is_ours(url):
            return Unfollowed(without_fragment(url), "redirected to another origin")
        if load.hops == MAX_REDIRECTS:
            return Unfollowed(without_fragment(url), f"more than {MAX_REDIRECTS} redirects")
        self._number += 1
        load.number = self._number
        load.hops += 1
        # a fragment is inherited by the target that has none
        load.url = url if "#" in url else url + load.url[len(without_fragment(load.url)) :]
        if answer.status in (301, 302, 303):
            load.method, load.body = "GET", b""
        return True

    def _cookie(self, url: str, now: float) -> Headers:
        value = self._cookies.header(path_of(url), now)
        return (("Cookie", value),) if value else ()


def header(headers: Headers, name: str) -> str:
    """Return the first value of a header, empty if there is none."""
    return next((value for key, value in headers if key.lower() == name.lower()), "")
