"""What a rollout does when it is interrupted, when its balancer is silent, when two versions serve, and going back."""

import asyncio
from dataclasses import replace

import pytest

from lvdeploy.errors import BalancerError, Changed, ExitCode, StateError, WaitExpired
from lvdeploy.model import Mode, Outcome, Slot, Verdict
from lvdeploy.rollout import traffic as change
from lvdeploy.rollout.engine import PATIENCE, Interrupted
from lvdeploy.rollout.gates import Alarm
from lvdeploy.rollout.intent import ASKED, Direction, Intent
from lvdeploy.rollout.live import live_version, version_before
from tests.rollout.fleets import COOKIE, intent
from tests.rollout.simulation import Operator, World

SLOTS = tuple(Slot(f"web-{n}", "127.0.0.1", 4000 + n) for n in range(1, 5))


@pytest.fixture
def world():
    world = World(SLOTS)
    first = Intent("up", "1", None, 3, 1, 0, affinity=COOKIE)
    assert asyncio.run(Operator(world).rollout(first)).exit_code is ExitCode.OK
    return world


def go_on(world, **changes):
    heir = Operator(world)
    heir.lease.break_()
    unfinished = heir.journal.unfinished("demo").intent
    return asyncio.run(heir.rollout(replace(unfinished, **changes)))


def serves(world, version):
    (part,) = world.traffic.versions
    return world.versions() == [version] * 3 and part.version == version and world.traffic.pins == ()


# Interruption

STEPS = ("start", "await healthy", "prove", "admit", "withdraw", "await out", "drain", "stop", "conclude")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("how", ["signal", "bounded wait"])
def test_a_wish_to_stop_is_heeded_within_seconds_in_every_step_and_all_goes_on(world, step, how):
    operator = Operator(world)
    asked = []

    def ask(event):
        if (event.kind, event.message) == ("step_began", step) and not asked:
            asked.append(world.clock.now())
            operator.interruption.ask(15) if how == "signal" else operator.interruption.expire(30)

    operator.on_event = ask
    with pytest.raises(Interrupted if how == "signal" else WaitExpired):
        asyncio.run(operator.rollout(intent(3, prove=True)))

    assert world.clock.now() - asked[0] <= PATIENCE
    assert go_on(world).exit_code is ExitCode.OK
    assert serves(world, "2")


def test_a_stop_with_a_long_grace_does_not_hold_who_waits_for_it(world):
    operator = Operator(world)

    async def lingers(instance, *, grace):
        await world.clock.sleep(30)

    operator.engine._parts.instances.stop = lingers
    operator.on_event = lambda event: (
        operator.interruption.ask(2) if (event.kind, event.message) == ("step_began", "stop") else None
    )
    began = world.clock.now()
    with pytest.raises(Interrupted):
        asyncio.run(operator.rollout(intent(3)))

    assert operator.journal.steps("r")[-1].outcome == "interrupted"
    assert world.clock.now() - began < 30


@pytest.mark.parametrize("back", [False, True])
def test_settling_is_left_at_once(world, back):
    operator = Operator(world)

    async def settle():
        operator.interruption.ask(2)
        await world.clock.sleep(3600)

    operator.watch.settle = settle
    wanted = intent(3).turned_back(ASKED) if back else intent(3)
    began = world.clock.now()
    with pytest.raises(Interrupted):
        asyncio.run(operator.rollout(wanted))

    assert world.clock.now() - began < 600


def test_a_signal_outdoes_a_wait_that_ended_but_not_the_other_way_round():
    interruption = Operator(World(SLOTS)).interruption
    interruption.expire(5)
    interruption.ask(2)
    interruption.expire(5)

    with pytest.raises(Interrupted):
        interruption.heed()


# The balancer


def silent(world, operator, *, after):
    async def observe():
        raise BalancerError("it does not answer")

    operator.on_event = lambda event: (
        setattr(operator.engine._parts.balancer, "observe", observe)
        if (event.kind, event.message) == ("step_ended", after) else None
    )


@pytest.mark.parametrize("after", ["start", "admit", "drain"])
def test_a_balancer_that_falls_silent_turns_nothing_back(world, after):
    operator = Operator(world)
    silent(world, operator, after=after)
    result = asyncio.run(operator.rollout(intent(3)))
    changes = len(world.balancer.applied)
    del world.balancer.observe

    assert (result.exit_code, result.reason) == (ExitCode.NEEDS_A_PERSON, "it does not answer")
    assert operator.journal.run("r").intent.direction is Direction.FORWARD
    assert len(world.balancer.applied) == changes


def test_what_the_watch_knows_of_a_silent_balancer_is_said(world):
    operator = Operator(world)
    silent(world, operator, after="start")

    async def rollout():
        task = asyncio.create_task(operator.rollout(intent(3)))
        await world.clock.sleep(0.7)
        operator.watch.ring(Alarm("the balancer is dead", fatal=True, hint="start it"))
        return await task

    result = asyncio.run(rollout())

    assert (result.exit_code, result.reason, result.hint) == (5, "the balancer is dead", "start it")


def test_a_change_that_the_balancer_refuses_is_taken_back(world):
    world.balancer._refusals.append("no such middleware")
    result = asyncio.run(Operator(world).rollout(intent(3)))

    assert (result.exit_code, result.reason) == (ExitCode.ROLLED_BACK, "no such middleware")
    assert serves(world, "1")


@pytest.mark.parametrize("older", [True, False])
def test_a_balancer_that_lost_what_it_was_told_stops_the_rollout_until_it_is_restored(world, older):
    first = world.traffic
    operator = Operator(world)

    def forget(event):
        if (event.kind, event.message) == ("step_ended", "drain"):
            world.balancer._held = world.balancer._notes = replace(first, generation=1) if older else None

    operator.on_event = forget
    with pytest.raises(Changed, match="lvdeploy's last change was generation 5"):
        asyncio.run(operator.rollout(intent(3)))

    assert world.versions() == ["1", "1", "1", "2"]
    with pytest.raises(Changed):
        go_on(world)
    asyncio.run(world.balancer.restore(operator.journal.intended("demo")))
    assert go_on(world).exit_code is ExitCode.OK
    assert serves(world, "2")


# Two versions, and going back


def half_way(world):
    """Stop a rollout after its first admission, and give it up."""
    operator = Operator(world)
    operator.on_event = lambda event: (
        operator.interruption.ask(2) if (event.kind, event.message) == ("step_began", "await out") else None
    )
    with pytest.raises(Interrupted):
        asyncio.run(operator.rollout(intent(3)))
    operator.lease.release()
    operator.journal.end_run("r", outcome="SUPERSEDED", exit_code=5, reason="", at=world.clock.wall())


@pytest.mark.parametrize("target, previous", [("2", "1"), ("1", "2"), ("3", "1")])
@pytest.mark.parametrize("fails", [False, True])
def test_from_two_live_versions_a_rollout_goes_to_its_target_or_to_what_most_served(world, target, previous, fails):
    half_way(world)
    operator = Operator(world)
    fleet = asyncio.run(operator.engine.look(intent(3)))
    assert live_version(fleet) == "1"
    assert version_before(fleet, target) == previous
    if fails:
        operator.watch.verdicts = (Verdict("state_lost", Outcome.FAIL, evidence="3 lost their form"),)
    result = asyncio.run(operator.rollout(intent(3, run="again", target=target, previous=previous)))

    assert result.exit_code is (ExitCode.ROLLED_BACK if fails else ExitCode.OK)
    assert serves(world, previous if fails else target)


def test_a_rollback_whose_old_version_no_longer_starts_leaves_the_new_one_serving(world):
    asyncio.run(Operator(world).rollout(intent(3)))
    world.refuses_to_start.add("1")
    operator = Operator(world)
    result = asyncio.run(operator.rollout(intent(3, run="back").turned_back(ASKED)))

    assert (result.exit_code, result.reason) == (ExitCode.NEEDS_A_PERSON, "web-3 died at once")
    assert operator.journal.unfinished("demo").id == "back" or serves(world, "2")
    assert serves(world, "2")


def test_a_rollback_that_was_asked_for_is_not_stopped_by_checks(world):
    asyncio.run(Operator(world).rollout(intent(3)))
    operator = Operator(world)
    lost = Verdict("state_lost", Outcome.FAIL, evidence="3 lost their form")
    operator.watch.back = True

    async def settle():
        return (lost,)

    operator.watch.settle = settle
    result = asyncio.run(operator.rollout(intent(3, run="back").turned_back(ASKED)))

    assert (result.exit_code, result.reason, result.verdicts) == (ExitCode.ROLLED_BACK, ASKED, (lost,))
    assert serves(world, "1")


# Instances


@pytest.mark.parametrize("victim, when", [
    ("web-2", ("step_began", "await healthy")), ("web-3", ("step_ended", "admit")),
])
def test_an_old_instance_that_is_killed_is_named_and_the_rollout_goes_on(world, victim, when):
    operator = Operator(world)
    killed = []

    def kill(event):
        if (event.kind, event.message) == when and not killed:
            killed.append(world.running.pop(victim))

    operator.on_event = kill
    result = asyncio.run(operator.rollout(intent(3)))
    gone = [event for event in operator.events if event.kind == "instance_gone"]

    assert [event.subject for event in gone] == [victim]
    assert result.exit_code is ExitCode.OK
    assert serves(world, "2")


# Clock and disk


def test_a_clock_set_back_changes_nothing(world):
    operator = Operator(world)
    operator.on_event = lambda event: (
        world.clock.set_wall(1_000_000.0) if (event.kind, event.message) == ("step_began", "drain") else None
    )
    assert asyncio.run(operator.rollout(intent(3))).exit_code is ExitCode.OK
    again = Operator(world)
    again.on_event = lambda event: again.interruption.ask(2) if event.kind == "step_began" else None
    with pytest.raises(Interrupted):
        asyncio.run(again.rollout(intent(3, run="later", target="3", previous="2")))

    # The newest run is the one that began last, whatever its clock said.
    assert again.journal.unfinished("demo").id == "later"


def test_a_journal_that_cannot_be_written_ends_it_and_nothing_more_is_done(world):
    operator = Operator(world)

    def full(point):
        if point == "before begin withdraw":
            raise StateError("database or disk is full")

    operator.journal._hook = full
    with pytest.raises(StateError, match="full"):
        asyncio.run(operator.rollout(intent(3)))

    assert world.versions() == ["1", "1", "1", "2"]
    assert all(server.mode is Mode.READY for part in world.traffic.versions for server in part.servers)


def test_the_recorded_traffic_is_what_the_balancer_was_told(world):
    operator = Operator(world)
    asyncio.run(operator.rollout(intent(3)))

    assert operator.journal.intended("demo") == world.traffic == change.concluded(world.traffic, "2")


