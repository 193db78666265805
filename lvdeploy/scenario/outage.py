"""One outage of a client: from the first loss until it is back, however often it is lost again meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from lvdeploy.model import Kind
from lvdeploy.scenario.keeping import Memory, Seen
from lvdeploy.wire.session import Observe


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who answered last: instance and version, empty where it was not said."""

    instance: str = ""
    version: str = ""
    transport: str = ""

    def after(self, observe: Observe) -> Answerer:
        """Return who answers once this was observed."""
        if observe.kind not in (Kind.OPENED, Kind.PAGE_LOADED):
            return self
        instance, version = _text(observe, "instance"), _text(observe, "version")
        return Answerer(
            instance or self.instance, version or self.version, _text(observe, "transport") or self.transport
        )


@dataclass(slots=True)
class Outage:
    """
    What happened since the connection was lost.

    ``lost_at`` is the caller's clock. ``unsettled``: something the client had done was not answered
    yet when the connection was lost, so either value may rightly be found.
    """

    lost_at: float
    code: int | None
    reason: str
    before: Answerer
    memory: Memory
    unsettled: bool
    losses: int = 0
    attempts: int = 0
    page_loads: int = 0
    returned_at: float = 0.0
    found: Seen | None = None

    def take(self, observe: Observe) -> None:
        """Count what the inner session observed while away."""
        if observe.kind in (Kind.LOST, Kind.CRASHED, Kind.RELOAD_SCHEDULED, Kind.JOIN_FAILED):
            self.losses += observe.kind is Kind.LOST
            self.found = None
        elif observe.kind in (Kind.OPENED, Kind.REFUSED):
            self.attempts += 1
        elif observe.kind is Kind.PAGE_LOADED and _text(observe, "reason") != "redirect":
            self.page_loads += 1

    def look(self, found: Seen, now: float, *, answerer: Answerer) -> frozenset[str]:
        """Take in what is found once it is joined again; return the names that may yet come."""
        crossed = self._crossed(answerer)
        missing = self.memory.missing(found, crossed=crossed)
        if self.found is None or missing < self.memory.missing(self.found, crossed=crossed):
            self.returned_at = now
        self.found = found
        return missing

    def back(self, *, answerer: Answerer, origin: float) -> Observe:
        """Return the ``back`` of it, as it was at the last look."""
        detail: dict[str, object] = {
            "lost_at": self.lost_at - origin,
            "code": self.code,
            "reason": self.reason,
            "losses": self.losses,
            "attempts": self.attempts,
            "transport": answerer.transport,
            "page_loads": self.page_loads,
            "from_instance": self.before.instance,
            "from_version": self.before.version,
            "to_instance": answerer.instance,
            "to_version": answerer.version,
            "unsettled": self.unsettled,
            "state": self.memory.compared(self.found or {}, crossed=self._crossed(answerer)),
        }
        return Observe(Kind.BACK, self.returned_at - self.lost_at, detail)

    def _crossed(self, answerer: Answerer) -> bool:
        return bool(self.before.version and answerer.version and self.before.version != answerer.version)


# Private


def _text(observe: Observe, name: str) -> str:
    value = observe.detail.get(name)
    return value if isinstance(value, str) else ""
