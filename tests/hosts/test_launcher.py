"""Between lvdeploy and a command: whoever dies there, nobody runs without a record."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lvdeploy.errors import HostError
from lvdeploy.hosts import LocalHost, launcher
from lvdeploy.hosts.launcher import Order, birth
from tests.real import ending_everything_in, eventually, is_running

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def _nothing_left_running(tmp_path: Path) -> Iterator[None]:
    with ending_everything_in(tmp_path):
        yield


def launch(order: bytes, *, report_to: int) -> subprocess.Popen[bytes]:
    with tempfile.TemporaryFile() as orders:
        orders.write(order)
        orders.seek(0)
        return subprocess.Popen(
            [sys.executable, "-I", launcher.__file__], stdin=orders, pass_fds=[report_to], start_new_session=True,
            stderr=subprocess.DEVNULL,
        )


def sleeper(tmp_path: Path, *, report_to: int) -> Order:
    return Order(
        argv=["sleep", "600"], environment=dict(os.environ), directory=str(tmp_path),
        record=str(tmp_path / "web-1.json"), facts={"slot": "web-1"}, report_to=report_to,
    )


def test_command_is_recorded_even_if_nobody_waits_for_it_any_more(tmp_path: Path) -> None:
    """lvdeploy was killed right after it gave the order."""
    listening, telling = os.pipe()
    launched = launch(sleeper(tmp_path, report_to=telling).encode(), report_to=telling)
    os.close(listening)
    os.close(telling)

    async def story() -> None:
        host = LocalHost()
        await eventually(lambda: host.recorded(tmp_path / "web-1.json"), what="it is recorded")
        record = await host.recorded(tmp_path / "web-1.json")

        assert record is not None
        assert (record.pid, record.facts) == (launched.pid, {"slot": "web-1"})

    asyncio.run(story())
    launched.kill()
    launched.wait()


def test_failure_harms_nobody_who_does_not_listen(tmp_path: Path) -> None:
    listening, telling = os.pipe()
    order = sleeper(tmp_path, report_to=telling)
    order.argv[0] = "no-such-command"
    launched = launch(order.encode(), report_to=telling)
    os.close(listening)
    os.close(telling)

    assert launched.wait(60) != 0
    assert not (tmp_path / "web-1.json").exists()


def test_half_an_order_starts_nothing(tmp_path: Path) -> None:
    listening, telling = os.pipe()
    launched = launch(sleeper(tmp_path, report_to=telling).encode()[:-20], report_to=telling)

    assert launched.wait(60) not in (0, -signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []
    os.close(listening)
    os.close(telling)


def test_launcher_that_dies_before_it_wrote_the_record_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with pytest.raises(HostError, match=r"cannot start sleep: its launcher died before it wrote .*web-1\.json"):
        asyncio.run(
            LocalHost().spawn(
                ["sleep", "600"], record=tmp_path / "web-1.json", log=tmp_path / "web-1.log", facts={}
            )
        )


def test_record_is_there_before_the_command_begins(tmp_path: Path) -> None:
    """The command itself finds its record, with its own pid and birth."""
    record = tmp_path / "web-1.json"
    code = f"import json, os, time; print(json.load(open({str(record)!r}))['pid'] == os.getpid(), flush=True)"
    log = tmp_path / "web-1.log"

    async def story() -> None:
        await LocalHost().spawn([sys.executable, "-c", code], record=record, log=log, facts={})
        await eventually(lambda: log.read_text(), what="it has spoken")

    asyncio.run(story())

    assert log.read_text() == "True\n"


def test_birth_is_the_same_whenever_it_is_asked_and_none_for_the_dead() -> None:
    with subprocess.Popen(["/bin/sleep", "600"]) as process:
        first = birth(process.pid)
        process.kill()
        asyncio.run(eventually(lambda: not is_running(process.pid), what="it is a zombie"))

        assert first is not None
        assert first != birth(os.getpid())
        assert birth(process.pid) is None, "a zombie counts as alive"
    assert birth(process.pid) is None
    assert birth(os.getpid()) == birth(os.getpid())


def test_birth_does_not_mind_brackets_and_blanks_in_a_name(tmp_path: Path) -> None:
    odd = tmp_path / "odd) R 1 ("
    odd.symlink_to("/bin/sleep")

    with subprocess.Popen([odd, "600"]) as process:
        mark = birth(process.pid)
        process.kill()

    assert mark is not None
    assert int(mark.rpartition("/")[2]) > 1
