import asyncio
import os
import signal
from dataclasses import replace

import pytest

from lvdeploy.cli.leftovers import leftovers, sweep
from lvdeploy.hosts import LocalHost
from lvdeploy.model import Health, Instance, Mode, Pin
from tests.real import eventually, is_running
from tests.rollout.fleets import fleet, healthy

UP = ("1", Health.UP, frozenset(), "1", Mode.READY)
STRAY = ("2", Health.UP, frozenset(), None, None)
EMPTY = (None, Health.UNKNOWN, frozenset(), "1", Mode.READY)


def running(fleet):
    return tuple(place.instance for place in fleet.places if place.instance is not None)


def test_a_service_as_it_should_be_has_none():
    whole = healthy(3, 4)

    assert leftovers(whole, running(whole), "1") == ()


def test_pins_of_a_proof_are_named():
    whole = healthy(2, 3)
    pinned = replace(whole, traffic=replace(whole.traffic, pins=(Pin("t", "1"), Pin("u", "1"))))

    assert leftovers(pinned, running(pinned), "1") == (
        "2 pins of a proof that never ended are in the balancer: `lvdeploy up` removes them",
    )


def test_an_instance_of_a_version_that_nobody_wants_is_named():
    stray = fleet((UP, UP, STRAY))

    assert leftovers(stray, running(stray), "1") == (
        "version 2 (pid 103) runs in web-3, and nobody wants it: `lvdeploy up` stops it",
    )


def test_an_instance_in_a_slot_that_the_file_no_longer_has_is_named():
    whole = healthy(2, 2)
    stranger = Instance("web-9", "1", 7, 1.0)

    assert leftovers(whole, (*running(whole), stranger), "1") == (
        "version 1 (pid 7) runs in web-9, a slot that the file no longer has: `lvdeploy down` stops it too",
    )


def test_a_server_where_nothing_runs_is_named():
    dead = fleet((UP, EMPTY))

    assert leftovers(dead, running(dead), "1") == (
        "nothing runs in web-2, which the balancer sends users to: `lvdeploy up` starts it again",
    )


def test_half_written_files_are_removed_and_nothing_else(tmp_path):
    (tmp_path / "instances").mkdir()
    half, whole = tmp_path / "instances" / ".web-1.json.new", tmp_path / "instances" / "web-1.json"
    half.touch()
    whole.touch()

    assert sweep(tmp_path) == (half,)
    assert whole.exists()
    assert not half.exists()
    assert sweep(tmp_path) == ()


@pytest.mark.real
def test_the_record_of_an_instance_that_ended_is_removed_and_of_one_that_runs_kept(tmp_path):
    async def started(name, *argv):
        record = tmp_path / "instances" / f"{name}.json"
        return record, await LocalHost().spawn(argv, record=record, log=tmp_path / f"{name}.log", facts={})

    async def both():
        gone, ended = await started("web-1", "true")
        await eventually(lambda: not is_running(ended.pid), what="it ends")
        there, running = await started("web-2", "sleep", "60")
        try:
            return gone, there, sweep(tmp_path)
        finally:
            os.kill(running.pid, signal.SIGKILL)

    gone, there, removed = asyncio.run(both())
    assert removed == (gone,)
    assert there.exists()
