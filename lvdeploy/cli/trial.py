"""One round of ``verify``: clients that hold state, one fault, and what came back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lvdeploy.client import tls_context
from lvdeploy.clock import Clock
from lvdeploy.measure.checkers import LATE
from lvdeploy.measure.limits import Limits
from lvdeploy.measure.tally import Tally
from lvdeploy.measure.verification import Fault
from lvdeploy.model import Observation, StateClass
from lvdeploy.scenario.steps import Part, Scenario
from lvdeploy.swarm.fault_proxy import FaultProxy
from lvdeploy.swarm.order import SwarmOrder
from lvdeploy.swarm.swarm import NotReady, Swarm

READY_WITHIN = 30.0
"""Seconds, beyond what the pace of joins needs, in which every client must hold its state."""

LONGEST_WAIT = 60.0
"""Seconds to wait for who does not come back, where no limit says how long."""

POLITE = 0.4
"""Seconds at the end for the clients to say goodbye by themselves."""

PERIOD = 0.05

Say = Callable[[str, str], None]
"""Takes an event's kind and message."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is done to whom; ``outage`` and ``settle`` in seconds. Breaks are paced as joins are."""

    fault: Fault
    order: SwarmOrder
    limits: Limits
    outage: float
    settle: float
    record: Path

    async def run(self, tally: Tally, *, clock: Clock, listen: Callable[[Observation], None], say: Say) -> None:
        """
        Tell ``listen`` what the clients see, and mark in ``tally`` from when on it counts; leave nothing open.

        Raises ``Refused`` where the clients cannot get ready, ``SwarmFailed`` where nobody watched.
        """
        destination = self.order.destination
        target = destination.route.target(destination.url)
        proxy = FaultProxy(target, tls=tls_context(destination.ca), clock=clock)
        await proxy.start()
        swarm = Swarm(_through(proxy, self.order), record=self.record, clock=clock, listen=listen)
        try:
            await swarm.start()
            await self._ready(swarm, proxy, clock)
            say("clients_ready", f"{swarm.clients} clients hold state")
            tally.mark("first_step", clock.now() - self.order.origin)
            broken = await self._break(proxy, clock)
            say("fault", f"broke {broken} connections; waiting until everyone is back")
            await self._everyone_back(tally, swarm, broken, clock)
            await clock.sleep(self.settle)
            if swarm.failure is not None:
                raise swarm.failure
        finally:
            await asyncio.shield(_end(swarm, proxy))

    async def _ready(self, swarm: Swarm, proxy: FaultProxy, clock: Clock) -> None:
        pace = swarm.clients / self.order.joins_per_second
        try:
            await swarm.until_ready(deadline=clock.now() + READY_WITHIN + pace)
        except NotReady as error:
            if not proxy.unreachable:
                raise
            reason = f"{error.message}\n  the service could last not be connected to: {proxy.unreachable}"
            raise NotReady(reason, hint=error.hint) from None

    async def _break(self, proxy: FaultProxy, clock: Clock) -> int:
        pace = self.order.joins_per_second
        match self.fault:
            case Fault.CUT:
                return await proxy.cut_all(per_second=pace)
            case Fault.REFUSED:
                await proxy.refuse()
                broken = await proxy.cut_all(per_second=pace)
                await clock.sleep(self.outage)
                await proxy.admit()
            case Fault.HANGING:
                proxy.hold()
                broken = await proxy.cut_all(per_second=pace)
                await clock.sleep(self.outage)
                await proxy.release(per_second=pace)
            case _:
                return await proxy.part_all(self.fault.code, per_second=pace)
        return broken

    async def _everyone_back(self, tally: Tally, swarm: Swarm, broken: int, clock: Clock) -> None:
        """Give who is away as long as the limits do."""
        until = clock.now() + (self.limits.gap_max or LONGEST_WAIT) + LATE
        while swarm.failure is None and clock.now() < until:
            # what was broken last may not have been told yet
            lost = sum(count > 0 for count in tally.reconnects.values())
            if lost >= min(broken, tally.sessions) and not tally.away:
                return
            await clock.sleep(PERIOD)


def forgiving(order: SwarmOrder) -> SwarmOrder:
    """Return the order with the loss of what was typed accepted: a page that loads again starts with empty forms."""
    return replace(order, scenarios=tuple(_forgiving(each) for each in order.scenarios))


# Private


def _through(proxy: FaultProxy, order: SwarmOrder) -> SwarmOrder:
    destination = replace(order.destination, connect_to=proxy.address, ca=None, tls_ended=True)
    return replace(order, destination=destination)


async def _end(swarm: Swarm, proxy: FaultProxy) -> None:
    """Let the clients leave by themselves for a moment, then end whatever connection is left."""
    stopping = asyncio.create_task(swarm.stop())
    await asyncio.wait({stopping}, timeout=POLITE)
    await proxy.close()
    await stopping


def _forgiving(raw: Mapping[str, object]) -> Mapping[str, object]:
    scenario = Scenario.model_validate(raw)
    changes: dict[str, object] = {"keep": _forgotten(scenario)}
    if scenario.peer is not None:
        changes["peer"] = scenario.peer.model_copy(update={"keep": _forgotten(scenario.peer)})
    changed = scenario.model_copy(update=changes)
    return changed.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _forgotten(part: Part) -> tuple[object, ...]:
    return tuple(
        each.model_copy(update={"accept": "lost"}) if each.state_class is StateClass.FORM else each
        for each in part.keep
    )
