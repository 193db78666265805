"""One outage of one client, and what became of the state it held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from lvdeploy.model import Observation, StateClass


class Fate(StrEnum):
    """
    What became of a held thing; later ones are worse.

    indeterminate: the client was lost with something unanswered, or never came back to look.
    """

    KEPT = "kept"
    ACCEPTED = "accepted"
    INDETERMINATE = "indeterminate"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Held:
    """A kept thing that was not as a fresh mount has it when the connection was lost."""

    name: str
    state_class: StateClass
    wanted: str | None
    found: str | None
    fate: Fate


@dataclass(frozen=True, slots=True)
class Disruption:
    """
    One outage; times in seconds since the run began.

    ``back_at`` is ``None`` for a client that never returned. ``losses`` counts the connections lost in
    it; ``code`` is ``None`` where no connection was lost (the view crashed, the page loaded itself
    again). ``skipped``: forms that were not recovered, and why.
    """

    client: str
    lost_at: float
    back_at: float | None
    code: int | None
    reason: str = ""
    losses: int = 1
    attempts: int = 0
    transport: str = ""
    page_loads: int = 0
    from_instance: str = ""
    from_version: str = ""
    to_instance: str = ""
    to_version: str = ""
    state: tuple[Held, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def gap(self) -> float | None:
        """Seconds; ``None`` is infinite."""
        return None if self.back_at is None else self.back_at - self.lost_at


def from_back(observation: Observation, *, skipped: Mapping[str, str]) -> Disruption:
    """Read a ``back``. Raises ``msgspec.ValidationError`` where its detail is not as ``Kind`` says."""
    detail = msgspec.convert(observation.detail, _Back)
    held = (_held(name, entry, unsettled=detail.unsettled) for name, entry in detail.state.items())
    return Disruption(
        client=observation.client,
        lost_at=detail.lost_at,
        back_at=detail.lost_at + (observation.value or 0.0),
        code=detail.code,
        reason=detail.reason,
        losses=detail.losses,
        attempts=detail.attempts,
        transport=detail.transport,
        page_loads=detail.page_loads,
        from_instance=detail.from_instance,
        from_version=detail.from_version,
        to_instance=detail.to_instance,
        to_version=detail.to_version,
        state=tuple(each for each in held if each is not None),
        skipped=dict(skipped),
    )


def holdings(observation: Observation) -> tuple[tuple[Held, ...], frozenset[StateClass]]:
    """Read a ``ready``: what is held (its fate still open), and the classes that the scenario names."""
    detail = msgspec.convert(observation.detail, _Ready)
    held = (_held(name, entry, unsettled=True) for name, entry in detail.state.items())
    classes = frozenset(entry.state_class for entry in detail.state.values())
    return tuple(each for each in held if each is not None), classes


# Private


class _Entry(msgspec.Struct):
    state_class: StateClass = msgspec.field(name="class")
    had: str | None = None
    wanted: str | None = None
    found: str | None = None
    fresh: str | None = None
    accepted: bool = False


class _Ready(msgspec.Struct):
    state: dict[str, _Entry] = msgspec.field(default_factory=dict)


class _Back(msgspec.Struct):
    lost_at: float
    code: int | None = None
    reason: str = ""
    losses: int = 1
    attempts: int = 0
    transport: str = ""
    page_loads: int = 0
    from_instance: str = ""
    from_version: str = ""
    to_instance: str = ""
    to_version: str = ""
    unsettled: bool = False
    state: dict[str, _Entry] = msgspec.field(default_factory=dict)


def _held(name: str, entry: _Entry, *, unsettled: bool) -> Held | None:
    # what a fresh mount shows too proves nothing when it is found again
    had = entry.wanted if entry.had is None else entry.had
    if had is None or had == entry.fresh:
        return None
    return Held(name, entry.state_class, entry.wanted, entry.found, _fate(entry, unsettled=unsettled))


def _fate(entry: _Entry, *, unsettled: bool) -> Fate:
    if entry.wanted is not None and entry.found == entry.wanted:
        return Fate.KEPT
    if unsettled:
        return Fate.INDETERMINATE
    return Fate.ACCEPTED if entry.accepted else Fate.LOST
