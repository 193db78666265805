from __future__ import annotations

from random import Random

from lvdeploy.swarm.order import Destination, SwarmOrder
from lvdeploy.swarm.population import populate
from lvdeploy.swarm.schedule import beginnings
from lvdeploy.wire.session import Fetch


def scenario(name: str, visit: str) -> dict[str, object]:
    return {"version": 1, "name": name, "visit": visit}


def test_clients_play_the_scenarios_in_turn_each_under_its_own_name():
    order = SwarmOrder(
        Destination("http://127.0.0.1:4000"),
        scenarios=(scenario("a", "/a/{client}"), scenario("b", "/b/{seed}")),
        clients=4,
        joins_per_second=1,
        seed=9,
        origin=0.0,
    )
    make = populate(order)
    asked = []
    for beginning in beginnings(4, 1, shard=0, of=1):
        [fetch] = make(beginning, Random(1)).begin(0.0)
        assert isinstance(fetch, Fetch)
        asked.append(fetch.url)
    assert asked == [
        "http://127.0.0.1:4000/a/client-0001",
        "http://127.0.0.1:4000/b/9",
        "http://127.0.0.1:4000/a/client-0003",
        "http://127.0.0.1:4000/b/9",
    ]
