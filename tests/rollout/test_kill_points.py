"""lvdeploy dies at every point at which it may: before a record, after it, inside an effect; and somebody goes on."""

import asyncio
import random

import pytest

from lvdeploy.errors import ExitCode
from lvdeploy.model import Slot
from lvdeploy.rollout.intent import Direction, Intent
from tests.rollout.fleets import COOKIE, intent
from tests.rollout.simulation import Killed, Operator, World

SLOTS = tuple(Slot(f"web-{n}", "127.0.0.1", 4000 + n) for n in range(1, 5))
UP = Intent("up", "1", None, 3, 1, 0, affinity=COOKIE)
POINTS = {False: 197, True: 224}
"""How many points a rollout passes, without proofs and with them."""
INSIDE = {
    "inside start: not listed", "inside apply: not acknowledged", "inside drain: a batch sent",
    "inside stop: signalled, not gone", "inside stop: gone",
}


class Doom:
    """
    Counts the points as they are passed, and dies at one of them.

    The renewal of the lease is left out: the clock passes it, not the rollout.
    """

    def __init__(self, deadly=None):
        self.deadly, self.passed = deadly, []

    def __call__(self, point):
        if point.endswith("renew lease"):
            return
        self.passed.append(point)
        if len(self.passed) - 1 == self.deadly:
            raise Killed(point)


@pytest.fixture
def service():
    """Makes services that serve version 1, each with a journal of its own."""
    disks = []

    def made():
        world = World(SLOTS)
        disks.append(world.disk)
        assert asyncio.run(Operator(world).rollout(UP)).exit_code is ExitCode.OK
        world.changed = lambda point, slot: three_serve(world, point)
        return world

    yield made
    for disk in disks:
        disk.close()


def three_serve(world, point):
    assert len(world.able()) >= 3, point


def rolled(world, wanted, *, doom=None):
    """Roll; return the exit code, or ``None`` where it died."""
    try:
        return asyncio.run(Operator(world, hook=doom or Doom()).rollout(wanted)).exit_code
    except Killed:
        return None


def passed(world, wanted):
    doom = Doom()
    assert rolled(world, wanted, doom=doom) is ExitCode.OK
    return doom.passed


def remaining(world, wanted, *, back):
    """Return what `resume` or `rollback` finds to do after a death, ``None`` where that is nothing."""
    journal = Operator(world).journal
    if (left := journal.unfinished("demo")) is not None:
        turns = back and left.intent.direction is Direction.FORWARD
        return left.intent.turned_back("asked for") if turns else left.intent
    if journal.run(wanted.run) is None:
        return None if back else wanted
    return intent(3, run="undo", target="1", previous="2") if back else None


def go_on(world, wanted, *, back, doom=None):
    """Do what remains; return the version that is to serve in the end, ``None`` where it died again."""
    rest = remaining(world, wanted, back=back)
    if rest is None:
        return Operator(world).journal.runs("demo", limit=1)[0].intent.wanted
    code = rolled(world, rest, doom=doom)
    assert code in (None, ExitCode.ROLLED_BACK if rest.direction is Direction.BACK else ExitCode.OK)
    return rest.wanted if code is not None else None


@pytest.mark.parametrize("prove", [False, True])
@pytest.mark.parametrize("way", ["resume", "rollback", "die again"])
def test_after_death_at_any_point_all_ends_as_if_nothing_had_been(service, prove, way):
    wanted, whole, rng = intent(3, prove=prove), service(), random.Random(way)
    ends = {"1": service().picture()}
    points = passed(whole, wanted)
    ends["2"] = whole.picture()

    assert len(points) == POINTS[prove]
    assert set(points) >= INSIDE
    for number, point in list(enumerate(points))[:: 3 if way == "die again" else 1]:
        world, back = service(), way == "rollback"
        assert rolled(world, wanted, doom=Doom(number)) is None, point
        if way == "die again":
            back, second = rng.random() < 0.5, rng.randrange(len(points) - number + 10)
            point = f"{number} {point}, then at {second} on the way {'back' if back else 'on'}"
            serves = go_on(world, wanted, back=back, doom=Doom(second)) or go_on(world, wanted, back=False)
        else:
            serves = go_on(world, wanted, back=back)
            assert serves == ("1" if back else "2"), point

        assert world.picture() == ends[serves], point
