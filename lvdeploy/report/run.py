"""One run as every report tells it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from lvdeploy.measure.disruption import Disruption
from lvdeploy.measure.tally import Gap, StateCount, Tally
from lvdeploy.model import Event, Outcome, StateClass, StepRecord, Verdict


@dataclass(frozen=True, slots=True)
class Share:
    """
    What was asked of the balancer for the version rolled to, and what came of it.

    ``asked`` in basis points of new sessions; ``new_sessions`` and ``connections`` are shares between
    0 and 1, ``None`` where they were not counted.
    """

    at: float
    asked: int
    new_sessions: float | None = None
    connections: float | None = None


@dataclass(frozen=True, slots=True)
class Balancer:
    """``changes``: how often its configuration was changed; ``reloads``: how often that restarted it."""

    driver: str = ""
    changes: int = 0
    reloads: int = 0
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class Reconnects:
    """Per session; ``histogram`` counts sessions by their reconnects; ``predicted`` is the plan's mean."""

    mean: float | None
    max: int | None
    histogram: Mapping[int, int]
    predicted: float | None = None


@dataclass(frozen=True, slots=True)
class Clients:
    """What became of the clients."""

    count: int
    sessions: int
    reconnects: Reconnects
    never_returned: int
    gap: Gap
    close_codes: Mapping[int, int]
    full_page_loads: int
    transport_downgrades: int
    skew: int


@dataclass(frozen=True, slots=True)
class Requests:
    """What became of the HTTP load. ``status`` 0 is no answer; ``latency`` in seconds."""

    requests: int
    failed: int
    status: Mapping[int, int]
    latency: Gap
    acknowledged: int
    found: int | None


@dataclass(frozen=True, slots=True)
class Proven:
    """The proof of one new instance; ``old`` is where the sessions were opened, ``None``: on the new one itself."""

    slot: str
    version: str
    old: str | None
    clients: int
    checks: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Round:
    """One fault of ``verify``: the connections of all clients broken once, and what came back."""

    fault: str
    title: str
    began: float
    ended: float
    clients: Clients
    state: Mapping[StateClass, StateCount]
    checks: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """
    Everything there is to tell of a run.

    ``started`` and ``ended`` are seconds since the epoch, every other time is seconds since the run
    began. ``verdict`` is ``None`` where nothing was verified; ``reason`` says why it did not go well.
    """

    id: str
    command: str
    service: str
    from_version: str
    to_version: str
    started: float
    ended: float
    exit_code: int
    verdict: Outcome | None
    reason: str
    lvdeploy: str
    seed: int
    clients: Clients
    state: Mapping[StateClass, StateCount]
    http: Requests
    balancer: Balancer = field(default_factory=Balancer)
    steps: tuple[StepRecord, ...] = ()
    events: tuple[Event, ...] = ()
    checks: tuple[Verdict, ...] = ()
    proofs: tuple[Proven, ...] = ()
    rounds: tuple[Round, ...] = ()
    disruptions: tuple[Disruption, ...] = ()


def clients_of(tally: Tally, *, predicted: float | None = None) -> Clients:
    """Take the clients' figures out of a tally."""
    reconnects = tally.reconnects.values()
    return Clients(
        count=tally.presence.count,
        sessions=tally.sessions,
        reconnects=Reconnects(
            mean=sum(reconnects) / len(reconnects) if reconnects else None,
            max=max(reconnects, default=None),
            histogram=Counter(reconnects),
            predicted=predicted,
        ),
        never_returned=len(tally.away),
        gap=tally.gap,
        close_codes=tally.close_codes,
        full_page_loads=len(tally.full_page_loads),
        transport_downgrades=len(tally.transport_downgrades),
        skew=len(tally.skew),
    )


def requests_of(tally: Tally) -> Requests:
    """Take the HTTP load's figures out of a tally."""
    http = tally.http
    percentile = http.latency.percentile
    latency = Gap(percentile(50), percentile(95), percentile(99), http.latency.max)
    return Requests(http.requests, http.failed, dict(http.status), latency, http.acknowledged, http.found)


def finite(seconds: float | None) -> float | None:
    """Return ``None`` for infinity: documents have no word for it, ``never_returned`` says it."""
    return None if seconds is None or math.isinf(seconds) else seconds
