from __future__ import annotations

import os

import msgspec
import pytest

from lvdeploy.client.route import Outside
from lvdeploy.model import PIN_HEADER
from lvdeploy.swarm.order import Destination, LoadOrder, ShardOrder, SwarmOrder, WriteOrder

SECRETS = Destination("https://demo.example/", headers={"Authorization": "Bearer hush"})


def swarm(**options) -> SwarmOrder:
    known = {"clients": 20, "joins_per_second": 5.0, "seed": 1, "origin": 2.5}
    return SwarmOrder(SECRETS, ({"version": 1, "steps": [{"click": "#a"}]},), **(known | options))


@pytest.mark.parametrize(
    "order",
    [
        ShardOrder(swarm(pin="token"), 1, 2),
        LoadOrder(SECRETS, seed=1, origin=2.5, writes=WriteOrder("/w", 5.0, "id", "/f", "ids")),
    ],
    ids=["shard", "load"],
)
def test_an_order_travels_as_a_document_of_one_line(order: ShardOrder | LoadOrder):
    document = msgspec.json.encode(order)
    assert b"\n" not in document
    assert msgspec.json.decode(document, type=type(order)) == order


def test_secrets_are_not_printed():
    text = repr(ShardOrder(swarm(pin="token-of-the-pin"), 0, 1))
    assert "hush" not in text
    assert "token-of-the-pin" not in text


def test_requests_carry_the_headers_the_pin_and_who_asks():
    headers = dict(swarm(pin="token").request_headers)
    assert headers.pop("User-Agent").startswith("lvdeploy")
    assert headers == {"Authorization": "Bearer hush", PIN_HEADER: "token"}
    assert PIN_HEADER not in dict(swarm().request_headers)


def test_only_the_services_own_host_may_be_asked():
    route = SECRETS.route
    assert route.target("https://demo.example/x").name == "demo.example"
    with pytest.raises(Outside):
        route.target("https://other.example/")


def test_there_is_a_shard_a_core_where_each_has_enough_to_do():
    assert swarm(clients=20).processes == 1
    assert swarm(clients=999).processes == 1
    assert swarm(clients=100_000).processes == os.cpu_count()
    assert swarm(clients=20, shards=3).processes == 3
