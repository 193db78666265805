import asyncio

import pytest

from lvdeploy.errors import Changed, ExitCode, LeaseHeld, StateError
from lvdeploy.model import WHOLE, Admission, Mode, Outcome, Slot, Verdict
from lvdeploy.rollout.engine import Interrupted
from lvdeploy.rollout.gates import Alarm
from lvdeploy.rollout.intent import Intent
from tests.rollout.fleets import COOKIE, intent
from tests.rollout.simulation import Operator, World

SLOTS = tuple(Slot(f"web-{n}", "127.0.0.1", 4000 + n) for n in range(1, 5))
LOST = Verdict("state_lost", Outcome.FAIL, "3", "0", "3 sessions lost their form")


def up(world, state):
    first = Intent("up", "1", None, 3, 1, 0, affinity=COOKIE)
    assert asyncio.run(Operator(world, state).rollout(first)).exit_code is ExitCode.OK


@pytest.fixture
def world(tmp_path):
    world = World(SLOTS)
    up(world, tmp_path)
    world.balancer.applied.clear()
    return world


def rolled(world, state, **changes):
    operator = Operator(world, state)
    for name, value in changes.items():
        setattr(operator, name, value)
    return operator, asyncio.run(operator.rollout(intent(3)))


def serves(world, version):
    traffic = world.balancer._held
    (part,) = traffic.versions
    assert world.versions() == [version] * 3
    assert (part.version, part.share, part.admission, traffic.pins) == (version, WHOLE, Admission.OPEN, ())
    assert sorted(server.name for server in part.servers) == sorted(world.running)
    assert all(server.mode is Mode.READY for server in part.servers)


def test_a_rollout_brings_the_new_version_and_says_each_step(world, tmp_path):
    operator, result = rolled(world, tmp_path)

    assert result.exit_code is ExitCode.OK
    serves(world, "2")
    assert operator.done()[:8] == [
        "start web-4", "await healthy web-4", "admit web-4", "withdraw web-1", "await out web-1", "drain web-1",
        "stop web-1", "start web-1",
    ]
    assert operator.done()[-1] == "conclude 2"
    assert [step.outcome for step in operator.journal.steps("r")] == ["done"] * len(operator.done())


def test_sockets_are_moved_as_fast_as_the_updated_servers_take_them(world, tmp_path):
    operator, _ = rolled(world, tmp_path)

    assert operator.drainer.rates == [20, 40, 60]


def test_the_version_that_is_live_already_needs_nothing(world, tmp_path):
    rolled(world, tmp_path)
    changes = len(world.balancer.applied)
    operator = Operator(world, tmp_path)

    assert asyncio.run(operator.engine.preview(intent(3, run="again")))[1] == ()
    assert len(world.balancer.applied) == changes


def test_a_version_that_never_becomes_healthy_is_taken_back_before_anybody_is_moved(world, tmp_path):
    world.sick["2"] = 'GET /health answered 503: {"database": false}'
    operator, result = rolled(world, tmp_path)

    assert result.exit_code is ExitCode.ROLLED_BACK
    assert 'web-4 did not become healthy: GET /health answered 503: {"database": false}' in result.reason
    serves(world, "1")
    assert operator.drainer.rates == []
    assert not [done for done in operator.done() if done.startswith("withdraw")]


def test_a_version_that_cannot_be_started_is_taken_back(world, tmp_path):
    world.refuses_to_start.add("2")
    _, result = rolled(world, tmp_path)

    assert (result.exit_code, result.reason) == (ExitCode.ROLLED_BACK, "web-4 died at once")
    serves(world, "1")


def test_a_check_that_fails_in_the_middle_turns_the_rollout_back(world, tmp_path):
    operator = Operator(world, tmp_path)
    operator.on_event = lambda event: (
        operator.watch.ring(Alarm("state_lost: 3 sessions lost their form"))
        if (event.kind, event.subject, event.message) == ("step_began", "web-1", "drain") and not operator.watch.back
        else None
    )
    result = asyncio.run(operator.rollout(intent(3)))

    assert (result.exit_code, result.reason) == (ExitCode.ROLLED_BACK, "state_lost: 3 sessions lost their form")
    serves(world, "1")


def test_checks_that_fail_after_the_last_step_turn_it_back_too(world, tmp_path):
    operator = Operator(world, tmp_path)
    operator.watch.verdicts = (LOST,)
    result = asyncio.run(operator.rollout(intent(3)))

    assert result.exit_code is ExitCode.ROLLED_BACK
    assert result.reason == "state_lost: 3 sessions lost their form"
    assert result.verdicts == (LOST,)
    serves(world, "1")


@pytest.mark.parametrize("keep, code, version", [(True, 7, "2"), (False, 4, "1")])
def test_a_check_that_saw_too_little_keeps_the_version_unless_told_otherwise(world, tmp_path, keep, code, version):
    operator = Operator(world, tmp_path, keep_inconclusive=keep)
    operator.watch.verdicts = (Verdict("state_lost", Outcome.INCONCLUSIVE, evidence="nobody held state"),)
    result = asyncio.run(operator.rollout(intent(3)))

    assert (result.exit_code, result.reason) == (code, "state_lost saw too little: nobody held state")
    serves(world, version)


def test_the_way_back_failing_too_needs_a_person(world, tmp_path):
    operator = Operator(world, tmp_path)
    operator.watch.verdicts = (LOST,)
    operator.on_event = lambda event: world.refuses_to_start.add("1")
    result = asyncio.run(operator.rollout(intent(3)))

    assert result.exit_code is ExitCode.NEEDS_A_PERSON
    assert result.reason == "state_lost: 3 sessions lost their form; and going back failed too: web-3 died at once"
    assert "2" in world.versions()


def test_a_fatal_alarm_stops_where_it_stands(world, tmp_path):
    operator = Operator(world, tmp_path)
    operator.on_event = lambda event: (
        operator.watch.ring(Alarm("the balancer died", fatal=True, hint="lvdeploy resume"))
        if event.kind == "step_began" and event.message == "drain" else None
    )
    result = asyncio.run(operator.rollout(intent(3)))
    changes = len(world.balancer.applied)

    assert (result.exit_code, result.reason, result.hint) == (5, "the balancer died", "lvdeploy resume")
    assert world.versions() == ["1", "1", "1", "2"]
    assert changes == len(world.balancer.applied)


def test_a_drain_that_leaves_sockets_turns_back_and_does_not_stop_the_way_back(world, tmp_path):
    world.undrainable |= {"1", "2"}
    _, result = rolled(world, tmp_path)

    assert (result.exit_code, result.reason) == (4, "web-1 was not drained: 7 sockets are left")
    serves(world, "1")


def test_a_change_behind_its_back_stops_the_rollout_with_the_difference(world, tmp_path):
    operator = Operator(world, tmp_path)

    def meddle(event):
        if (event.kind, event.message) == ("step_ended", "drain"):
            world.balancer.change(lambda traffic: traffic.__class__(traffic.generation, None, traffic.versions))

    operator.on_event = meddle
    with pytest.raises(Changed) as raised:
        asyncio.run(operator.rollout(intent(3)))
    assert "cookie" in str(raised.value)
    assert world.versions() == ["1", "1", "1", "2"]


def test_an_instance_that_dies_unasked_is_named(world, tmp_path):
    operator = Operator(world, tmp_path)
    operator.on_event = lambda event: (
        world.running.pop("web-3", None)
        if (event.kind, event.message, event.subject) == ("step_ended", "admit", "web-4") else None
    )
    asyncio.run(operator.rollout(intent(3)))
    gone = [event for event in operator.events if event.kind == "instance_gone"]

    assert [(event.subject, event.detail["version"]) for event in gone] == [("web-3", "1")]
    serves(world, "2")


def test_an_instance_that_dies_again_and_again_ends_the_rollout(world, tmp_path):
    operator = Operator(world, tmp_path)
    operator.on_event = lambda event: (
        world.running.pop("web-4", None)
        if (event.kind, event.message) == ("step_ended", "start") and not operator.watch.back else None
    )
    result = asyncio.run(operator.rollout(intent(3)))

    assert (result.exit_code, result.reason) == (4, "start web-4 was done 3 times without effect")


def test_a_user_who_interrupts_finds_everything_recorded(world, tmp_path):
    operator = Operator(world, tmp_path)
    operator.on_event = lambda event: (
        operator.interruption.ask(2) if (event.kind, event.message) == ("step_began", "drain") else None
    )
    with pytest.raises(Interrupted):
        asyncio.run(operator.rollout(intent(3)))
    operator.lease.release()

    assert operator.journal.unfinished("demo").id == "r"
    assert operator.journal.steps("r")[-1].outcome == "interrupted"
    again = Operator(world, tmp_path)
    assert asyncio.run(again.rollout(again.journal.unfinished("demo").intent)).exit_code is ExitCode.OK
    serves(world, "2")


def test_a_second_rollout_is_refused_with_who_and_since_when(world, tmp_path):
    first, second = Operator(world, tmp_path), Operator(world, tmp_path)

    async def both():
        one = asyncio.create_task(first.rollout(intent(3)))
        await world.clock.sleep(1)
        with pytest.raises(LeaseHeld, match=r"under way since 1 s: .* \(pid \d+\): rolling"):
            await second.rollout(intent(3, run="other"))
        return await one

    assert asyncio.run(both()).exit_code is ExitCode.OK


def test_losing_the_lease_stops_before_the_next_deed(world, tmp_path):
    operator = Operator(world, tmp_path)
    operator.on_event = lambda event: operator.lease.break_() if event.message == "drain" else None
    with pytest.raises(LeaseHeld, match="lost its lease: it was released"):
        asyncio.run(operator.rollout(intent(3)))
    assert world.versions() == ["1", "1", "1", "2"]


def test_each_new_instance_proves_itself_with_sessions_of_the_version_that_serves(world, tmp_path):
    operator = Operator(world, tmp_path)
    result = asyncio.run(operator.rollout(intent(3, prove=True)))

    assert result.exit_code is ExitCode.OK
    assert operator.watch.proved == [("web-4", "2", True), ("web-1", "2", True), ("web-2", "2", True)]
    serves(world, "2")


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.INCONCLUSIVE])
def test_a_proof_that_fails_or_saw_nothing_moves_nobody(world, tmp_path, outcome):
    operator = Operator(world, tmp_path)
    operator.watch.bad_proof = (Verdict("joins", outcome, evidence="join crashed"),)
    result = asyncio.run(operator.rollout(intent(3, prove=True)))

    assert result.exit_code is ExitCode.ROLLED_BACK
    assert "joins: join crashed" in result.reason
    assert not [done for done in operator.done() if done.startswith(("admit", "drain web-1"))]
    serves(world, "1")


def test_a_journal_of_a_newer_lvdeploy_is_refused(world, tmp_path):
    operator = Operator(world, tmp_path)
    operator.journal._connection.execute("pragma user_version = 99")
    with pytest.raises(StateError, match="written by a newer lvdeploy"):
        Operator(world, tmp_path)
