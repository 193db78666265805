"""Commands on this machine: run to their end, or started to outlive lvdeploy and known again."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lvdeploy.errors import HostError
from lvdeploy.hosts import LocalHost, Record
from tests.real import ending_everything_in, eventually, is_running

pytestmark = pytest.mark.real

SLEEPER = ["sleep", "600"]


@pytest.fixture(autouse=True)
def _nothing_left_running(tmp_path: Path) -> Iterator[None]:
    with ending_everything_in(tmp_path):
        yield


async def spawn(tmp_path: Path, argv: list[str], host: LocalHost | None = None, **options: object) -> Record:
    return await (host or LocalHost()).spawn(
        argv, record=tmp_path / "web-1.json", log=tmp_path / "web-1.log",
        facts={"slot": "web-1"}, **options,  # type: ignore[arg-type]  # each test knows what it hands on
    )


def python(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


# Run


def test_run_returns_code_and_output() -> None:
    done = asyncio.run(LocalHost().run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=30))

    assert (done.code, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_run_uses_no_shell() -> None:
    done = asyncio.run(LocalHost().run(["printf", "%s", "$HOME; `id` $(id) *"], timeout=30))

    assert done.stdout == "$HOME; `id` $(id) *"


def test_run_adds_to_the_environment_and_changes_the_directory(tmp_path: Path) -> None:
    code = "import os; print(os.environ['COLOUR'], 'PATH' in os.environ, os.getcwd())"

    done = asyncio.run(
        LocalHost().run(python(code), timeout=30, environment={"COLOUR": "green"}, directory=tmp_path)
    )

    assert done.stdout.split() == ["green", "True", str(tmp_path)]


def test_run_kills_the_whole_group_at_the_timeout(tmp_path: Path) -> None:
    note = tmp_path / "child.pid"
    code = f"""
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open({str(note)!r}, "w").write(str(child.pid))
        print("not yet", file=sys.stderr, flush=True)
        time.sleep(600)
    """

    async def story() -> None:
        running = asyncio.create_task(LocalHost().run(python(code), timeout=3))
        with pytest.raises(HostError, match=r"did not end within 3s and was killed; it last said: not yet"):
            await running
        await eventually(lambda: not is_running(int(note.read_text())), what="the child is killed too")

    asyncio.run(story())


def test_run_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    note = tmp_path / "own.pid"
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"

    async def story() -> None:
        running = asyncio.create_task(LocalHost().run(python(code), timeout=600))
        await eventually(lambda: note.exists() and note.read_text(), what="it runs")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not is_running(int(note.read_text()))

    asyncio.run(story())


def test_run_does_not_wait_for_a_daemon_that_keeps_the_output(tmp_path: Path) -> None:
    note = tmp_path / "daemon.pid"
    code = f"""
        import subprocess, sys
        daemon = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open({str(note)!r}, "w").write(str(daemon.pid))
        print("started")
    """

    done = asyncio.run(LocalHost().run(python(code), timeout=60))

    assert (done.code, done.stdout) == (0, "started\n")
    assert is_running(int(note.read_text()))


def test_run_cuts_the_output() -> None:
    done = asyncio.run(LocalHost().run(python("print('x' * 3_000_000)"), timeout=60))

    assert len(done.stdout) == 1024 * 1024


def test_run_of_no_command_says_so() -> None:
    with pytest.raises(HostError, match=r"^cannot run no-such-command: No such file or directory$"):
        asyncio.run(LocalHost().run(["no-such-command"], timeout=30))


# Spawn


def test_spawned_command_is_detached(tmp_path: Path) -> None:
    code = """
        import os, sys, time
        print(os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid(), repr(sys.stdin.read()), flush=True)
        print(*sorted(os.readlink(f"/proc/self/fd/{each}") for each in (0, 1, 2)), flush=True)
        time.sleep(600)
    """
    log = tmp_path / "web-1.log"

    async def story() -> None:
        await spawn(tmp_path, python(code))
        await eventually(lambda: log.read_text().count("\n") == 2, what="it has spoken")

    asyncio.run(story())

    assert log.read_text().splitlines() == ["True True ''", f"/dev/null {log} {log}"]


@pytest.mark.parametrize("at_least", [3, 200])
def test_spawned_command_holds_no_descriptor_of_lvdeploy(tmp_path: Path, at_least: int) -> None:
    """A lock or a pipe that lvdeploy was given by its caller would be held for as long as the instance lives."""
    reading, first = os.pipe()
    writing = fcntl.fcntl(first, fcntl.F_DUPFD, at_least)
    os.close(first)
    os.set_inheritable(writing, True)
    try:
        asyncio.run(spawn(tmp_path, SLEEPER))
        os.close(writing)

        assert os.read(reading, 1) == b""
    finally:
        os.close(reading)


def test_spawned_command_outlives_who_started_it(tmp_path: Path) -> None:
    starter = f"""
        import asyncio, sys
        from pathlib import Path
        from lvdeploy.hosts import LocalHost

        here = Path({str(tmp_path)!r})
        asyncio.run(LocalHost().spawn(
            [sys.executable, "-c", "import time; time.sleep(600)"],
            record=here / "web-1.json", log=here / "web-1.log", facts={{"slot": "web-1"}},
        ))
    """

    async def story() -> None:
        done = await LocalHost().run(python(starter), timeout=60, directory=Path(__file__).parents[2])
        record = await LocalHost().recorded(tmp_path / "web-1.json")

        assert done.code == 0, done.stderr
        assert record is not None
        assert record.facts == {"slot": "web-1"}
        assert is_running(record.pid)

    asyncio.run(story())


def test_log_is_appended_to(tmp_path: Path) -> None:
    log = tmp_path / "web-1.log"
    log.write_text("earlier\n")

    async def story() -> None:
        await spawn(tmp_path, ["echo", "later"])
        await eventually(lambda: "later" in log.read_text(), what="it has spoken")

    asyncio.run(story())

    assert log.read_text() == "earlier\nlater\n"


def test_record_and_log_are_private(tmp_path: Path) -> None:
    asyncio.run(spawn(tmp_path, SLEEPER))

    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("web-1.json", "web-1.log")} == {0o600}


def test_environment_goes_into_no_argv_and_no_record(tmp_path: Path) -> None:
    code = "import os, time; print(os.environ['TOKEN'], flush=True); time.sleep(600)"
    log = tmp_path / "web-1.log"

    async def story() -> Record:
        record = await spawn(tmp_path, python(code), environment={"TOKEN": "s3cr3t-t0k3n"})
        await eventually(lambda: "s3cr3t" in log.read_text(), what="the command has it")
        return record

    record = asyncio.run(story())

    assert b"s3cr3t" not in Path(f"/proc/{record.pid}/cmdline").read_bytes()
    assert "s3cr3t" not in (tmp_path / "web-1.json").read_text()


def test_nothing_is_imported_by_mistake_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    record = asyncio.run(spawn(tmp_path, SLEEPER, directory=tmp_path))

    assert is_running(record.pid)


def test_signals_reach_the_command_as_if_started_from_a_terminal(tmp_path: Path) -> None:
    """Python ignores SIGPIPE and nohup SIGHUP; exec would keep that for the application."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        record = asyncio.run(spawn(tmp_path, ["sleep", "600"]))
    finally:
        signal.signal(signal.SIGHUP, before)

    ignored = next(
        line for line in Path(f"/proc/{record.pid}/status").read_text().splitlines() if line.startswith("SigIgn")
    )
    real_time = 0xFFFF_FFFF_8000_0000  # those nobody but a C library uses
    assert int(ignored.split()[1], 16) & ~real_time == 0


@pytest.mark.parametrize(
    ("argv", "directory", "message"),
    [
        (["no-such-command"], None, "cannot start no-such-command: No such file or directory"),
        (["/etc/passwd"], None, "cannot start /etc/passwd: Permission denied"),
        (["sleep", "600"], Path("/no/such/place"), "cannot start sleep: /no/such/place: No such file or directory"),
    ],
)
def test_spawn_that_cannot_start_says_why_and_leaves_no_record(
    tmp_path: Path, argv: list[str], directory: Path | None, message: str
) -> None:
    with pytest.raises(HostError) as failure:
        asyncio.run(spawn(tmp_path, argv, directory=directory))

    assert failure.value.message == message
    assert not (tmp_path / "web-1.json").exists()


def test_spawn_over_a_living_process_is_refused(tmp_path: Path) -> None:
    record = asyncio.run(spawn(tmp_path, SLEEPER))

    with pytest.raises(HostError, match=f"web-1.json is taken: process {record.pid} .* still runs"):
        asyncio.run(spawn(tmp_path, SLEEPER))


# Records


def test_record_is_found_again_equal_by_another_host_object(tmp_path: Path) -> None:
    record = asyncio.run(spawn(tmp_path, SLEEPER))

    assert asyncio.run(LocalHost().recorded(tmp_path / "web-1.json")) == record


def test_record_of_a_dead_child_is_none_at_once(tmp_path: Path) -> None:
    """The starter is the parent, so its dead child is a zombie until it is reaped."""

    async def story() -> None:
        record = await spawn(tmp_path, SLEEPER)
        os.kill(record.pid, signal.SIGKILL)
        await eventually(lambda: not is_running(record.pid), what="it is dead")

        assert await LocalHost().recorded(tmp_path / "web-1.json") is None
        assert await LocalHost().last_recorded(tmp_path / "web-1.json") == record
        assert not psutil.pid_exists(record.pid), "it was not reaped"

    asyncio.run(story())


def test_process_with_the_same_number_but_another_start_is_a_stranger(tmp_path: Path) -> None:
    path = tmp_path / "web-1.json"

    async def story() -> None:
        record = await spawn(tmp_path, SLEEPER)
        boot, _, start = record.birth.partition("/")
        path.write_text(json.dumps(json.loads(path.read_text()) | {"birth": f"{boot}/{int(start) - 1}"}))
        host = LocalHost()
        stranger = await host.last_recorded(path)

        assert stranger is not None
        assert await host.recorded(path) is None
        assert await host.signal(stranger, signal.SIGKILL) is False
        assert is_running(record.pid)

    asyncio.run(story())


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"pid": "many"}', b"[" * 100_000])
def test_garbled_record_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "web-1.record"
    path.write_bytes(content)

    with pytest.raises(HostError, match=r"web-1\.record is not a record that lvdeploy wrote"):
        asyncio.run(LocalHost().recorded(path))


def test_group_is_signalled_even_after_its_leader_ended(tmp_path: Path) -> None:
    note = tmp_path / "worker.pid"
    code = f"""
        import subprocess, sys, time
        stubborn = "from signal import *; import time; signal(SIGTERM, SIG_IGN); print(flush=True); time.sleep(600)"
        worker = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
        worker.stdout.readline()
        open({str(note)!r}, "w").write(str(worker.pid))
        time.sleep(600)
    """

    async def story() -> None:
        host = LocalHost()
        record = await spawn(tmp_path, python(code), host)
        await eventually(lambda: note.exists() and note.read_text(), what="the worker runs")
        worker = int(note.read_text())

        assert await host.signal(record, signal.SIGTERM)
        await eventually(lambda: not is_running(record.pid), what="the leader ends")
        assert is_running(worker)
        assert await host.signal(record, signal.SIGKILL)
        await eventually(lambda: not is_running(worker), what="the worker ends")
        assert await host.signal(record, 0) is False

    asyncio.run(story())


def test_group_without_its_leader_is_left_alone_by_who_never_saw_it(tmp_path: Path) -> None:
    note = tmp_path / "worker.pid"
    code = f"""
        import subprocess, sys
        worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open({str(note)!r}, "w").write(str(worker.pid))
    """

    async def story() -> None:
        record = await spawn(tmp_path, python(code))
        await eventually(lambda: not is_running(record.pid), what="the leader ends")

        assert await LocalHost().signal(record, signal.SIGKILL) is False
        assert is_running(int(note.read_text()))

    asyncio.run(story())
