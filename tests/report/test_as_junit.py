from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from lvdeploy.model import Outcome, StepRecord, Verdict
from lvdeploy.report import write
from lvdeploy.report.run import Run
from tests.report.telling import bad, told


def suite(run: Run) -> ET.Element:
    root = ET.fromstring(write("junit", run))  # noqa: S314 - our own document
    assert root.tag == "testsuites"
    found = root.find("testsuite")
    assert found is not None
    return found


def case(run: Run, name: str) -> ET.Element:
    return next(each for each in suite(run).iter("testcase") if each.get("name") == name)


def test_every_check_is_a_case_and_the_rollout_is_one():
    names = [each.get("name") for each in suite(told()).iter("testcase")]
    assert names == ["rolling", *(each.name for each in told().checks)]


def test_a_failed_check_fails_with_measured_limit_and_evidence():
    failure = case(bad(), "state_lost").find("failure")
    assert failure is not None
    assert failure.get("message") == "measured form: 1 of 4 lost, limit at most 0"
    assert "#user-form was not recovered: its phx-change changed from validate to check" in (failure.text or "")


def test_an_inconclusive_check_is_skipped_with_its_reason():
    run = replace(told(), checks=(Verdict("gap_p99", Outcome.INCONCLUSIVE, evidence="nobody was disturbed"),))
    skipped = case(run, "gap_p99").find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "inconclusive: nobody was disturbed"


def test_the_counts_are_those_of_the_cases():
    found = suite(bad())
    cases = list(found.iter("testcase"))
    assert found.get("tests") == str(len(cases))
    assert found.get("failures") == str(sum(each.find("failure") is not None for each in cases))
    assert int(found.get("failures") or 0) > 2


@pytest.mark.parametrize(("exit_code", "tag"), [(0, None), (4, "failure"), (5, "failure"), (7, "skipped")])
def test_the_exit_code_colours_the_rollouts_own_case(exit_code: int, tag: str | None):
    steps = (StepRecord("await_healthy", "web-4", 1.0, 2.0, "failed", "GET /health answered 503"),)
    own = case(replace(told(), exit_code=exit_code, steps=steps), "rolling")
    assert [each.tag for each in own] == ([] if tag is None else [tag])
    if tag == "failure":
        assert "await_healthy web-4: failed GET /health answered 503" in (own[0].text or "")


def test_what_xml_cannot_hold_is_replaced():
    evidence = "an answer with \x00, \x1b[31m and <b>&\ud800"
    run = replace(told(), checks=(Verdict("x", Outcome.FAIL, evidence=evidence),))
    failure = case(run, "x").find("failure")
    assert failure is not None
    assert "<b>&" in (failure.text or "")


def test_properties_name_the_run():
    found = {each.get("name"): each.get("value") for each in suite(told()).iter("property")}
    assert found["from"] == "1"
    assert found["to"] == "2"
    assert found["sessions"] == "4"
