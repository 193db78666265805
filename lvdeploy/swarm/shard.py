"""A process that holds one pump and its part of the clients: ``python -m lvdeploy.swarm.shard``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

import msgspec

from lvdeploy.client import Pump, tls_context
from lvdeploy.clock import SystemClock
from lvdeploy.model import Kind, Observation
from lvdeploy.swarm import child
from lvdeploy.swarm.order import Crossing, ShardOrder, SwarmOrder
from lvdeploy.swarm.schedule import Beginning, beginnings
from lvdeploy.wire.session import Session

Populate: TypeAlias = Callable[[SwarmOrder], Callable[[Beginning, Random], Session]]
"""Given the order once, makes the session of each client."""

LAG_PERIOD = 1.0


def main(populate: Populate) -> None:
    """Live as a shard whose sessions ``populate`` makes."""

    async def work(document: bytes, emit: child.Emit, stop: asyncio.Event) -> None:
        order = msgspec.json.decode(document, type=ShardOrder)
        await run(order, emit=emit, stop=stop, populate=populate)

    child.main(work)


async def run(order: ShardOrder, *, emit: child.Emit, stop: asyncio.Event, populate: Populate) -> None:
    """Start the clients one by one, then keep them going until ``stop`` is set."""
    swarm = order.swarm
    now = SystemClock().now

    ready: set[str] = set()
    mine = len(range(order.shard, swarm.clients, order.of))

    def crossing(observation: Observation) -> None:
        emit(observation)
        if swarm.crossing is not None and observation.kind is Kind.READY and observation.client not in ready:
            ready.add(observation.client)
            if len(ready) == mine:
                # Only when all are: one that still acts may change what another of its user has remembered.
                # And not at once: the turn in which the last one became ready ends first.
                asyncio.get_running_loop().call_soon(_cross, pump, sorted(ready), swarm.crossing)

    pump = Pump(
        now=now,
        emit=crossing,
        origin=swarm.origin,
        route=swarm.destination.route,
        tls=tls_context(swarm.destination.ca),
        headers=swarm.request_headers,
    )
    make = populate(swarm)
    began = now()
    lag = asyncio.get_running_loop().create_task(_tell_lag(pump, f"shard-{order.shard + 1}", order, emit))
    try:
        for beginning in beginnings(swarm.clients, swarm.joins_per_second, shard=order.shard, of=order.of):
            if await _stopped(stop, began + beginning.at - now()):
                break
            rng = Random(f"{swarm.seed}:{beginning.index}")
            pump.start(beginning.client, make(beginning, rng))
        await stop.wait()
    finally:
        lag.cancel()
        await pump.close()


def _cross(pump: Pump, clients: Sequence[str], crossing: Crossing) -> None:
    for client in clients:
        pump.lose(client, code=crossing.code, headers=crossing.headers)


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), max(0.0, seconds))
    return stop.is_set()


async def _tell_lag(pump: Pump, name: str, order: ShardOrder, emit: child.Emit) -> None:
    now = SystemClock().now
    while True:
        asked = now()
        await asyncio.sleep(LAG_PERIOD)
        late = now() - asked - LAG_PERIOD
        emit(Observation(now() - order.swarm.origin, name, Kind.LAG, value=max(late, pump.take_lag())))


if __name__ == "__main__":
    from lvdeploy.swarm.population import populate

    main(populate)
