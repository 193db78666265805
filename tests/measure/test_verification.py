from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.measure.limits import Limits
from lvdeploy.measure.verification import Fault, cost, judge, limits_of, title
from lvdeploy.model import Outcome
from lvdeploy.wire.backoff import reconnect_after
from tests.measure.seen import entry, lost, moved, ready, tally_of

HOW = {"clients": 20, "pace": 5.0, "outage": 3.0}


def verdicts(fault: Fault, tally, limits: Limits | None = None):
    return {each.name: each for each in judge(fault, tally, limits_of(fault, limits or Limits(), **HOW))}


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_says_what_is_done_and_which_code_is_seen(fault):
    assert title(fault, outage=3.0)
    assert str(fault.code) in (fault.value, "1006")


@pytest.mark.parametrize("fault", [Fault.RESTART, Fault.GOING_AWAY, Fault.CUT])
def test_a_closed_connection_may_cost_what_a_rollout_may(fault):
    limits = limits_of(fault, Limits(), **HOW)

    assert (limits.gap_p99, limits.gap_max, limits.full_page_loads) == (5.0, 15.0, 0)


def test_a_normal_closure_may_cost_the_page_and_the_wait_before_it():
    limits = limits_of(Fault.NORMAL, Limits(), **HOW)

    assert (limits.gap_p99, limits.gap_max) == (15.0, 25.0)
    assert limits.full_page_loads == 20
    assert limits.forbidden_close_codes == ()
    assert limits_of(Fault.RESTART, Limits(), **HOW).forbidden_close_codes == (1000,)


@given(st.integers(1, 500), st.floats(0.5, 100), st.floats(0.1, 120))
def test_who_is_refused_may_be_away_until_the_first_attempt_after_it(clients, pace, outage):
    """No later attempt is allowed for, and no sooner one could have come through."""
    allowed = cost(Fault.REFUSED, clients=clients, pace=pace, outage=outage)
    attempts = list(accumulate(reconnect_after(number) for number in range(1, 400)))

    assert allowed == next(at for at in attempts if at >= clients / pace + outage)


def test_who_is_left_hanging_may_be_away_for_as_long_as_that_lasts():
    assert cost(Fault.HANGING, **HOW) == 4.0 + 3.0 + 4.0


def test_limits_that_are_off_stay_off():
    off = Limits(gap_p99=None, gap_max=None, reconnects_per_session=None, full_page_loads=None)
    limits = limits_of(Fault.NORMAL, off, **HOW)

    assert limits.gap_p99 is limits.gap_max is limits.reconnects_per_session is limits.full_page_loads is None


def test_every_connection_is_broken_once_however_often_a_rollout_may():
    tally = tally_of(moved("a", 10.0), moved("a", 20.0)[1:])
    found = verdicts(Fault.RESTART, tally, Limits(reconnects_per_session=3))

    assert found["reconnects_per_session"].outcome is Outcome.FAIL


def test_requests_are_not_judged_where_none_were_made():
    assert "failed_requests" not in verdicts(Fault.RESTART, tally_of(moved("a")))


def test_a_session_that_kept_its_connection_makes_the_round_inconclusive():
    found = verdicts(Fault.RESTART, tally_of(moved("a"), ready("b")))

    assert found["broken"].outcome is Outcome.INCONCLUSIVE
    assert found["broken"].measured == "1 of 2"
    assert found["broken"].evidence.startswith("1 sessions kept their connection")


def test_another_close_code_than_was_meant_makes_the_round_inconclusive():
    tally = tally_of(moved("a"), ready("b"), lost("b", 10.0, code=1011))
    found = verdicts(Fault.RESTART, tally)

    assert found["broken"].outcome is Outcome.INCONCLUSIVE
    assert "1011 ×1" in found["broken"].evidence
    assert verdicts(Fault.CUT, tally_of(moved("a")))["broken"].outcome is Outcome.INCONCLUSIVE


def test_nobody_broken_is_no_pass():
    assert verdicts(Fault.RESTART, tally_of())["broken"].outcome is Outcome.INCONCLUSIVE


def test_lost_state_fails_the_round():
    found = verdicts(Fault.RESTART, tally_of(moved("a", name=entry("", state_class="session"))))

    assert found["state_lost"].outcome is Outcome.FAIL
    assert found["broken"].outcome is Outcome.PASS
