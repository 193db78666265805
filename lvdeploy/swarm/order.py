"""What a swarm's processes are told: one JSON document each, on standard input only, for it may hold secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from lvdeploy.client import Route
from lvdeploy.client.route import host_of, parse_address
from lvdeploy.model import PIN_HEADER
from lvdeploy.wire.phoenix import WhichJavaScript
from lvdeploy.wire.session import Headers

CLIENTS_PER_SHARD = 500


def user_agent() -> str:
    """Name lvdeploy to the service, so that its traffic can be told from users'."""
    try:
        return f"lvdeploy/{version('lvdeploy')}"
    except PackageNotFoundError:
        return "lvdeploy"


@dataclass(frozen=True, slots=True)
class Destination:
    """
    Which service, and how it is reached.

    ``connect_to`` is ``host:port`` to connect to in place of the url's; ``ca`` a PEM file to trust instead of
    the machine's authorities. ``headers`` go with every request. ``instance`` and ``version`` name the response
    headers that say who answered. ``tls_ended``: ``connect_to`` speaks TLS in the clients' place; see ``Route``.
    """

    url: str
    connect_to: str | None = None
    ca: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    instance: str = "x-instance"
    version: str = "x-app-version"
    user_agent: str = field(default_factory=user_agent)
    also_allowed: tuple[str, ...] = ()
    tls_ended: bool = False

    @property
    def route(self) -> Route:
        """Raises ``ValueError`` where ``connect_to`` is not host:port."""
        hosts = frozenset((host_of(self.url), *(name.lower() for name in self.also_allowed)))
        return Route(hosts, parse_address(self.connect_to) if self.connect_to else None, self.tls_ended)

    @property
    def request_headers(self) -> Headers:
        return (("User-Agent", self.user_agent), *self.headers.items())


@dataclass(frozen=True, slots=True)
class Crossing:
    """As soon as all clients hold state, each loses its connection with ``code`` and comes back by another pin."""

    pin: str = field(repr=False)
    code: int = 1012

    @property
    def headers(self) -> Headers:
        return ((PIN_HEADER, self.pin),)


@dataclass(frozen=True, slots=True)
class SwarmOrder:
    """
    A swarm of clients: client i plays scenario i mod their number.

    ``origin`` is the run's beginning in monotonic seconds. ``pin`` is a token that steers every request.
    """

    destination: Destination
    scenarios: tuple[Mapping[str, object], ...]
    clients: int
    joins_per_second: float
    seed: int
    origin: float
    javascript: WhichJavaScript = "auto"
    pin: str | None = field(default=None, repr=False)
    crossing: Crossing | None = None
    shards: int | None = None

    @property
    def processes(self) -> int:
        """One a core, as long as each has enough to do."""
        if self.shards is not None:
            return max(1, self.shards)
        return max(1, min(os.cpu_count() or 1, self.clients // CLIENTS_PER_SHARD))

    @property
    def request_headers(self) -> Headers:
        pin = ((PIN_HEADER, self.pin),) if self.pin else ()
        return (*self.destination.request_headers, *pin)


@dataclass(frozen=True, slots=True)
class ShardOrder:
    """One process's part: every ``of``-th client, from ``shard`` on."""

    swarm: SwarmOrder
    shard: int
    of: int


@dataclass(frozen=True, slots=True)
class WriteOrder:
    """
    POSTs of a JSON object whose ``id`` field is new each time, and where to read back what was kept.

    ``found_json`` is the dotted way to a list of ids, or of objects with that field, in the answer of ``found_path``.
    """

    path: str
    rate: float
    id: str
    found_path: str
    found_json: str


@dataclass(frozen=True, slots=True)
class LoadOrder:
    """A steady HTTP load: ``rate`` requests a second whatever the service does, ``timeout`` seconds for each."""

    destination: Destination
    seed: int
    origin: float
    rate: float = 50.0
    paths: tuple[str, ...] = ("/",)
    timeout: float = 5.0
    writes: WriteOrder | None = None
