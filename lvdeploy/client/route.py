"""Where a URL may lead: the hosts a client may ask, and the address to connect to in their place."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class Outside(Exception):
    """The URL must not be asked; says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """
    Where to connect, and under which ``name`` (Host header, SNI, certificate).

    ``secure``: TLS is spoken on this connection.
    """

    host: str
    port: int
    secure: bool
    name: str
    authority: str


@dataclass(frozen=True, slots=True)
class Route:
    """
    ``hosts`` are names without ports, in lower case; ``connect_to`` takes the place of every URL's address.

    ``tls_ended``: who is connected to speaks TLS with the service in the clients' place, and plain with them.
    """

    hosts: frozenset[str]
    connect_to: tuple[str, int] | None = None
    tls_ended: bool = False

    def target(self, url: str) -> Target:
        """Return where ``url`` leads. Raises ``Outside``."""
        parts, port = _split(url)
        name = parts.hostname or ""
        if name not in self.hosts:
            raise Outside(f"{name or url[:80]!r} is not one of the hosts that may be asked")
        host, connect_port = self.connect_to or (name, port)
        bracketed = f"[{name}]" if ":" in name else name
        authority = bracketed if port == PORTS[parts.scheme] else f"{bracketed}:{port}"
        secure = parts.scheme in {"https", "wss"} and not self.tls_ended
        return Target(host, connect_port, secure, name, authority)


def host_of(url: str) -> str:
    """Return the URL's host name in lower case, empty if it has none."""
    return urlsplit(url).hostname or ""


def parse_address(text: str) -> tuple[str, int]:
    """Read ``host:port`` or ``[v6]:port``. Raises ``ValueError``."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.port is None or parts.path or parts.query or parts.username:
        raise ValueError(f"{text!r} is not host:port")
    return parts.hostname, parts.port


def _split(url: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Outside(f"not a URL: {error}") from None
    if parts.scheme not in PORTS:
        raise Outside(f"{parts.scheme or url[:80]!r} is not a scheme a client speaks")
    return parts, port or PORTS[parts.scheme]
