import json
import xml.etree.ElementTree as ET

import pytest
import yaml

from tests.end_to_end.operator import DEMO, Operator, end, interrupt, line_with

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("services")]

RECOVERABLE = ("url", "form", "database", "session")


def test_everybody_reconnects_once_and_finds_their_state(operator):
    ended, report = operator.roll("2.0", "--report", f"junit={operator.directory}/junit.xml", clients=36)

    assert ended.code == 0, ended.stderr
    assert ended.last == "lvdeploy: 2.0 serves everyone: done and verified; `lvdeploy status` shows it"
    assert operator.versions() == ["2.0"] * 3
    clients, state, http = report["clients"], report["state"], report["http"]
    assert clients["reconnects_per_session"]["histogram"] == {"1": 36}
    assert clients["never_returned"] == clients["full_page_loads"] == clients["transport_downgrades"] == 0
    assert clients["close_codes"] == {"1012": 36}
    for name in RECOVERABLE:
        assert state[name]["counted"] == state[name]["kept"] > 0, name
    assert state["memory"]["counted"] > 0 == state["memory"]["kept"]
    assert http["failed"] == 0 < http["requests"]
    assert http["writes"]["acknowledged"] == http["writes"]["found"] > 0
    suite = ET.parse(operator.directory / "junit.xml").getroot()  # noqa: S314  our own file
    assert not suite.findall(".//failure")
    cases = {case.get("name") for case in suite.findall(".//testcase")}
    assert cases >= {check["name"] for check in report["checks"]}


def test_rolling_to_the_version_that_is_live_does_nothing(steady):
    ended, _ = steady.roll("1.0")

    assert (ended.code, ended.last) == (0, "lvdeploy: 1.0 is live already: nothing to do")


def test_the_plan_is_said_and_nothing_is_done(steady):
    planned = steady.run("plan", "rolling", "--to", "2.0")
    dry = steady.run("rolling", "--to", "2.0", "--dry-run")

    assert planned.code == dry.code == 0
    assert planned.stdout == dry.stdout
    assert "25. leave 2.0 alone in the balancer   [2.0 100%]" in planned.stdout
    assert "reconnects 1.00 times on average" in planned.stdout
    assert steady.versions() == ["1.0"] * 3


def test_no_version_named_says_what_runs(steady):
    ended = steady.run("rolling")

    assert ended.code == 2
    assert "no version to roll to; 1.0 is running now" in ended.stderr


def test_a_version_that_never_becomes_healthy_is_taken_back_and_nobody_is_disturbed(steady):
    ended, report = steady.roll("2.0", DEMO_BREAK="2.0:health", DEMO_HEALTHY_DEADLINE="3s")

    assert ended.code == 4, ended.stderr
    assert "web-4 did not become healthy" in ended.last
    assert 'GET /health answered 503, wanted 200: {"status":"unhealthy"' in ended.last
    assert steady.versions() == ["1.0"] * 3
    assert report["clients"]["reconnects_per_session"]["histogram"] == {"0": 18}
    assert report["http"]["failed"] == 0


def test_a_second_rollout_is_refused_and_an_interrupted_one_can_be_resumed_or_taken_back(operator):
    first = operator.start("rolling", "--to", "2.0", "--clients", "9")
    line_with(first, "step began")
    second = operator.run("rolling", "--to", "3.0", "--no-verify")
    lock = operator.run("lock", "status")
    line_with(first, "drain web-1")
    interrupt(first)
    ended = end(first)

    assert second.code == 8
    assert "another rollout of demo is under way since" in second.stderr
    assert ": rolling" in lock.stdout
    assert ended.code == 130
    assert "`lvdeploy resume` goes on, `lvdeploy rollback` goes back" in ended.last
    resumed = operator.run("resume", "--no-verify")
    assert (resumed.code, operator.versions()) == (0, ["2.0"] * 3)
    assert resumed.last == "lvdeploy: 2.0 serves everyone: done, NOT verified; `lvdeploy status` shows it"
    back = operator.run("rollback", "--no-verify")
    assert (back.code, operator.versions()) == (0, ["1.0"] * 3)


def test_sessions_any_cost_what_the_plan_predicts(tmp_path, operator):
    text = yaml.safe_load(DEMO.read_text())
    text["rolling"]["sessions"] = "any"
    text["verify"]["limits"] = {"reconnects_per_session": 3}
    text["verify"]["joins"] = "60/s"
    text["verify"]["scenarios"] = [str(DEMO.parent / name) for name in text["verify"]["scenarios"]]
    file = tmp_path / "any.yml"
    file.write_text(yaml.safe_dump(text))
    operator.file = file
    ended, report = operator.roll("2.0", clients=90)

    assert ended.code == 0, ended.stderr
    reconnects = report["clients"]["reconnects_per_session"]
    assert reconnects["predicted"] == pytest.approx(1.83, abs=0.01)
    assert reconnects["mean"] == pytest.approx(reconnects["predicted"], abs=0.1)


def test_a_command_without_a_file_or_with_a_bad_one_says_where_and_what(tmp_path):
    operator = Operator(tmp_path, file=tmp_path / "none.yml")
    missing = operator.run("status")
    operator.file.write_text("version: 2\nservice: {nme: x}\n")
    bad = operator.run("status")

    assert (missing.code, bad.code) == (2, 2)
    assert "there is no deployment file" in missing.stderr
    assert "none.yml:1:10: version: should be 1" in bad.stderr
    assert "did you mean 'name'" in bad.stderr
    assert "Traceback" not in missing.stderr + bad.stderr


def test_check_passes_on_a_service_that_is_up(steady):
    checked = steady.run("check")

    assert checked.code == 0, checked.stdout
    assert "✓ health of web-1: version 1.0" in checked.stdout
    assert json.loads(steady.run("status", "--json").stdout)["live"] == "1.0"
