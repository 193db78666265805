"""Events, steps and what clients saw on one clock, and which step a loss belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import merge

from lvdeploy.model import Event, Kind, Observation, StepRecord

AFTERMATH = 1.0
"""Seconds after a step in which what clients see may still come of it."""

TOLD = frozenset(
    {
        Kind.LOST,
        Kind.BACK,
        Kind.CRASHED,
        Kind.JOIN_FAILED,
        Kind.PAGE_FAILED,
        Kind.RELOAD_SCHEDULED,
        Kind.READY,
        Kind.GONE,
    }
)
"""The kinds of observation that belong on a timeline; the others are too many."""


class Source(StrEnum):
    ENGINE = "engine"
    STEP = "step"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline; ``at`` in seconds since the run began."""

    at: float
    source: Source
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Cause:
    """The step a loss belongs to; ``None``: nothing was being done. ``meant``: the step was about that instance."""

    step: StepRecord | None
    meant: bool

    def __str__(self) -> str:
        if self.step is None:
            return "while nothing was being done"
        during = f"during {self.step.name} {self.step.subject}".rstrip()
        return during if self.meant else f"{during}, which is not about it"


def timeline(
    events: Iterable[Event], steps: Iterable[StepRecord], observations: Iterable[Observation]
) -> tuple[Moment, ...]:
    """Merge them by time; at the same instant the engine comes before its steps, and those before clients."""
    engine = [Moment(each.at, Source.ENGINE, each.subject, each.message or each.kind) for each in events]
    bounds = [moment for each in steps for moment in _bounds(each)]
    clients = [_seen(each) for each in observations if each.kind in TOLD]
    ordered = (sorted(part, key=_when) for part in (engine, bounds, clients))
    return tuple(merge(*ordered, key=_when))


def cause(lost_at: float, instance: str, steps: Sequence[StepRecord]) -> Cause:
    """
    Say which step was under way when an instance's connection was lost.

    A step about that very instance comes first, also one that ended just before; else the latest begun.
    """
    near = [each for each in steps if each.began <= lost_at and _until(each) + AFTERMATH >= lost_at]
    meant = [each for each in near if instance and each.subject == instance]
    running = [each for each in near if _until(each) >= lost_at]
    candidates = meant or running
    if not candidates:
        return Cause(None, meant=False)
    return Cause(max(candidates, key=lambda each: each.began), meant=bool(meant))


# Private


def _when(moment: Moment) -> float:
    return moment.at


def _until(step: StepRecord) -> float:
    return float("inf") if step.ended is None else step.ended


def _bounds(step: StepRecord) -> list[Moment]:
    began = Moment(step.began, Source.STEP, step.subject, f"{step.name} begins")
    if step.ended is None:
        return [began]
    words = " ".join(each for each in (step.name, step.outcome, step.detail) if each)
    return [began, Moment(step.ended, Source.STEP, step.subject, words)]


def _seen(observation: Observation) -> Moment:
    detail = observation.detail
    told = [str(detail[name]) for name in ("code", "reason", "instance", "to_instance") if detail.get(name)]
    if observation.kind is Kind.BACK and observation.value is not None:
        told.append(f"after {observation.value:.3f} s")
    words = " ".join((observation.kind.value.replace("_", " "), *told))
    return Moment(observation.at, Source.CLIENT, observation.client, words)
