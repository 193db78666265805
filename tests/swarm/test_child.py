from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from lvdeploy.model import Kind, Observation
from tests.client.scripted import until
from tests.swarm.test_swarm import make, service, soon

pytestmark = pytest.mark.real


def test_a_shard_ends_with_its_stdin_and_takes_its_connections_along(tmp_path: Path):
    async def story() -> None:
        async with service() as (url, server):
            swarm = make(url, tmp_path / "o.gz", [])
            try:
                await swarm.start()
                await swarm.until_ready(deadline=soon())
                [worker] = swarm._workers
                assert worker._process is not None
                assert worker._process.stdin is not None
                worker._process.stdin.close()
                await until(lambda: not server.connections)
                await until(lambda: worker._process is not None and worker._process.returncode is not None)
            finally:
                await swarm.stop()

    asyncio.run(story())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_the_terminals_signals_leave_the_end_to_the_owner(tmp_path: Path, number: signal.Signals):
    seen: list[Observation] = []

    async def story() -> None:
        async with service() as (url, _):
            swarm = make(url, tmp_path / "o.gz", seen)
            try:
                await swarm.start()
                await swarm.until_ready(deadline=soon())
                os.kill(swarm.pids[0], number)
                told = len(seen)
                await until(lambda: len(seen) > told)
                assert swarm.failure is None
            finally:
                await swarm.stop()

    asyncio.run(story())
    assert sum(each.kind is Kind.ENDED for each in seen) == 4


def test_sigterm_ends_a_shard_in_order(tmp_path: Path):
    seen: list[Observation] = []

    async def story() -> None:
        async with service() as (url, server):
            swarm = make(url, tmp_path / "o.gz", seen)
            try:
                await swarm.start()
                await swarm.until_ready(deadline=soon())
                os.kill(swarm.pids[0], signal.SIGTERM)
                await until(lambda: swarm.failure is not None)
                assert not server.connections
            finally:
                await swarm.stop()

    asyncio.run(story())
    assert sum(each.kind is Kind.ENDED for each in seen) == 4


OWNER = """
import asyncio, sys, time
from pathlib import Path
from tests.swarm.test_swarm import make, soon

async def main():
    swarm = make(sys.argv[1], Path(sys.argv[2]), [])
    await swarm.start()
    await swarm.until_ready(deadline=soon())
    print(*swarm.pids, flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


def test_no_shard_outlives_a_killed_owner(tmp_path: Path):
    async def story() -> None:
        async with service() as (url, server):
            owner = await asyncio.create_subprocess_exec(
                sys.executable, "-c", OWNER, url, str(tmp_path / "o.gz"), stdout=asyncio.subprocess.PIPE
            )
            assert owner.stdout is not None
            pid = int(await owner.stdout.readline())
            owner.kill()
            await owner.wait()
            await until(lambda: not server.connections, what="connections to end")
            await until(lambda: not psutil.pid_exists(pid), what="the shard to end")

    asyncio.run(story())
