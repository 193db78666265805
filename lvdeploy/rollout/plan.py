"""A rollout as data: the steps, what each makes of a fleet, and what no plan may do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, assert_never

from lvdeploy.errors import Refused
from lvdeploy.model import Fact, Fleet, Health, Instance, Mode, Place, Traffic, Version
from lvdeploy.rollout import traffic as change
from lvdeploy.rollout.intent import Intent


@dataclass(frozen=True, slots=True)
class Open:
    """Send new sessions to a version whose servers are ready."""

    version: Version


@dataclass(frozen=True, slots=True)
class Start:
    slot: str
    version: Version


@dataclass(frozen=True, slots=True)
class AwaitHealthy:
    slot: str


@dataclass(frozen=True, slots=True)
class Prove:
    """Before any user reaches it: synthetic sessions with state reconnect to the instance by a pin."""

    slot: str


@dataclass(frozen=True, slots=True)
class Admit:
    slot: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    slot: str


@dataclass(frozen=True, slots=True)
class AwaitOut:
    """The balancer's word is not enough: wait until nothing new can reach the server any more."""

    slot: str


@dataclass(frozen=True, slots=True)
class Drain:
    """Move the instance's open sockets away, no faster than the others take them."""

    slot: str


@dataclass(frozen=True, slots=True)
class Stop:
    slot: str


@dataclass(frozen=True, slots=True)
class Conclude:
    """The last change: the version alone, its own fallback, no pins."""

    version: Version


Step: TypeAlias = Open | Start | AwaitHealthy | Prove | Admit | Withdraw | AwaitOut | Drain | Stop | Conclude


def subject(step: Step) -> str:
    """Return what a step is about: a slot's name or a version."""
    return step.version if isinstance(step, Open | Conclude) else step.slot


def name(step: Step) -> str:
    """Return a step's name as it is told: ``await healthy`` for ``AwaitHealthy``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(step).__name__).lower()


class Strategy(Protocol):
    """Answer the next step of what remains, or ``None``: done, or stuck (``complete`` tells which)."""

    def __call__(self, intent: Intent, fleet: Fleet) -> Step | None: ...


MAX_STEPS = 10_000
"""A plan longer than this is a mistake of the strategy, not a large fleet."""


def plan(strategy: Strategy, intent: Intent, fleet: Fleet) -> tuple[Step, ...]:
    """
    Return what remains to be done.

    Re-entrant by construction: each step is answered from the fleet as it then is, so that planning
    again after any step gives the rest. Raises ``Refused`` where the intent cannot be reached.
    """
    steps: list[Step] = []
    while (step := strategy(intent, fleet)) is not None:
        steps.append(step)
        if len(steps) > MAX_STEPS:
            raise AssertionError(f"the plan does not end: {steps[-6:]}")
        fleet = apply(intent, fleet, step)
    if not complete(intent, fleet):
        raise Refused(*stuck(intent, fleet))
    return tuple(steps)


def apply(intent: Intent, fleet: Fleet, step: Step) -> Fleet:
    """Return the fleet after a step that did what it should."""
    match step:
        case Start():
            instance = Instance(step.slot, step.version, pid=0, started=0.0, run=intent.run)
            return _with(fleet, step.slot, instance=instance, health=Health.UNKNOWN, facts=frozenset())
        case AwaitHealthy():
            return _fact(_with(fleet, step.slot, health=Health.UP), step.slot, Fact.HEALTHY)
        case Prove():
            return _fact(replace(fleet, traffic=traffic_after(intent, fleet, step)), step.slot, Fact.PROVEN)
        case Admit():
            facts = fleet[step.slot].facts - {Fact.SEEN_OUT}
            return _with(replace(fleet, traffic=traffic_after(intent, fleet, step)), step.slot, facts=facts)
        case Withdraw() | Open() | Conclude():
            return replace(fleet, traffic=traffic_after(intent, fleet, step))
        case AwaitOut():
            return _fact(fleet, step.slot, Fact.SEEN_OUT)
        case Drain():
            return _fact(fleet, step.slot, Fact.DRAINING, Fact.DRAINED)
        case Stop():
            return _with(fleet, step.slot, instance=None, health=Health.UNKNOWN, facts=frozenset())
        case _:
            assert_never(step)


def traffic_after(intent: Intent, fleet: Fleet, step: Open | Prove | Admit | Withdraw | Conclude) -> Traffic:
    """Return the whole traffic that a step sets."""
    before = fleet.traffic
    match step:
        case Open():
            return change.opened(before, step.version)
        case Prove():
            return change.placed(before, fleet[step.slot].slot, _version_in(fleet, step.slot), mode=Mode.MAINT)
        case Admit():
            return change.admitted(
                before, fleet[step.slot].slot, _version_in(fleet, step.slot), sessions=intent.sessions
            )
        case Withdraw():
            return change.withdrawn(before, step.slot, sessions=intent.sessions)
        case Conclude():
            return change.concluded(before, step.version)
        case _:
            assert_never(step)


def walk(intent: Intent, fleet: Fleet, steps: Iterable[Step]) -> Iterator[Fleet]:
    """Yield the fleet before the first step and after each one."""
    yield fleet
    for step in steps:
        fleet = apply(intent, fleet, step)
        yield fleet


def serving(fleet: Fleet) -> tuple[Place, ...]:
    """Return the places whose server is ready and whose instance could serve, admitted or not."""
    return tuple(place for place in fleet.places if is_serving(fleet, place))


def is_serving(fleet: Fleet, place: Place) -> bool:
    """True when the server is ready in its instance's own version and the instance is healthy."""
    found = fleet.traffic.server(place.slot.name)
    return (
        found is not None
        and place.instance is not None
        and found[1].mode is Mode.READY
        and found[0].version == place.instance.version
        and place.health is Health.UP
    )


def complete(intent: Intent, fleet: Fleet) -> bool:
    """True when the wanted version alone runs and serves, in as many instances as there should be."""
    running = [place for place in fleet.places if place.instance is not None]
    return (
        len(running) == intent.replicas
        and all(place.instance is not None and place.instance.version == intent.wanted for place in running)
        and len(serving(fleet)) == intent.replicas
        and change.concluded(fleet.traffic, intent.wanted) == fleet.traffic
    )


def check(intent: Intent, fleet: Fleet, steps: Iterable[Step]) -> None:
    """Raise ``Refused`` unless enough servers serve after every step of the plan."""
    floor = min(len(serving(fleet)), intent.floor)
    for number, state in enumerate(walk(intent, fleet, steps)):
        if len(serving(state)) < floor:
            raise Refused(
                f"only {len(serving(state))} servers would serve after step {number} of the plan, "
                f"and {floor} must",
                hint="raise rolling.max_surge or rolling.max_unavailable, or add a slot",
            )


def stuck(intent: Intent, fleet: Fleet) -> tuple[str]:
    """Say why nothing more can be done although it is not."""
    free = [place.slot.name for place in fleet.places if place.instance is None]
    where = f"the free slots are {', '.join(free)}" if free else "no slot is free"
    return (
        f"{intent.wanted} cannot be brought to {intent.replicas} replicas: with max_surge {intent.max_surge} and "
        f"max_unavailable {intent.max_unavailable} there is nothing that may be started or withdrawn, and {where}",
    )


def _with(fleet: Fleet, slot: str, **changes: object) -> Fleet:
    return fleet.replace_place(replace(fleet[slot], **changes))  # type: ignore[arg-type]  # fields of Place


def _fact(fleet: Fleet, slot: str, *facts: Fact) -> Fleet:
    return _with(fleet, slot, facts=fleet[slot].facts | set(facts))


def _version_in(fleet: Fleet, slot: str) -> Version:
    instance = fleet[slot].instance
    if instance is None:
        # A strategy proves and admits only what runs.
        raise AssertionError(f"no instance in {slot}")
    return instance.version
