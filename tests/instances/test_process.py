"""Instances as processes: adopted, refused, stopped, and told about when they misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from lvdeploy.clock import SystemClock
from lvdeploy.errors import InstanceError
from lvdeploy.hosts import LocalHost
from lvdeploy.instances import INSTANCES, InstanceDriver
from lvdeploy.model import Instance, Slot
from tests.real import ending_everything_in, eventually, free_port, is_running

pytestmark = pytest.mark.real

SERVER = """
    import os, signal, socket, sys, time

    def listen():
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
        print("serving", os.environ["APP_VERSION"], flush=True)
        return listener
"""
SERVES = SERVER + """
    listener = listen()
    time.sleep(600)
"""
IGNORES_SIGTERM = SERVER + """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    listener = listen()
    time.sleep(600)
"""
LEAKS_ITS_PORT = SERVER + """
    import subprocess
    listener = listen()
    listener.set_inheritable(True)
    child = subprocess.Popen(
        ["sleep", "600"], pass_fds=[listener.fileno()], start_new_session={apart}, preexec_fn=lambda: {ignore}
    )
    open(sys.argv[2], "w").write(str(child.pid))
    time.sleep(600)
"""
DIES = """
    print("database migrations are pending", flush=True)
    raise SystemExit(3)
"""
TAKES_ITS_TIME = SERVER + """
    time.sleep(3)
    listener = listen()
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _nothing_left_running(tmp_path: Path) -> Iterator[None]:
    with ending_everything_in(tmp_path):
        yield


@pytest.fixture
def slot() -> Slot:
    return Slot("web-1", "127.0.0.1", free_port())


def driver(tmp_path: Path, code: str = SERVES) -> InstanceDriver:
    kind = INSTANCES["process"]
    settings = kind.settings.model_validate(
        {
            "command": [sys.executable, "-c", textwrap.dedent(code).replace("{", "{{").replace("}", "}}"), "{port}",
                        str(tmp_path / "child.pid")],
            "environment": {"APP_VERSION": "{version}"},
            "directory": str(tmp_path),
        }
    )
    return kind.build(settings, host=LocalHost(), state_directory=tmp_path / "state", clock=SystemClock())


def listens(slot: Slot) -> bool:
    with socket.socket() as client:
        return client.connect_ex((slot.host, slot.port)) == 0


def said_by(slot: str, instances: InstanceDriver) -> str:
    return Path(instances.log(slot)).read_text()


def child(tmp_path: Path) -> int:
    return int((tmp_path / "child.pid").read_text())


async def dead(instance: Instance) -> None:
    await eventually(lambda: not is_running(instance.pid), what="the instance is dead")


def test_started_instance_serves_and_is_listed(tmp_path: Path, slot: Slot) -> None:
    async def story() -> None:
        instances = driver(tmp_path)
        started = await instances.start(slot, "1.0", run="r-1")
        await eventually(lambda: listens(slot), what="it listens")

        assert await instances.list() == (started,)
        assert (started.slot, started.version, started.run) == ("web-1", "1.0", "r-1")
        assert is_running(started.pid)
        assert "serving 1.0" in said_by("web-1", instances)

    asyncio.run(story())


def test_another_version_in_the_slot_is_refused(tmp_path: Path, slot: Slot) -> None:
    async def story() -> None:
        started = await driver(tmp_path).start(slot, "1.0", run="r-1")

        with pytest.raises(InstanceError, match=rf"web-1 holds version 1\.0 \(pid {started.pid}\), so version 2\.0"):
            await driver(tmp_path).start(slot, "2.0", run="r-2")
        assert await driver(tmp_path).list() == (started,)

    asyncio.run(story())


def test_port_of_a_stranger_is_refused_by_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        slot = Slot("web-1", "127.0.0.1", stranger.getsockname()[1])

        with pytest.raises(InstanceError) as failure:
            asyncio.run(driver(tmp_path).start(slot, "1.0", run="r-1"))

    assert failure.value.message.startswith(f"port {slot.port} of slot web-1 is in use by pid {os.getpid()} (")
    assert failure.value.message.endswith("), which lvdeploy did not start")
    assert f"kill {os.getpid()}" in failure.value.hint
    assert asyncio.run(driver(tmp_path).list()) == ()


def test_instance_that_ends_at_once_tells_its_last_lines(tmp_path: Path, slot: Slot) -> None:
    log = tmp_path / "state" / "logs" / "web-1.log"
    log.parent.mkdir(parents=True)
    log.write_text("an earlier run complained about something else\n")

    with pytest.raises(InstanceError) as failure:
        asyncio.run(driver(tmp_path, DIES).start(slot, "2.0", run="r-1"))

    assert failure.value.message.startswith("version 2.0 ended as soon as it was started in web-1 (pid ")
    assert failure.value.message.endswith("it last said:\n  database migrations are pending")
    assert failure.value.hint == f"its output is in {log}"
    assert asyncio.run(driver(tmp_path).list()) == ()


def test_instance_that_listens_late_is_left_to_the_health_checks(tmp_path: Path, slot: Slot) -> None:
    async def story() -> None:
        started = await driver(tmp_path, TAKES_ITS_TIME).start(slot, "1.0", run="r-1")

        assert is_running(started.pid)
        assert not listens(slot)

    asyncio.run(story())


def test_command_that_is_not_there_names_the_slot(tmp_path: Path, slot: Slot) -> None:
    kind = INSTANCES["process"]
    settings = kind.settings.model_validate({"command": ["no-such-command"]})
    instances = kind.build(settings, host=LocalHost(), state_directory=tmp_path, clock=SystemClock())

    with pytest.raises(InstanceError, match=r"^web-1: cannot start no-such-command: No such file or directory$"):
        asyncio.run(instances.start(slot, "1.0", run="r-1"))


def test_slot_whose_name_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InstanceError, match="is not a name for a slot"):
        asyncio.run(driver(tmp_path).start(Slot("../web-1", "127.0.0.1", free_port()), "1.0", run="r-1"))


# Stop


def test_stop_ends_it_and_frees_the_port(tmp_path: Path, slot: Slot) -> None:
    async def story() -> None:
        instances = driver(tmp_path)
        started = await instances.start(slot, "1.0", run="r-1")

        await instances.stop(started, grace=30)

        assert not is_running(started.pid)
        assert not listens(slot)
        assert await instances.list() == ()
        assert list((tmp_path / "state" / "instances").iterdir()) == []
        await instances.stop(started, grace=30)

    asyncio.run(story())


@pytest.mark.parametrize("ill", ["deaf to SIGTERM", "frozen"])
def test_stop_kills_after_the_grace(tmp_path: Path, slot: Slot, ill: str) -> None:
    async def story() -> None:
        instances = driver(tmp_path, IGNORES_SIGTERM if ill == "deaf to SIGTERM" else SERVES)
        started = await instances.start(slot, "1.0", run="r-1")
        if ill == "frozen":
            os.kill(started.pid, signal.SIGSTOP)

        await instances.stop(started, grace=0.3)

        assert not is_running(started.pid)
        assert not listens(slot)

    asyncio.run(story())


def test_stop_waits_for_the_grace_before_it_kills(tmp_path: Path, slot: Slot) -> None:
    """An instance that needs a while after SIGTERM ends in its own way."""
    polite = SERVER + """
    def leave(*_):
        time.sleep(1)
        print("said goodbye", flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, leave)
    listener = listen()
    time.sleep(600)
"""

    async def story() -> None:
        instances = driver(tmp_path, polite)
        await instances.stop(await instances.start(slot, "1.0", run="r-1"), grace=60)

        assert "said goodbye" in said_by("web-1", instances)

    asyncio.run(story())


def test_stop_of_another_identity_touches_nobody(tmp_path: Path, slot: Slot) -> None:
    async def story() -> None:
        instances = driver(tmp_path)
        started = await instances.start(slot, "1.0", run="r-1")
        earlier = Instance("web-1", "1.0", started.pid, started.started - 60, "r-0")

        await instances.stop(earlier, grace=1)

        assert await instances.list() == (started,)

    asyncio.run(story())


def test_stop_does_not_kill_a_process_that_got_the_same_number(tmp_path: Path, slot: Slot) -> None:
    async def story() -> None:
        instances = driver(tmp_path)
        await instances.start(slot, "1.0", run="r-1")
        path = tmp_path / "state" / "instances" / "web-1.json"
        real = json.loads(path.read_text())
        # Whatever runs there now is not who the record speaks of; its port is not ours to wait for either.
        other = json.loads(path.read_text())
        other["birth"] = "another-boot/1"
        other["facts"]["port"] = str(free_port())
        path.write_text(json.dumps(other))
        recorded = Instance("web-1", "1.0", real["pid"], real["started"], "r-1")

        await instances.stop(recorded, grace=1)

        assert is_running(real["pid"])
        path.write_text(json.dumps(real))

    asyncio.run(story())


# Faults


def test_killed_instance_is_listed_no_more_and_can_be_replaced(tmp_path: Path, slot: Slot) -> None:
    async def story() -> None:
        instances = driver(tmp_path)
        first = await instances.start(slot, "1.0", run="r-1")
        os.kill(first.pid, signal.SIGKILL)
        await dead(first)

        assert await instances.list() == ()
        second = await instances.start(slot, "1.0", run="r-2")
        assert second.identity != first.identity
        assert await instances.list() == (second,)

    asyncio.run(story())


def test_child_that_ignores_sigterm_is_ended_with_its_instance(tmp_path: Path, slot: Slot) -> None:
    code = LEAKS_ITS_PORT.replace("{apart}", "False").replace(
        "{ignore}", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    )

    async def story() -> None:
        instances = driver(tmp_path, code)
        started = await instances.start(slot, "1.0", run="r-1")
        await eventually(lambda: (tmp_path / "child.pid").exists() and child(tmp_path), what="the child runs")

        await instances.stop(started, grace=0.5)

        assert not is_running(child(tmp_path))
        assert not listens(slot)

    asyncio.run(story())


def test_port_kept_by_a_child_that_went_its_own_way_is_told_and_left_alone(tmp_path: Path, slot: Slot) -> None:
    code = LEAKS_ITS_PORT.replace("{apart}", "True").replace("{ignore}", "None")

    async def story() -> None:
        instances = driver(tmp_path, code)
        started = await instances.start(slot, "1.0", run="r-1")
        await eventually(lambda: (tmp_path / "child.pid").exists() and child(tmp_path), what="the child runs")
        leftover = child(tmp_path)
        told = rf"port {slot.port} is still in use by pid {leftover} \(sleep\)"

        with pytest.raises(InstanceError, match=told) as failure:
            await instances.stop(started, grace=5)
        assert failure.value.hint == f"end it (kill {leftover})"
        assert is_running(leftover)

        with pytest.raises(InstanceError, match=told):
            await instances.stop(started, grace=5)
        os.kill(leftover, signal.SIGKILL)
        await instances.stop(started, grace=5)
        assert list((tmp_path / "state" / "instances").iterdir()) == []

    asyncio.run(story())


def test_port_left_behind_by_a_killed_instance_is_told_at_the_next_start(tmp_path: Path, slot: Slot) -> None:
    code = LEAKS_ITS_PORT.replace("{apart}", "False").replace("{ignore}", "None")

    async def story() -> None:
        instances = driver(tmp_path, code)
        started = await instances.start(slot, "1.0", run="r-1")
        await eventually(lambda: (tmp_path / "child.pid").exists() and child(tmp_path), what="the child runs")
        os.kill(started.pid, signal.SIGKILL)
        await dead(started)

        with pytest.raises(InstanceError) as failure:
            await driver(tmp_path).start(slot, "2.0", run="r-2")
        assert failure.value.message == (
            f"port {slot.port} of slot web-1 is in use by pid {child(tmp_path)} (sleep), "
            "left behind by the instance that ended there"
        )
        assert is_running(child(tmp_path))

    asyncio.run(story())


def test_instance_spawned_by_a_killed_lvdeploy_is_adopted(tmp_path: Path, slot: Slot) -> None:
    """Spawned but not listed: the record is all that is left of the deed."""

    async def story() -> None:
        starting = asyncio.create_task(driver(tmp_path, TAKES_ITS_TIME).start(slot, "2.0", run="r-1"))
        record = tmp_path / "state" / "instances" / "web-1.json"
        await eventually(lambda: record.exists(), what="it is recorded")
        starting.cancel()
        await asyncio.wait([starting])

        (found,) = await driver(tmp_path).list()
        assert await driver(tmp_path).start(slot, "2.0", run="r-2") == found

    asyncio.run(story())
