from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.swarm.schedule import beginnings


@given(st.integers(0, 200), st.floats(0.1, 1000), st.integers(1, 8))
def test_the_shards_together_begin_every_client_once_at_the_asked_pace(clients: int, pace: float, shards: int):
    parts = [beginnings(clients, pace, shard=shard, of=shards) for shard in range(shards)]
    together = sorted((each for part in parts for each in part), key=lambda each: each.index)
    assert [each.index for each in together] == list(range(clients))
    assert [each.at for each in together] == [index / pace for index in range(clients)]
    assert len({each.client for each in together}) == clients
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(st.integers(0, 50), st.floats(0.1, 100), st.integers(1, 4))
def test_a_shard_begins_its_clients_in_order(clients: int, pace: float, shards: int):
    times = [each.at for each in beginnings(clients, pace, shard=0, of=shards)]
    assert times == sorted(times)
