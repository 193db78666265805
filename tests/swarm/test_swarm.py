from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from websockets.asyncio.server import Server, ServerConnection, serve

from lvdeploy.clock import SystemClock
from lvdeploy.model import Kind, Observation
from lvdeploy.swarm import NotReady, Swarm, SwarmFailed, SwarmOrder, read
from lvdeploy.swarm.order import Destination
from tests.client.scripted import until

pytestmark = pytest.mark.real

SCRIPTED = (sys.executable, "-m", "tests.swarm.scripted_shard")
PATIENCE = 20.0


async def hold(connection: ServerConnection) -> None:
    await connection.wait_closed()


@asynccontextmanager
async def service() -> AsyncIterator[tuple[str, Server]]:
    async with serve(hold, "127.0.0.1", 0) as running:
        yield f"http://127.0.0.1:{next(iter(running.sockets)).getsockname()[1]}", running


def make(url: str, record: Path, seen: list[Observation], *, clients: int = 4, **options) -> Swarm:
    order = SwarmOrder(
        destination=Destination(url, headers={"Authorization": "Bearer hush"}),
        scenarios=(),
        clients=clients,
        joins_per_second=1000,
        seed=1,
        origin=time.monotonic(),
        **options,
    )
    return Swarm(order, record=record, clock=SystemClock(), listen=seen.append, shard_command=SCRIPTED)


def soon() -> float:
    return time.monotonic() + PATIENCE


def test_a_swarm_is_ready_loses_comes_back_and_leaves_a_record(tmp_path: Path):
    seen: list[Observation] = []
    record = tmp_path / "observations.gz"

    async def story() -> None:
        async with service() as (url, server):
            swarm = make(url, record, seen, shards=2)
            try:
                await swarm.start()
                await swarm.until_ready(deadline=soon())
                assert (swarm.clients, swarm.ready, swarm.away) == (4, 4, 0)
                for connection in list(server.connections):
                    await connection.close(1012)
                await until(lambda: swarm.away == 4)
                await until(lambda: sum(each.kind is Kind.JOINED for each in seen) == 8)
            finally:
                await swarm.stop()
            assert swarm.failure is None

    asyncio.run(story())
    assert {each.client for each in seen if each.kind is Kind.READY} == {f"client-000{n}" for n in range(1, 5)}
    assert [each.detail["code"] for each in seen if each.kind is Kind.LOST] == [1012] * 4
    assert [each.detail for each in seen if each.kind is Kind.ENDED] == [{"away": False}] * 4
    assert list(read(record)) == seen
    assert record.stat().st_mode & 0o777 == 0o600


def test_secrets_do_not_travel_in_arguments_or_environment(tmp_path: Path):
    async def story() -> None:
        async with service() as (url, _):
            swarm = make(url, tmp_path / "o.gz", [])
            try:
                await swarm.start()
                await swarm.until_ready(deadline=soon())
                [pid] = swarm.pids
                process = psutil.Process(pid)
                assert "hush" not in " ".join((*process.cmdline(), *process.environ().values()))
            finally:
                await swarm.stop()

    asyncio.run(story())


def test_clients_that_are_refused_are_named_with_the_reason(tmp_path: Path):
    async def story() -> None:
        async with service() as (url, _):
            pass
        swarm = make(url, tmp_path / "o.gz", [])
        try:
            await swarm.start()
            await until(lambda: len(swarm._last) == 4)
            with pytest.raises(NotReady) as caught:
                await swarm.until_ready(deadline=time.monotonic() + 0.1)
        finally:
            await swarm.stop()
        assert "4 of 4 clients are not ready" in caught.value.message
        assert "4 x refused: connection refused" in caught.value.message

    asyncio.run(story())


def test_a_killed_shard_is_noticed(tmp_path: Path):
    async def story() -> None:
        async with service() as (url, _):
            swarm = make(url, tmp_path / "o.gz", [])
            try:
                await swarm.start()
                await swarm.until_ready(deadline=soon())
                os.kill(swarm.pids[0], signal.SIGKILL)
                await until(lambda: swarm.failure is not None)
            finally:
                await swarm.stop()
            assert "the swarm's shard was killed" in str(swarm.failure)

    asyncio.run(story())


def test_a_shard_that_fails_says_why_to_whoever_waits(tmp_path: Path):
    async def story() -> None:
        swarm = make("http://127.0.0.1:1", tmp_path / "o.gz", [], clients=1)
        swarm._shard_command = (sys.executable, "-c", "raise SystemExit('no room')")
        try:
            await swarm.start()
            with pytest.raises(SwarmFailed, match="ended with status 1: no room"):
                await swarm.until_ready(deadline=soon())
        finally:
            await swarm.stop()

    asyncio.run(story())
