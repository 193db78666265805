"""Who was frozen for longer than the lease lasts must notice, before its next deed, that another went on."""

from contextlib import closing

import pytest

from lvdeploy.errors import ExitCode, LeaseHeld
from lvdeploy.model import Fact, Slot
from lvdeploy.rollout.intent import Intent
from lvdeploy.rollout.lease import TTL
from tests.rollout.fleets import COOKIE, intent
from tests.rollout.processes import Process, SharedClock
from tests.rollout.simulation import World

SLOTS = tuple(Slot(f"web-{n}", "127.0.0.1", 4000 + n) for n in range(1, 5))
TO_ITS_END = 10_000


@pytest.fixture
def world():
    world = World(SLOTS, clock=SharedClock())
    with closing(world.disk):
        assert done(world, Intent("up", "1", None, 3, 1, 0, affinity=COOKIE)) is ExitCode.OK
        yield world


def done(world, wanted):
    process = Process(world, wanted)
    process.go(TO_ITS_END)
    return process.result.exit_code


def frozen_in(world, step, slot):
    """Roll up to a step, and stop there for longer than the lease lasts."""
    process = Process(world, intent(3))
    process.go(0)
    while (process.operator.events[-1].message, process.operator.events[-1].subject) != (step, slot):
        process.go(1)
    world.clock.pass_by(TTL + 1)
    return process


def left(world, process):
    return process.operator.journal.unfinished("demo").intent


STEPS = [
    ("start", "web-4"), ("await healthy", "web-4"), ("admit", "web-4"), ("withdraw", "web-1"), ("await out", "web-1"),
    ("drain", "web-1"), ("stop", "web-1"), ("conclude", "2"),
]


@pytest.mark.parametrize("back", [False, True], ids=["resumed", "rolled back"])
@pytest.mark.parametrize("step, slot", STEPS)
def test_it_does_nothing_more_and_says_so(world, step, slot, back):
    thawed = frozen_in(world, step, slot)
    wanted = left(world, thawed)
    done(world, wanted.turned_back("asked for") if back else wanted)
    picture, run = world.picture(), thawed.operator.journal.run("r")
    thawed.go(TO_ITS_END)

    assert isinstance(thawed.failure, LeaseHeld)
    assert "lost its lease: it was released" in thawed.failure.message
    assert world.picture() == picture
    assert thawed.operator.journal.run("r") == run


def test_it_does_not_call_seen_out_what_another_admitted_again(world):
    thawed = frozen_in(world, "await out", "web-1")
    assert done(world, left(world, thawed).turned_back("asked for")) is ExitCode.ROLLED_BACK
    thawed.go(TO_ITS_END)

    assert Fact.SEEN_OUT not in thawed.operator.journal.facts(world.running["web-1"])


@pytest.mark.parametrize("step, slot", STEPS)
def test_where_nobody_took_its_place_it_goes_on(world, step, slot):
    thawed = frozen_in(world, step, slot)
    thawed.go(TO_ITS_END)

    assert thawed.result.exit_code is ExitCode.OK
    assert world.versions() == ["2"] * 3
