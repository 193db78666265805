from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.measure import checkers
from lvdeploy.measure.checkers import CHECKERS, already_failed, check, overall
from lvdeploy.measure.limits import Limits
from lvdeploy.measure.tally import Tally
from lvdeploy.model import Kind, Observation, Outcome, Verdict
from tests.measure.seen import back, entry, lost, moved, ready, request, seen, tally_of

LIMITS = Limits()
OFF = Limits.model_validate(dict.fromkeys(Limits.model_fields))


def verdict(name: str, tally: Tally, limits: Limits = LIMITS) -> Verdict:
    return next(each for each in check(tally, limits) if each.name == name)


def names(verdicts: Iterable[Verdict]) -> list[str]:
    return [each.name for each in verdicts]


def good() -> list[Observation]:
    return [each for client in "abc" for each in moved(client, it=entry("Ann"))]


# The whole


def test_a_good_run_passes_everything():
    tally = tally_of(good(), request(1.0))
    verdicts = check(tally, LIMITS)
    assert {each.outcome for each in verdicts} == {Outcome.PASS}
    assert overall(verdicts) is Outcome.PASS
    assert already_failed(tally, LIMITS) == ()


def test_no_data_is_inconclusive_and_never_a_pass():
    verdicts = check(Tally(), LIMITS)
    assert verdicts
    assert {each.outcome for each in verdicts} == {Outcome.INCONCLUSIVE}
    assert all(each.evidence for each in verdicts)


def test_sessions_that_nobody_disturbed_leave_gap_and_state_open():
    tally = tally_of(ready("a", it=entry("Ann")), request(1.0))
    unsure = [each.name for each in check(tally, LIMITS) if each.outcome is Outcome.INCONCLUSIVE]
    assert unsure == ["gap_p99", "gap_max", "state_lost"]


def test_null_switches_a_limit_off():
    assert names(check(tally_of(good(), request(1.0)), OFF)) == []
    assert names(already_failed(tally_of(ready("a"), lost("a", 10.0), request(900.0, 500)), OFF)) == []


def test_every_limit_has_its_checker():
    assert set(Limits.model_fields) - set(CHECKERS) == {"forbidden_close_codes"}


@given(st.lists(st.sampled_from(Outcome)))
def test_fail_comes_before_inconclusive_and_that_before_pass(outcomes: list[Outcome]):
    result = overall([Verdict("x", each) for each in outcomes])
    if Outcome.FAIL in outcomes:
        assert result is Outcome.FAIL
    elif Outcome.INCONCLUSIVE in outcomes or not outcomes:
        assert result is Outcome.INCONCLUSIVE
    else:
        assert result is Outcome.PASS


def test_a_checker_that_breaks_is_inconclusive_and_the_others_still_judge(monkeypatch: pytest.MonkeyPatch):
    def broken(name: str, tally: Tally, limits: Limits) -> Verdict:
        raise ZeroDivisionError("no luck")

    monkeypatch.setattr(checkers, "CHECKERS", {**CHECKERS, "gap_max": broken})
    verdicts = {each.name: each for each in check(tally_of(good()), LIMITS)}
    assert verdicts["gap_max"].outcome is Outcome.INCONCLUSIVE
    assert "bug in lvdeploy: ZeroDivisionError: no luck" in verdicts["gap_max"].evidence
    assert verdicts["gap_p99"].outcome is Outcome.PASS


# Each check


def test_two_reconnects_of_one_session_fail_and_name_who_dropped_it():
    tally = tally_of(good(), ready("x"), lost("x", 10.0), back("x", 10.5), lost("x", 20.0, instance="web-2"))
    found = verdict("reconnects_per_session", tally)
    assert (found.outcome, found.measured) == (Outcome.FAIL, "at most 2, 1.25 on average")
    assert "1 of 4 sessions" in found.evidence
    assert "x was dropped by web-1 (1012), then web-2 (1012)" in found.evidence


def test_one_that_never_returned_fails_and_says_where_it_was_lost():
    tally = tally_of(good(), ready("x"), lost("x", 10.0, code=1006, instance="web-3"))
    found = verdict("never_returned", tally)
    assert found.outcome is Outcome.FAIL
    assert "1 of 4 sessions never came back" in found.evidence
    assert "x lost web-3 at 10.0 s with 1006, not back yet" in found.evidence
    assert verdict("gap_max", tally).measured == "infinite"


@pytest.mark.parametrize(("gap", "outcome"), [(15.0, Outcome.PASS), (15.01, Outcome.FAIL)])
def test_the_longest_gap_against_its_limit(gap: float, outcome: Outcome):
    assert verdict("gap_max", tally_of(moved("a", gap=gap))).outcome is outcome


def test_a_lost_form_is_told_with_the_reason_of_the_browser():
    why = "its phx-change changed from validate to check"
    bad = [
        each
        for client in ("x", "y")
        for each in (
            ready(client, it=entry("")),
            lost(client, 10.0),
            seen(10.2, client, Kind.RECOVERED, 0.1, forms=[], skipped={"#user-form": why}),
            back(client, 10.5, it=entry("")),
        )
    ]
    found = verdict("state_lost", tally_of(good(), bad))
    assert found.outcome is Outcome.FAIL
    assert found.measured == "form: 2 of 5 lost"
    assert found.evidence == f"2 of 5 sessions lost class form: #user-form was not recovered: {why}"


def test_other_lost_state_is_told_by_an_example():
    tally = tally_of(moved("x", tab=entry("overview", state_class="url", had="settings", fresh="overview")))
    evidence = verdict("state_lost", tally).evidence
    assert "1 of 1 sessions lost class url" in evidence
    assert "x, moved from web-1 (1) to web-4 (2)" in evidence
    assert "had tab = 'settings' and found 'overview'" in evidence


def test_a_class_that_nobody_held_when_disturbed_is_inconclusive_and_named():
    fresh = entry("0", state_class="session", had="0", fresh="0")
    found = verdict("state_lost", tally_of(good(), moved("x", count=fresh)))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "class session" in found.evidence


def test_what_is_accepted_as_lost_is_no_loss():
    tally = tally_of(moved("x", tab=entry("", accepted=True)))
    assert verdict("state_lost", tally).outcome is Outcome.PASS


def test_memory_is_lost_and_no_loss():
    tally = tally_of(good(), moved("x", count=entry("0", state_class="memory", had="3", fresh="0")))
    assert verdict("state_lost", tally).outcome is Outcome.PASS
    assert verdict("control", tally).outcome is Outcome.PASS


@pytest.mark.parametrize("accepted", [True, False])
def test_memory_that_survives_makes_the_run_invalid(accepted: bool):
    survivor = entry("3", state_class="memory", had="3", fresh="0", accepted=accepted)
    tally = tally_of(good(), request(1.0), moved("x", count=survivor))
    found = verdict("control", tally)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "count of x" in found.evidence
    assert overall(check(tally, LIMITS)) is Outcome.INCONCLUSIVE


def test_memory_that_shows_what_a_fresh_mount_shows_is_no_control():
    same = entry("0", state_class="memory", had="0", fresh="0")
    assert "control" not in names(check(tally_of(moved("x", count=same)), LIMITS))


def test_close_code_1000_fails_and_names_the_instance():
    found = verdict("close_codes", tally_of(good(), ready("x"), lost("x", 10.0, code=1000, instance="web-2")))
    assert (found.outcome, found.measured) == (Outcome.FAIL, "1000: 1, 1012: 3")
    assert "by web-2 (1000)" in found.evidence


@pytest.mark.parametrize(
    ("name", "trouble"),
    [
        ("full_page_loads", seen(10.1, "x", Kind.PAGE_LOADED, 0.1, reason="stale", version="2")),
        ("join_failures", seen(10.1, "x", Kind.JOIN_FAILED, topic="lv:1", reason="join crashed", rejoin=True)),
        ("crashes", seen(10.1, "x", Kind.CRASHED, topic="lv:1", reason="boom", rejoin_in=1.0)),
        ("expectations_unmet", seen(10.1, "x", Kind.EXPECTED, selector="h1", wanted="a", found="b")),
        ("scenarios_stuck", seen(10.1, "x", Kind.GONE, reason="step 2 click: #a is not on the page")),
    ],
)
def test_trouble_fails_its_check_and_only_that(name: str, trouble: Observation):
    tally = tally_of(good(), ready("x"), lost("x", 10.0), trouble, back("x", 10.5), request(1.0))
    failed = [each for each in check(tally, LIMITS) if each.outcome is Outcome.FAIL]
    assert names(failed) == [name]
    assert "first x at 10.1 s" in failed[0].evidence


def test_a_failed_request_fails_with_what_was_answered():
    found = verdict("failed_requests", tally_of(good(), request(1.0), request(2.0, 502)))
    assert (found.outcome, found.measured) == (Outcome.FAIL, "1")
    assert "1 of 2 requests failed; for example GET /: 502 from web-1 at 2.0 s" in found.evidence


@pytest.mark.parametrize(
    ("detail", "outcome"),
    [
        ({}, Outcome.PASS),
        ({"missing": ["w-1"]}, Outcome.FAIL),
        ({"doubled": ["w-1"]}, Outcome.FAIL),
        ({"unknown": ["w-9"]}, Outcome.FAIL),
        (None, Outcome.INCONCLUSIVE),
    ],
)
def test_acknowledged_writes_must_be_found_once(detail: dict[str, list[str]] | None, outcome: Outcome):
    found = [] if detail is None else [Observation(9.0, "writes", Kind.FOUND_WRITES, "", 1.0, detail)]
    assert verdict("writes_lost", tally_of(request(1.0, 201, write="w-1"), found)).outcome is outcome


def test_clients_that_were_late_themselves_make_the_measurement_doubtful():
    lag = Observation(3.0, "shard-0", Kind.LAG, "", 5.5)
    assert verdict("generator_lag", tally_of(good(), lag)).outcome is Outcome.INCONCLUSIVE


# While the rollout runs


def test_what_can_get_better_has_not_failed_yet():
    away = tally_of(good(), ready("x", it=entry(None)), lost("x", 30.0), request(46.9))
    assert already_failed(away, LIMITS) == ()


def test_who_is_away_for_longer_than_the_longest_gap_has_failed_already():
    away = tally_of(good(), ready("x"), lost("x", 30.0), request(47.5))
    (failed,) = already_failed(away, LIMITS)
    assert (failed.name, failed.measured) == ("gap_max", "at least 15.500 s")
    assert "x lost web-1" in failed.evidence


def test_a_lost_value_and_a_failed_request_cannot_get_better():
    tally = tally_of(moved("x", it=entry("")), request(1.0, 500))
    assert names(already_failed(tally, LIMITS)) == ["state_lost", "failed_requests"]


@given(st.lists(st.tuples(st.floats(6.0, 40.0), st.floats(0.1, 20.0), st.sampled_from(["Ann", ""])), max_size=4))
def test_what_has_failed_once_is_still_failed_at_the_end(outages: list[tuple[float, float, str]]):
    stream = [moved(f"c-{number}", at=at, gap=gap, it=entry(found)) for number, (at, gap, found) in enumerate(outages)]
    ordered = sorted((each for part in stream for each in part), key=lambda each: each.at)
    failed = {verdict.name for verdict in check(tally_of(ordered), LIMITS) if verdict.outcome is Outcome.FAIL}
    tally = tally_of()
    for each in ordered:
        tally.take(each)
        assert {verdict.name for verdict in already_failed(tally, LIMITS)} <= failed
