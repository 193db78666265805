"""The shipped scenarios play on the application, and what they say survives does."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest
import yaml

from lvdeploy.client import Pump, tls_context
from lvdeploy.config import load_deployment
from lvdeploy.document import load
from lvdeploy.model import Kind, Observation, StateClass
from lvdeploy.scenario.steps import Scenario, cast
from lvdeploy.swarm.order import Destination, SwarmOrder
from lvdeploy.swarm.population import populate
from lvdeploy.swarm.schedule import Beginning
from tests.demo.conftest import Launch
from tests.demo.instance import Instance

CONFIGS = Path(__file__).parents[2] / "configs"
FILES = sorted((CONFIGS / "scenarios").glob("*.yml"))
DEADLINE = 60.0


def test_of_200_clients_every_class_of_state_has_at_least_20():
    deployment = load_deployment(CONFIGS / "demo.yml", {"DEMO_SECRET": "s", "DEMO_TOKEN": "t"})
    scenarios = [each.scenario for each in deployment.verify.scenarios]
    assert {each.name for each in scenarios} == {load(path, Scenario, environment={}).name for path in FILES}
    counted: Counter[StateClass] = Counter()
    for index in range(200):
        number, position = divmod(index, len(scenarios))
        part, _ = cast(scenarios[position], number, client="", seed=0)
        counted.update({keep.state_class for keep in part.keep})
    assert all(counted[each] >= 20 for each in StateClass), counted


class Swarm:
    """Two clients of each scenario, and what they observed."""

    def __init__(self, instance: Instance) -> None:
        raw = tuple(yaml.safe_load(path.read_text()) for path in FILES)
        self.names = [scenario["name"] for scenario in raw]
        self.clients = 2 * len(raw)
        self.seen: list[Observation] = []
        order = SwarmOrder(Destination(instance.url), raw, self.clients, 20.0, seed=1, origin=time.monotonic())
        self.pump = Pump(
            now=time.monotonic, emit=self.seen.append, origin=order.origin, route=order.destination.route,
            tls=tls_context(None), headers=order.request_headers,
        )
        make = populate(order)
        for index in range(self.clients):
            beginning = Beginning(index, 0.0)
            self.pump.start(beginning.client, make(beginning, Random(index)))

    async def all_have(self, kind: Kind) -> list[Observation]:
        async with asyncio.timeout(DEADLINE):
            while len(found := [each for each in self.seen if each.kind is kind]) < self.clients:
                gone = [each for each in self.seen if each.kind is Kind.GONE]
                assert not gone
                await asyncio.sleep(0.02)
        return found


@pytest.mark.real
def test_every_scenario_gets_ready_and_comes_back_as_it_says(launch: Launch):
    async def live() -> None:
        instance = launch()
        swarm = Swarm(instance)
        try:
            await swarm.all_have(Kind.READY)
            expected = [each.detail for each in swarm.seen if each.kind is Kind.EXPECTED]
            assert expected
            assert all(each["wanted"] == each["found"] for each in expected)
            await asyncio.to_thread(instance.drain, 1000)
            for back in await swarm.all_have(Kind.BACK):
                assert (back.detail["code"], back.detail["page_loads"]) == (1012, 0)
                state = back.detail["state"]
                assert isinstance(state, dict)
                for name, found in state.items():
                    assert found["had"] != found["fresh"], (back.client, name)
                    lost = found["found"] != found["wanted"]
                    assert lost == (found["class"] == StateClass.MEMORY), (back.client, name)
        finally:
            await swarm.pump.close()

    asyncio.run(live())
