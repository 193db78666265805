from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random

import pytest

from lvdeploy.model import Kind, Observation
from lvdeploy.swarm.order import Destination, ShardOrder, SwarmOrder
from lvdeploy.swarm.schedule import Beginning
from lvdeploy.swarm.shard import run
from lvdeploy.wire.session import Observe, Session
from tests.client.scripted import Scripted, until

pytestmark = pytest.mark.real


def order(*, clients: int, joins: float = 1000.0, shard: int = 0, of: int = 1) -> ShardOrder:
    destination = Destination("http://127.0.0.1:1")
    swarm = SwarmOrder(
        destination, (), clients=clients, joins_per_second=joins, seed=5, origin=time.monotonic(), shards=of
    )
    return ShardOrder(swarm, shard, of)


def populate(drawn: dict[str, float]) -> Callable[[SwarmOrder], Callable[[Beginning, Random], Session]]:
    def make(beginning: Beginning, rng: Random) -> Session:
        drawn[beginning.client] = rng.random()
        return Scripted(Observe(Kind.READY, 0.0))

    return lambda swarm: make


def play(told: ShardOrder, *, until_ready: int) -> tuple[list[Observation], dict[str, float]]:
    seen: list[Observation] = []
    drawn: dict[str, float] = {}

    async def story() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(run(told, emit=seen.append, stop=stop, populate=populate(drawn)))
        await until(lambda: sum(each.kind is Kind.READY for each in seen) >= until_ready)
        stop.set()
        await running

    asyncio.run(story())
    return seen, drawn


def test_a_shard_plays_its_own_clients_and_ends_them():
    seen, _ = play(order(clients=5, shard=1, of=2), until_ready=2)
    assert [each.client for each in seen if each.kind is Kind.READY] == ["client-0002", "client-0004"]
    assert {each.client for each in seen if each.kind is Kind.ENDED} == {"client-0002", "client-0004"}


def test_clients_begin_no_sooner_than_scheduled():
    seen, _ = play(order(clients=4, joins=50.0), until_ready=4)
    times = [each.at for each in seen if each.kind is Kind.READY]
    assert all(at >= number / 50 for number, at in enumerate(times))


def test_stopping_while_clients_are_still_to_come_is_at_once():
    seen, _ = play(order(clients=1000, joins=0.5), until_ready=1)
    assert sum(each.kind is Kind.READY for each in seen) < 1000


def test_every_client_draws_its_own_numbers_and_the_same_ones_in_every_run():
    _, first = play(order(clients=6), until_ready=6)
    _, again = play(order(clients=6), until_ready=6)
    assert first == again
    assert len(set(first.values())) == 6


def test_the_generators_own_lag_is_told():
    seen: list[Observation] = []

    async def story() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(run(order(clients=1), emit=seen.append, stop=stop, populate=populate({})))
        await until(lambda: any(each.kind is Kind.READY for each in seen))
        time.sleep(1.3)  # noqa: ASYNC251 - the loop is to be late
        await until(lambda: any(each.kind is Kind.LAG for each in seen))
        stop.set()
        await running

    asyncio.run(story())
    [lag] = [each for each in seen if each.kind is Kind.LAG][:1]
    assert lag.client == "shard-1"
    assert lag.value is not None
    assert lag.value >= 0.2
