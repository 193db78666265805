from __future__ import annotations

import asyncio
import sys
import time

import pytest

from lvdeploy.swarm import worker as module
from lvdeploy.swarm.worker import SwarmFailed, Worker
from tests.client.scripted import until

pytestmark = pytest.mark.real


def run(program: str, *, order: bytes = b"{}", lines: int = 0) -> tuple[list[bytes], list[SwarmFailed]]:
    """Run a program as a worker until it wrote so many lines (or, with none, failed), and stop it."""
    taken: list[bytes] = []
    failures: list[SwarmFailed] = []

    async def story() -> None:
        worker = Worker("shard", (sys.executable, "-c", program), take=taken.append, failed=failures.append)
        await worker.start(order)
        await until(lambda: len(taken) >= lines if lines else bool(failures))
        await worker.stop()

    asyncio.run(story())
    return taken, failures


def test_the_order_is_one_line_and_stdin_stays_open():
    program = "import sys; print(sys.stdin.readline().strip(), flush=True); sys.stdin.read(); print('last words')"
    taken, failures = run(program, order=b'{"a":1}', lines=1)
    assert taken == [b'{"a":1}\n', b"last words\n"]
    assert failures == []


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import os; os.kill(os.getpid(), 9)", "the swarm's shard was killed"),
        ("import os; os.kill(os.getpid(), 15)", "the swarm's shard was ended by SIGTERM"),
        ("raise SystemExit('no room')", "the swarm's shard ended with status 1: no room"),
        ("pass", "the swarm's shard ended with status 0"),
    ],
)
def test_an_end_nobody_asked_for_is_told_once_with_the_reason(program: str, words: str):
    _, failures = run(program)
    assert [each.message for each in failures] == [words]


def test_a_process_that_will_not_end_is_killed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "STOP_TIMEOUT", 0.2)
    monkeypatch.setattr(module, "KILL_TIMEOUT", 0.2)
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    began = time.monotonic()
    taken, failures = run(program, lines=1)
    assert taken == [b"up\n"]
    assert failures == []
    assert time.monotonic() - began < 60


def test_a_line_without_end_does_not_hang_the_owner():
    _, failures = run("import sys; sys.stdout.write('x' * 2_000_000); sys.stdout.flush(); sys.stdin.read()")
    assert len(failures) == 1
    assert "could not be listened to" in failures[0].message
