"""The deeds of a rollout: one for each kind of step, the only place where it touches the world."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

from lvdeploy.balancers import Balancer
from lvdeploy.clock import Clock
from lvdeploy.errors import LvdeployError
from lvdeploy.instances import InstanceDriver
from lvdeploy.model import Fact, Fleet, Instance, Mode, Outcome, Pin, Place, Traffic
from lvdeploy.rollout import traffic as change
from lvdeploy.rollout.gates import Drainer, HealthGate, Tell, Watch, failures
from lvdeploy.rollout.intent import Direction, Intent
from lvdeploy.rollout.journal import Journal
from lvdeploy.rollout.plan import (
    Admit,
    AwaitHealthy,
    AwaitOut,
    Conclude,
    Drain,
    Open,
    Prove,
    Start,
    Step,
    Stop,
    Withdraw,
    serving,
    traffic_after,
)


class StepFailed(LvdeployError):
    """A step did not do what it should; the rollout turns back, or stops if it is on its way back."""


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Bounds of the deeds, in seconds, and ``max_joins_per_server`` in sockets a second.

    ``out_interval`` is how long no new connection may have come before a server counts as seen out.
    """

    progress_deadline: float
    grace: float
    out_interval: float
    max_joins_per_server: float


@dataclass(frozen=True, slots=True)
class Parts:
    """What a rollout works on."""

    balancer: Balancer
    instances: InstanceDriver
    health: HealthGate
    drainer: Drainer
    watch: Watch
    journal: Journal
    clock: Clock
    service: str = ""
    token: Callable[[], str] = lambda: secrets.token_hex(16)


INTERRUPTIBLE = (AwaitHealthy, Prove, AwaitOut, Drain)
"""Steps that may be left at any moment; the others are let finish, or given a little time to."""


async def perform(
    parts: Parts, limits: Limits, intent: Intent, fleet: Fleet, step: Step, *, tell: Tell, confirm: Callable[[], None]
) -> str:
    """
    Do a step; return a word on how it went. Raises ``LvdeployError`` where it did not.

    ``confirm`` raises where the lease was lost in the meantime.
    """
    match step:
        case Start():
            instance = await parts.instances.start(fleet[step.slot].slot, step.version, run=intent.run)
            return f"pid {instance.pid}"
        case AwaitHealthy():
            return await _await_healthy(parts, intent, fleet[step.slot], tell=tell)
        case Prove():
            return await _prove(parts, intent, fleet, step)
        case Admit():
            parts.journal.forget(_instance(fleet[step.slot]), Fact.SEEN_OUT)
            return await _change(parts, fleet, traffic_after(intent, fleet, step))
        case Open() | Withdraw() | Conclude():
            return await _change(parts, fleet, traffic_after(intent, fleet, step))
        case AwaitOut():
            return await _await_out(parts, limits, intent, fleet[step.slot], confirm=confirm)
        case Drain():
            return await _drain(parts, limits, intent, fleet, step, tell=tell)
        case Stop():
            await parts.instances.stop(_instance(fleet[step.slot]), grace=limits.grace)
            return ""
        case _:
            assert_never(step)


def intended(intent: Intent, fleet: Fleet, step: Step) -> Traffic | None:
    """Return the traffic that a step will set, without the pins of a proof; ``None`` where it sets none."""
    if not isinstance(step, Open | Prove | Admit | Withdraw | Conclude):
        return None
    return replace(traffic_after(intent, fleet, step), generation=fleet.traffic.generation + 1, pins=())


async def _change(parts: Parts, fleet: Fleet, desired: Traffic) -> str:
    known = fleet.traffic if fleet.traffic.generation else None
    desired = replace(desired, generation=fleet.traffic.generation + 1)
    await parts.balancer.apply(desired, replacing=known)
    return f"generation {desired.generation}"


async def _await_healthy(parts: Parts, intent: Intent, place: Place, *, tell: Tell) -> str:
    why_not = await parts.health.await_healthy(place.slot, _instance(place).version, tell=tell)
    if why_not:
        raise StepFailed(
            f"{place.slot.name} did not become healthy: {why_not}",
            hint=f"its output is in {parts.instances.log(place.slot.name)}",
        )
    parts.journal.learn(_instance(place), Fact.HEALTHY, run=intent.run)
    return ""


async def _prove(parts: Parts, intent: Intent, fleet: Fleet, step: Prove) -> str:
    place = fleet[step.slot]
    instance = _instance(place)
    new = Pin(parts.token(), instance.version, step.slot)
    old = _where_sessions_are_opened(fleet, instance.version, parts.token())
    pins = (new,) if old is None else (new, old)
    await _change(parts, fleet, change.pinned(traffic_after(intent, fleet, step), pins))
    verdicts = await parts.watch.prove(
        place.slot, instance.version, token=new.token, opened_by=None if old is None else old.token,
        old=None if old is None else old.version,
    )
    weak = [each for each in verdicts if each.outcome is Outcome.INCONCLUSIVE]
    if reason := failures(verdicts):
        raise StepFailed(f"{step.slot} did not prove itself: {reason}")
    if weak:
        # Nobody has been moved yet, so seeing too little is reason enough to stop.
        raise StepFailed(f"{step.slot} could not prove itself: {weak[0].name}: {weak[0].evidence}")
    parts.journal.learn(instance, Fact.PROVEN, run=intent.run)
    return f"{len(verdicts)} checks passed"


def _where_sessions_are_opened(fleet: Fleet, version: str, token: str) -> Pin | None:
    running = {place.instance.version for place in serving(fleet) if place.instance is not None}
    others = running - {version}
    return Pin(token, min(others)) if others else None


async def _await_out(
    parts: Parts, limits: Limits, intent: Intent, place: Place, *, confirm: Callable[[], None]
) -> str:
    await parts.clock.sleep(parts.balancer.capabilities.effect_delay)
    if parts.balancer.capabilities.counts_connections:
        await _none_new(parts, limits, place.slot.name)
    # Frozen in the wait, another rollout may have admitted it again: then it was not seen out.
    confirm()
    parts.journal.learn(_instance(place), Fact.SEEN_OUT, run=intent.run)
    return ""


async def _none_new(parts: Parts, limits: Limits, server: str) -> None:
    """Wait until a whole interval saw no more connections than there were before it."""
    before = await _connections(parts, server)
    while True:
        await parts.clock.sleep(limits.out_interval)
        now = await _connections(parts, server)
        if now <= before:
            return
        before = now


async def _connections(parts: Parts, server: str) -> int:
    counted = (await parts.balancer.observe()).connections or {}
    return counted.get(server, 0)


async def _drain(parts: Parts, limits: Limits, intent: Intent, fleet: Fleet, step: Drain, *, tell: Tell) -> str:
    place = fleet[step.slot]
    instance = _instance(place)
    parts.journal.learn(instance, Fact.DRAINING, run=intent.run)
    takers = max(1, _takers(fleet))
    left = await parts.drainer.drain(instance, place.slot, rate=limits.max_joins_per_server * takers, tell=tell)
    if left and intent.direction is Direction.FORWARD:
        raise StepFailed(f"{step.slot} was not drained: {left}")
    parts.journal.learn(instance, Fact.DRAINED, run=intent.run)
    return left


def _takers(fleet: Fleet) -> int:
    """Return how many servers take the sockets that are moved: the ready ones of what is open."""
    return sum(
        server.mode is Mode.READY for part in fleet.traffic.versions if part.share for server in part.servers
    )


def _instance(place: Place) -> Instance:
    if place.instance is None:
        raise StepFailed(f"the instance in {place.slot.name} is gone")
    return place.instance
