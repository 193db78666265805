"""Observations, added up as they come: the same figures while the rollout runs and at its end."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lvdeploy.measure.disruption import Disruption, Fate, Held, from_back, holdings
from lvdeploy.measure.http import Http
from lvdeploy.model import Kind, Observation, StateClass


@dataclass(frozen=True, slots=True)
class StateCount:
    """
    Kept things of one class, each client's counted once with the worst that became of it.

    ``counted`` is kept + lost + accepted.
    """

    kept: int = 0
    lost: int = 0
    accepted: int = 0
    indeterminate: int = 0

    @property
    def counted(self) -> int:
        return self.kept + self.lost + self.accepted


@dataclass(frozen=True, slots=True)
class Presence:
    """Where the clients are now: joining (never ready yet), connected, away, gone (could not go on)."""

    joining: int
    connected: int
    away: int
    gone: int

    @property
    def count(self) -> int:
        return self.joining + self.connected + self.away + self.gone


@dataclass(frozen=True, slots=True)
class Gap:
    """Seconds; ``None`` without any outage, ``inf`` where a client that never returned is among them."""

    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


@dataclass(frozen=True, slots=True)
class Loss:
    """A lost connection. ``joined``: the user had been on the page since the loss before."""

    client: str
    at: float
    code: int | None
    reason: str
    instance: str
    version: str
    joined: bool


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something that a user or an operator would not want, with the client it happened to."""

    client: str
    at: float
    what: str


class Tally:
    """
    Everything that checks, screen and report need.

    A *session* is a client that was ready before the mark ``first_step`` (every ready one while there
    is no mark); losses, page loads and the like count from that mark on. Observations of different
    clients may come in any order, those of one client in theirs.
    """

    def __init__(self) -> None:
        self.http = Http()
        self.marks: dict[str, float] = {}
        self.latest = 0.0
        self.worst_lag = 0.0
        self.malformed = 0
        self._clients: dict[str, _Client] = {}

    def mark(self, name: str, at: float) -> None:
        """Note an instant of the run, in seconds since it began; the first of a name holds."""
        self.marks.setdefault(name, at)

    def take(self, observation: Observation) -> None:
        """Add one observation."""
        self.latest = max(self.latest, observation.at)
        if observation.kind in (Kind.REQUEST, Kind.FOUND_WRITES):
            self.http.take(observation)
            return
        if observation.kind is Kind.LAG:
            self.worst_lag = max(self.worst_lag, observation.value or 0.0)
            return
        client = self._clients.setdefault(observation.client, _Client(observation.client))
        try:
            client.take(observation)
        except ValueError:  # a detail that is not as Kind says; msgspec's errors are of this kind
            self.malformed += 1

    # Clients

    @property
    def presence(self) -> Presence:
        states = Counter(client.where for client in self._clients.values())
        return Presence(states["joining"], states["connected"], states["away"], states["gone"])

    @property
    def sessions(self) -> int:
        return sum(1 for _ in self._sessions())

    @property
    def reconnects(self) -> Mapping[str, int]:
        """Connections lost after having joined, by session; 0 for those never disturbed."""
        return {
            client.name: sum(1 for loss in client.losses if loss.joined and loss.at >= self._from)
            for client in self._sessions()
        }

    @property
    def losses(self) -> tuple[Loss, ...]:
        """Every lost connection, whoever's."""
        return tuple(loss for client in self._clients.values() for loss in client.losses if loss.at >= self._from)

    @property
    def close_codes(self) -> Mapping[int, int]:
        return Counter(loss.code for loss in self.losses if loss.code is not None)

    @property
    def disruptions(self) -> tuple[Disruption, ...]:
        """Every outage of a session, those not over last, in the order in which they began."""
        ended = [each for client in self._sessions() for each in client.ended if each.lost_at >= self._from]
        return (*sorted(ended, key=_order), *self.away)

    @property
    def away(self) -> tuple[Disruption, ...]:
        """The outages of sessions that are not over; at the end, of those who never returned."""
        outages = [client.away for client in self._sessions()]
        return tuple(sorted((each for each in outages if each and each.lost_at >= self._from), key=_order))

    @property
    def gap(self) -> Gap:
        """The gaps of all outages, those not over counted as infinite."""
        gaps = sorted(float("inf") if each.gap is None else each.gap for each in self.disruptions)
        return _gap(gaps)

    @property
    def gap_so_far(self) -> Gap:
        """The gaps of those who are back."""
        gaps = sorted(each.gap for each in self.disruptions if each.gap is not None)
        return _gap(gaps)

    @property
    def declared(self) -> frozenset[StateClass]:
        """The classes of state that the scenarios of the sessions name."""
        return frozenset(each for client in self._sessions() for each in client.classes)

    @property
    def fates(self) -> Mapping[tuple[str, str], tuple[StateClass, Fate]]:
        """The worst that became of each held thing, by client and name."""
        worst: dict[tuple[str, str], tuple[StateClass, Fate]] = {}
        for disruption in self.disruptions:
            for held in disruption.state:
                key = (disruption.client, held.name)
                before = worst.get(key)
                if before is None or _WORSE.index(held.fate) > _WORSE.index(before[1]):
                    worst[key] = (held.state_class, held.fate)
        return worst

    @property
    def state(self) -> Mapping[StateClass, StateCount]:
        """Every class, also those nobody held anything of."""
        counts = Counter(self.fates.values())
        return {
            each: StateCount(
                kept=counts[each, Fate.KEPT],
                lost=counts[each, Fate.LOST],
                accepted=counts[each, Fate.ACCEPTED],
                indeterminate=counts[each, Fate.INDETERMINATE],
            )
            for each in StateClass
        }

    # What should not happen

    @property
    def full_page_loads(self) -> tuple[Oddity, ...]:
        """Pages that loaded again by themselves during an outage."""
        return self._oddities("page_load")

    @property
    def transport_downgrades(self) -> tuple[Oddity, ...]:
        return self._oddities("downgrade")

    @property
    def skew(self) -> tuple[Oddity, ...]:
        """Pages whose first socket was answered by another version."""
        return self._oddities("skew")

    @property
    def join_failures(self) -> tuple[Oddity, ...]:
        return self._oddities("join_failed")

    @property
    def crashes(self) -> tuple[Oddity, ...]:
        return self._oddities("crashed")

    @property
    def unmet(self) -> tuple[Oddity, ...]:
        """Expectations that were not met, of any time of the run."""
        return self._oddities("unmet", since=0.0)

    @property
    def unanswered(self) -> tuple[Oddity, ...]:
        return self._oddities("unanswered")

    @property
    def gone(self) -> tuple[Oddity, ...]:
        """Clients that could not go on with their scenario, of any time of the run."""
        return self._oddities("gone", since=0.0)

    @property
    def skipped_forms(self) -> Mapping[str, int]:
        """Forms that were not recovered, by form and reason."""
        return Counter(
            f"{form}: {why}" for disruption in self.disruptions for form, why in disruption.skipped.items()
        )

    # Private

    @property
    def _from(self) -> float:
        return self.marks.get("first_step", 0.0)

    def _sessions(self) -> Iterator[_Client]:
        until = self.marks.get("first_step", float("inf"))
        return (each for each in self._clients.values() if each.ready_at is not None and each.ready_at <= until)

    def _oddities(self, kind: str, *, since: float | None = None) -> tuple[Oddity, ...]:
        start = self._from if since is None else since
        found = (each for client in self._clients.values() for each in client.oddities.get(kind, ()))
        return tuple(sorted((each for each in found if each.at >= start), key=lambda each: (each.at, each.client)))


ELSEWHERE = ("redirect", "live_redirect")
"""Refusals of a join that lead the user on to another page, as the application means it."""

_WORSE = (Fate.KEPT, Fate.ACCEPTED, Fate.INDETERMINATE, Fate.LOST)


def _order(disruption: Disruption) -> tuple[float, str]:
    return (disruption.lost_at, disruption.client)


def _gap(ordered: list[float]) -> Gap:
    return Gap(*(_percentile(ordered, share) for share in (0.50, 0.95, 0.99, 1.0)))


def _percentile(ordered: list[float], share: float) -> float | None:
    """Nearest rank."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(slots=True)
class _Client:
    """What is known of one client; its observations come in their order."""

    name: str
    ready_at: float | None = None
    is_gone: bool = False
    joined: bool = False
    reloading: bool = False
    away: Disruption | None = None
    page_version: str | None = None
    transport: str = ""
    classes: frozenset[StateClass] = frozenset()
    holds: tuple[Held, ...] = ()
    losses: list[Loss] = field(default_factory=list)
    ended: list[Disruption] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    oddities: dict[str, list[Oddity]] = field(default_factory=dict)

    @property
    def where(self) -> str:
        if self.is_gone:
            return "gone"
        if self.ready_at is None:
            return "joining"
        return "connected" if self.away is None else "away"

    def take(self, seen: Observation) -> None:
        match seen.kind:
            case Kind.READY:
                self.holds, self.classes = holdings(seen)
                self.ready_at = seen.at if self.ready_at is None else self.ready_at
                self.joined = True
            case Kind.LOST | Kind.CRASHED:
                self._lose(seen)
            case Kind.JOINED:
                self.joined = True
            case Kind.BACK:
                self._return(seen)
            case Kind.PAGE_LOADED:
                self._load(seen)
            case Kind.OPENED:
                self._open(seen)
            case Kind.RECOVERED:
                skipped = seen.detail.get("skipped")
                if isinstance(skipped, Mapping):
                    self.skipped |= {str(form): str(why) for form, why in skipped.items()}
            case Kind.RELOAD_SCHEDULED:
                self.reloading = True
            case Kind.ENDED if seen.detail.get("away") and self.away is None:
                self._go_away(seen, code=None, reason="it was not joined when the run ended")
            case Kind.JOIN_FAILED | Kind.GONE | Kind.UNANSWERED | Kind.EXPECTED:
                self._note_trouble(seen)

    def _lose(self, seen: Observation) -> None:
        reason, instance, version = (_text(seen, each) for each in ("reason", "instance", "version"))
        code = seen.detail.get("code")
        if seen.kind is Kind.CRASHED:
            self._note("crashed", seen, reason or "the view crashed")
            code, reason = None, f"crashed: {reason}"
        else:
            number = code if isinstance(code, int) else None
            self.losses.append(Loss(self.name, seen.at, number, reason, instance, version, self.joined))
            self.joined = False
        self._go_away(seen, code=code if isinstance(code, int) else None, reason=reason)

    def _go_away(self, seen: Observation, *, code: int | None, reason: str) -> None:
        if self.ready_at is None or self.away is not None:
            return
        self.away = Disruption(
            client=self.name,
            lost_at=seen.at,
            back_at=None,
            code=code,
            reason=reason,
            from_instance=_text(seen, "instance"),
            from_version=_text(seen, "version"),
            state=self.holds,
        )

    def _return(self, seen: Observation) -> None:
        self.away, self.joined = None, True
        skipped, self.skipped = self.skipped, {}
        disruption = from_back(seen, skipped=skipped)
        self.ended.append(disruption)
        lost = {each.name for each in disruption.state if each.fate is not Fate.KEPT}
        self.holds = tuple(each for each in self.holds if each.name not in lost)

    def _load(self, seen: Observation) -> None:
        self.page_version = _text(seen, "version")
        again = self.away is not None or (self.reloading and self.ready_at is not None)
        if again and _text(seen, "reason") != "redirect":
            self._note("page_load", seen, _text(seen, "reason") or "the page loaded again")
        self.reloading = False

    def _open(self, seen: Observation) -> None:
        transport, version = _text(seen, "transport"), _text(seen, "version")
        if self.transport == "websocket" and transport not in ("", "websocket"):
            self._note("downgrade", seen, f"from websocket to {transport}")
        self.transport = transport or self.transport
        if self.page_version and version and version != self.page_version:
            self._note("skew", seen, f"page of {self.page_version}, socket of {version}")
        self.page_version = None

    def _note_trouble(self, seen: Observation) -> None:
        if seen.kind is Kind.EXPECTED:
            wanted, found = seen.detail.get("wanted"), seen.detail.get("found")
            if wanted != found:
                what = f"{_text(seen, 'selector')}: wanted {wanted!r}, found {found!r}"
                self._note("unmet", seen, what)
            return
        if seen.kind is Kind.JOIN_FAILED and _text(seen, "reason") in ELSEWHERE:
            return
        self.is_gone = self.is_gone or seen.kind is Kind.GONE
        event = _text(seen, "event")
        self._note(seen.kind.value, seen, f"{event}: {_text(seen, 'reason')}" if event else _text(seen, "reason"))

    def _note(self, kind: str, seen: Observation, what: str) -> None:
        self.oddities.setdefault(kind, []).append(Oddity(self.name, seen.at, what))


def _text(seen: Observation, name: str) -> str:
    value = seen.detail.get(name)
    return value if isinstance(value, str) else ""
