"""The nouns everyone talks about: what runs, what the balancer does with it, what clients saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

Version: TypeAlias = str

WHOLE = 10_000
"""All new sessions, in basis points."""


# What runs


@dataclass(frozen=True, slots=True)
class Slot:
    """A place that may hold one instance; its name is also its server's name in the balancer."""

    name: str
    host: str
    port: int

    @property
    def address(self) -> str:
        """``host:port``, with IPv6 hosts in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Instance:
    """A running copy of the application. ``started`` is the process's start time in epoch seconds."""

    slot: str
    version: Version
    pid: int
    started: float
    run: str = ""

    @property
    def identity(self) -> tuple[str, int, float]:
        """Slot, pid and start time: another process in the slot has another identity."""
        return (self.slot, self.pid, self.started)


class Health(StrEnum):
    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


# What the balancer does


class Mode(StrEnum):
    """
    Administrative mode of a server, in HAProxy's words.

    ready: takes sessions. drain: sticky users stay, nobody new. maint: nobody new, nobody sticky;
    open sockets live on.
    """

    READY = "ready"
    DRAIN = "drain"
    MAINT = "maint"


class Admission(StrEnum):
    """Whether a version takes new sessions (open), only those it already has (sticky_only), or none."""

    OPEN = "open"
    STICKY_ONLY = "sticky_only"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Server:
    """A slot's line in the balancer. ``weight`` runs from 1 to 256 and is relative within its version."""

    name: str
    address: str
    weight: int = 1
    mode: Mode = Mode.READY


@dataclass(frozen=True, slots=True)
class VersionTraffic:
    """One version's part: ``share`` is its basis points of NEW sessions."""

    version: Version
    share: int
    admission: Admission
    servers: tuple[Server, ...]

    def server(self, name: str) -> Server | None:
        return next((each for each in self.servers if each.name == name), None)


class Scope(StrEnum):
    """What a cookie keeps a user on; ``server`` implies the version."""

    VERSION = "version"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Cookie:
    """The affinity cookie. ``ttl`` in seconds; ``None`` is a session cookie."""

    name: str
    scope: Scope = Scope.VERSION
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class Pin:
    """
    A request with header ``X-Lvdeploy-Pin: token`` goes to this server, or to any ready one of the version.

    Share, admission and mode do not matter to a pin. The balancer takes the header away before the
    application sees it.
    """

    token: str
    version: Version
    server: str | None = None


PIN_HEADER = "X-Lvdeploy-Pin"


@dataclass(frozen=True, slots=True)
class Traffic:
    """
    Which versions and servers get new sessions: a whole value, never a delta.

    The first version is the fallback when no server of the chosen one is up, closed or not.
    """

    generation: int
    affinity: Cookie | None
    versions: tuple[VersionTraffic, ...]
    pins: tuple[Pin, ...] = ()

    def version(self, version: Version) -> VersionTraffic | None:
        return next((each for each in self.versions if each.version == version), None)

    def server(self, name: str) -> tuple[VersionTraffic, Server] | None:
        """Return the server of that name with its version's traffic."""
        for each in self.versions:
            server = each.server(name)
            if server is not None:
                return each, server
        return None

    def same_but_generation(self, other: Traffic) -> bool:
        """True when the two differ in their generation at most."""
        return replace(self, generation=0) == replace(other, generation=0)


@dataclass(frozen=True, slots=True)
class ObservedTraffic:
    """
    What the balancer really does.

    ``traffic`` is what lvdeploy's own notes in the balancer say, or ``None`` where it never wrote any.
    ``difference`` has one line for each thing that is not as those notes render: somebody else's change.
    ``connections`` is ``None`` where the balancer cannot count them per server.
    """

    traffic: Traffic | None
    difference: tuple[str, ...] = ()
    health: Mapping[str, Health] = field(default_factory=dict)
    connections: Mapping[str, int] | None = None
    stale_processes: int | None = None


# What a rollout looks at


class Fact(StrEnum):
    """
    What the journal knows of an instance; bound to its identity.

    healthy: it was so for ``min_healthy_time``; whether it still is, is observed.
    draining is recorded before the first socket is closed: from then on the instance is spent, whatever
    happens, since an application that began to drain does not take users again.
    """

    HEALTHY = "healthy"
    PROVEN = "proven"
    SEEN_OUT = "seen_out"
    DRAINING = "draining"
    DRAINED = "drained"


@dataclass(frozen=True, slots=True)
class Place:
    """One slot with everything observed in it, and the journal's facts about the instance there."""

    slot: Slot
    instance: Instance | None = None
    health: Health = Health.UNKNOWN
    facts: frozenset[Fact] = frozenset()


@dataclass(frozen=True, slots=True)
class Fleet:
    """Every slot of one service and its traffic, as last observed."""

    places: tuple[Place, ...]
    traffic: Traffic

    def __getitem__(self, slot: str) -> Place:
        return next(each for each in self.places if each.slot.name == slot)

    def replace_place(self, place: Place) -> Fleet:
        name = place.slot.name
        return replace(self, places=tuple(place if each.slot.name == name else each for each in self.places))


# What is told


@dataclass(frozen=True, slots=True)
class Event:
    """
    Something the engine did or saw, for the screen, the log and the timeline.

    ``at`` is seconds since the run began. ``subject`` is a slot's name, a version, or empty.
    """

    at: float
    kind: str
    subject: str = ""
    message: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One rollout step seen from outside: ``began`` and ``ended`` in seconds since the run began."""

    name: str
    subject: str
    began: float
    ended: float | None = None
    outcome: str = ""
    detail: str = ""


class Kind(StrEnum):
    """
    The kinds of observation, each with its ``value`` (seconds unless said) and its ``detail``.

    Page and socket (``instance`` and ``version`` say who answered, empty where it did not say):

    * page_loaded: time it took; url, status, reason (first, reload, stale, redirect, failed_patch …), instance, version
    * page_failed: url, error
    * opened: time the dial took; attempt (from 1 since the loss), transport, instance, version
    * refused: attempt, status, error, retry_in
    * lost: code, reason, instance, version, transport
    * joined: time from join to reply; topic, rejoin, liveview_version
    * join_failed: topic, reason (the server's: stale, join crashed …), rejoin
    * crashed: topic, reason, rejoin_in
    * recovered: time from the rejoin's reply to the last recovery reply; forms (their ids), skipped ({id: why})
    * reload_scheduled: delay; reason (code 1000, join crashed …), tries
    * acknowledged: time from the event to its reply; event
    * unanswered: event, reason

    Scenario:

    * ready: time since the client began; it holds state that is not a fresh mount's
    * expected: name, class, selector, wanted, found (what an ``expect`` step looked for and saw)
    * back: the gap; see ``Disruption``: lost_at, code, reason, attempts, transport, page_loads, from_instance,
      from_version, to_instance, to_version, state: {name: {class, wanted, found, fresh, accepted}}
    * gone: the scenario could go no further; reason
    * ended: the client was closed by its owner; away (true when it was not joined)
    * lag: how late the generator itself was

    Load (client is the connection kind, ``fresh`` or ``kept``):

    * request: latency from the intended time; method, path, status, error, instance, version, id (of a write)
    * found_writes: the number found; missing, doubled, unknown (lists of ids)
    """

    PAGE_LOADED = "page_loaded"
    PAGE_FAILED = "page_failed"
    OPENED = "opened"
    REFUSED = "refused"
    LOST = "lost"
    JOINED = "joined"
    JOIN_FAILED = "join_failed"
    CRASHED = "crashed"
    RECOVERED = "recovered"
    RELOAD_SCHEDULED = "reload_scheduled"
    ACKNOWLEDGED = "acknowledged"
    UNANSWERED = "unanswered"
    READY = "ready"
    EXPECTED = "expected"
    BACK = "back"
    GONE = "gone"
    ENDED = "ended"
    LAG = "lag"
    REQUEST = "request"
    FOUND_WRITES = "found_writes"


@dataclass(frozen=True, slots=True)
class Observation:
    """
    What one client saw, without judgement.

    ``at`` is seconds since the run began; ``step`` is the scenario's step, not the rollout's.
    """

    at: float
    client: str
    kind: Kind
    step: str = ""
    value: float | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


class StateClass(StrEnum):
    """Where a piece of a user's state lives, and so what can bring it back."""

    URL = "url"
    FORM = "form"
    DATABASE = "database"
    SESSION = "session"
    MEMORY = "memory"


class Outcome(StrEnum):
    PASS = "pass"
    INCONCLUSIVE = "inconclusive"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check's answer: what was measured, the limit, and the evidence in words a person can act on."""

    name: str
    outcome: Outcome
    measured: str = ""
    limit: str = ""
    evidence: str = ""
