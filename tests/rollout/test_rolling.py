import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvdeploy.errors import Refused
from lvdeploy.model import WHOLE, Admission, Fact, Health, Mode
from lvdeploy.rollout.intent import Sessions
from lvdeploy.rollout.plan import (
    Admit,
    AwaitHealthy,
    AwaitOut,
    Conclude,
    Drain,
    Open,
    Prove,
    Start,
    Stop,
    Withdraw,
    apply,
    check,
    complete,
    plan,
    serving,
    walk,
)
from lvdeploy.rollout.rolling import rolling
from tests.rollout.fleets import KINDS, every_fleet, fleet, healthy, intent

LIMITS = ((1, 0), (0, 1), (1, 1), (2, 1))


def replaced(slot, old, *, prove=False):
    proof = [Prove(slot)] if prove else []
    return [Start(slot, "2"), AwaitHealthy(slot), *proof, Admit(slot),
            Withdraw(old), AwaitOut(old), Drain(old), Stop(old)]


def test_with_a_free_slot_nobody_is_withdrawn_before_a_new_one_serves():
    steps = plan(rolling, intent(3, prove=True), healthy(3, 4))

    assert list(steps) == [
        *replaced("web-4", "web-1", prove=True), *replaced("web-1", "web-2", prove=True),
        *replaced("web-2", "web-3", prove=True), Conclude("2"),
    ]


def test_without_a_free_slot_one_is_withdrawn_first():
    steps = plan(rolling, intent(2, max_surge=0, max_unavailable=1, drains=False), healthy(2, 2))

    assert list(steps)[:6] == [
        Withdraw("web-1"), AwaitOut("web-1"), Stop("web-1"), Start("web-1", "2"), AwaitHealthy("web-1"), Admit("web-1"),
    ]


def test_the_first_updated_server_closes_the_old_version_in_the_same_change():
    before = healthy(3, 4)
    steps = plan(rolling, intent(3), before)
    after = list(walk(intent(3), before, steps))[3]

    assert steps[2] == Admit("web-4")
    assert [(part.version, part.admission, part.share) for part in after.traffic.versions] == [
        ("1", Admission.CLOSED, 0), ("2", Admission.OPEN, WHOLE),
    ]


def test_with_any_sessions_both_versions_stay_open_with_shares_by_their_servers():
    before = healthy(3, 4)
    wanted = intent(3, sessions=Sessions.ANY)
    after = list(walk(wanted, before, plan(rolling, wanted, before)))[3]

    assert [(part.version, part.admission, part.share) for part in after.traffic.versions] == [
        ("1", Admission.OPEN, 7500), ("2", Admission.OPEN, 2500),
    ]


def test_the_way_back_opens_the_version_that_served_first():
    before = healthy(3, 4)
    forward = intent(3)
    for state in list(walk(forward, before, plan(rolling, forward, before)))[3:-4]:
        back = forward.turned_back("said so")
        changes = [after.traffic for after in walk(back, state, plan(rolling, back, state))]
        first = next(traffic for traffic in changes if traffic != state.traffic)

        assert first.version("1").share == WHOLE


def test_an_instance_that_began_to_drain_does_not_serve_again():
    before = healthy(3, 4)
    forward = intent(3)
    half = apply(forward, list(walk(forward, before, plan(rolling, forward, before)))[6], Drain("web-1"))
    back = plan(rolling, forward.turned_back("said so"), half)

    assert Admit("web-1") in back
    assert back.index(Stop("web-1")) < back.index(Start("web-1", "1")) < back.index(Admit("web-1"))


def test_nothing_remains_where_the_version_is_already_live():
    assert plan(rolling, intent(3).turned_back(""), healthy(3, 4)) == ()


def test_a_first_start_is_a_plan_like_any_other():
    steps = plan(rolling, intent(2, previous=None), fleet((KINDS[0],) * 3))

    assert list(steps) == [
        Start("web-1", "2"), Start("web-2", "2"), AwaitHealthy("web-1"), AwaitHealthy("web-2"), Admit("web-1"),
        Admit("web-2"),
    ]


def test_full_slots_without_leave_to_take_one_out_are_refused_in_words():
    with pytest.raises(Refused, match=r"2 cannot be brought to 2 replicas.*no slot is free"):
        plan(rolling, intent(2), healthy(2, 2))


def obeys_the_laws(wanted, state):
    try:
        steps = plan(rolling, wanted, state)
    except Refused:
        assert wanted.max_unavailable == 0, state
        return False
    check(wanted, state, steps)
    for step, before in zip(steps, walk(wanted, state, steps), strict=False):
        keeps_order(step, before)
    if steps:
        assert plan(rolling, wanted, apply(wanted, state, steps[0])) == steps[1:]
    final = list(walk(wanted, state, steps))[-1]
    assert complete(wanted, final)
    return True


def keeps_order(step, before):
    found = None if isinstance(step, Open | Conclude) else before.traffic.server(step.slot)
    match step:
        case Start():
            assert before[step.slot].instance is None
        case Admit():
            assert before[step.slot].health is Health.UP
            assert Fact.DRAINING not in before[step.slot].facts
        case Drain():
            assert Fact.SEEN_OUT in before[step.slot].facts
        case Stop():
            assert found is None or found[1].mode is Mode.MAINT
            assert found is None or Fact.SEEN_OUT in before[step.slot].facts
    opened = [part for part in before.traffic.versions if part.admission is Admission.OPEN]
    assert sum(part.share for part in opened) in (0, WHOLE)


@pytest.mark.parametrize("surge, unavailable", LIMITS)
@pytest.mark.parametrize("sessions", list(Sessions))
def test_every_small_fleet_reaches_the_target_by_the_laws(surge, unavailable, sessions):
    """Re-entrant, never under the floor, nothing stopped that is routed: from any state, in both directions."""
    forward = intent(2, max_surge=surge, max_unavailable=unavailable, sessions=sessions)
    reached = [
        obeys_the_laws(wanted, state)
        for state in itertools.chain(every_fleet(1), every_fleet(2))
        for wanted in (forward, forward.turned_back(""))
        if len(state.places) >= 2
    ]

    assert any(reached)


@settings(max_examples=300, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=3, max_size=6), replicas=st.integers(1, 4),
    limits=st.sampled_from(LIMITS), sessions=st.sampled_from(Sessions), drains=st.booleans(), prove=st.booleans(),
    open_version=st.sampled_from(["1", "2"]), back=st.booleans(),
)
def test_larger_fleets_too(kinds, replicas, limits, sessions, drains, prove, open_version, back):
    wanted = intent(
        min(replicas, len(kinds)), max_surge=limits[0], max_unavailable=limits[1], sessions=sessions, drains=drains,
        prove=prove,
    )
    obeys_the_laws(wanted.turned_back("") if back else wanted, fleet(tuple(kinds), open_version))


def test_turning_back_after_any_step_ends_where_it_began():
    before = healthy(3, 4)
    for sessions, prove in itertools.product(Sessions, (True, False)):
        forward = intent(3, sessions=sessions, prove=prove)
        for state in walk(forward, before, plan(rolling, forward, before)):
            back = forward.turned_back("said so")
            steps = plan(rolling, back, state)
            check(back, state, steps)

            assert complete(back, list(walk(back, state, steps))[-1])


def test_what_is_down_leaves_before_what_serves():
    down = ("1", Health.DOWN, frozenset(), "1", Mode.READY)
    serves = ("1", Health.UP, frozenset(), "1", Mode.READY)
    state = fleet((serves, down, serves, KINDS[0]))
    steps = plan(rolling, intent(3), state)

    assert next(step for step in steps if isinstance(step, Withdraw)) == Withdraw("web-2")
    assert len(serving(state)) == 2
