"""Addresses: the one origin a client talks to, and the socket's URL as phoenix ajax.js writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from lvdeploy.wire.phoenix.message import VSN

Param: TypeAlias = str | int | Sequence[str] | None

DEFAULT_PORTS = {"http": 80, "https": 443}

# encodeURIComponent leaves A-Z a-z 0-9 - _ . ! ~ * ' ( ) as they are
UNRESERVED = "-_.!~*'()"

# what the URL standard does not escape in a path; a percent sign stays
PATH_SAFE = "%/:@!$&'()*+,;=~-._|[]\\^"
QUERY_SAFE = PATH_SAFE.replace("'", "") + "?`{}"


class Endpoint:
    """Where the service is. ``url`` may hold a path; only its origin counts. Raises ``ValueError`` for no URL."""

    __slots__ = ("origin", "socket_path")

    def __init__(self, url: str, *, socket_path: str = "/live") -> None:
        origin = origin_of(url)
        if origin is None:
            raise ValueError(f"{url!r} is no http or https URL")
        self.origin = origin
        self.socket_path = socket_path

    @property
    def is_secure(self) -> bool:
        """Return whether a browser would keep Secure cookies of it: https, or this machine itself."""
        host = urlsplit(self.origin).hostname or ""
        return self.origin.startswith("https:") or host in ("localhost", "127.0.0.1", "::1")

    def resolve(self, href: str, *, base: str = "") -> str:
        """Return the absolute URL of a link on the page ``base``, as ``a.href`` shows it."""
        try:
            return _normal(urljoin(base or self.origin + "/", href.strip()))
        except ValueError:
            return href

    def is_ours(self, url: str) -> bool:
        """Return whether a client may talk to this URL at all."""
        return origin_of(url) == self.origin

    def socket_url(self, params: Mapping[str, Param]) -> str:
        """Return the websocket's URL with what is in ``params`` at this moment."""
        return f"ws{self.origin.removeprefix('http')}{self.socket_path}/websocket?{_query(params)}"

    def long_poll_url(self, params: Mapping[str, Param]) -> str:
        """Return the URL of long polling, without the token of its session."""
        return f"{self.origin}{self.socket_path}/longpoll?{_query(params)}"


def origin_of(url: str) -> str | None:
    """Return ``scheme://host[:port]`` of an http or https URL, without a default port; ``None`` for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != DEFAULT_PORTS[parts.scheme] else "")


def path_of(url: str) -> str:
    """Return the path of a URL, ``/`` if it has none."""
    return urlsplit(url).path or "/"


def without_fragment(url: str) -> str:
    """Return what goes over the wire of a URL."""
    return url.partition("#")[0]


def _normal(url: str) -> str:
    origin = origin_of(url)
    if origin is None:
        return url
    parts = urlsplit(url)
    path = quote(parts.path, safe=PATH_SAFE) or "/"
    query = quote(parts.query, safe=QUERY_SAFE)
    # urlunsplit drops an empty query or fragment, as nothing here depends on them
    return origin + urlunsplit(("", "", path, query, parts.fragment))


def _query(params: Mapping[str, Param]) -> str:
    return "&".join([*_serialized(params), f"vsn={VSN}"])


def _serialized(params: Mapping[str, Param]) -> list[str]:
    pairs: list[str] = []
    for key, value in params.items():
        if isinstance(value, str | int | None):
            # phoenix ajax.js writes an undefined value as the word
            pairs.append(f"{_component(key)}={_component('undefined' if value is None else str(value))}")
        else:
            pairs += [f"{_component(f'{key}[{i}]')}={_component(each)}" for i, each in enumerate(value)]
    return pairs


def _component(value: str) -> str:
    return quote(value, safe=UNRESERVED)
