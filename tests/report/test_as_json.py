from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from lvdeploy.measure.tally import Tally
from lvdeploy.model import StateClass, Verdict
from lvdeploy.report import REPORTS, write
from lvdeploy.report.run import Run, clients_of, requests_of
from tests.report.telling import bad, round_of, told


def document(run: Run) -> dict[str, Any]:
    loaded = json.loads(write("json", run))
    assert isinstance(loaded, dict)
    return loaded


def test_the_contract_has_these_keys():
    report = document(told())
    assert report["schema"] == 1
    assert {name: sorted(each) for name, each in report.items() if isinstance(each, dict)} == {
        "run": sorted(
            [
                "id", "command", "service", "from", "to", "started", "ended", "exit_code", "verdict", "reason",
                "lvdeploy", "seed",
            ]
        ),
        "clients": sorted(
            [
                "count", "sessions", "reconnects_per_session", "never_returned", "gap_s", "close_codes",
                "full_page_loads", "transport_downgrades", "skew",
            ]
        ),
        "state": sorted(StateClass),
        "http": sorted(["requests", "failed", "status", "latency_s", "writes"]),
        "balancer": sorted(["driver", "changes", "reloads", "shares"]),
    }  # fmt: skip
    assert {"name", "began", "ended", "outcome"} <= set(report["steps"][0])
    assert set(report["checks"][0]) == {"name", "verdict", "measured", "limit", "evidence"}
    assert set(report["state"]["form"]) == {"counted", "kept", "lost", "accepted", "indeterminate"}
    assert set(report["clients"]["gap_s"]) == {"p50", "p95", "p99", "max"}
    assert set(report["balancer"]["shares"][0]) == {"at", "asked", "new_sessions", "connections"}


def test_the_figures_are_those_of_the_run():
    report = document(told())
    assert report["run"]["from"] == "1"
    assert report["run"]["verdict"] == "pass"
    assert report["clients"]["sessions"] == 4
    assert report["clients"]["reconnects_per_session"] == {
        "mean": 1.0, "max": 1, "histogram": {"1": 4}, "predicted": 1.0,
    }  # fmt: skip
    assert report["clients"]["close_codes"] == {"1012": 4}
    assert report["state"]["form"] == {"counted": 3, "kept": 3, "lost": 0, "accepted": 0, "indeterminate": 0}
    assert report["state"]["memory"]["lost"] == 1
    assert report["http"]["writes"] == {"acknowledged": 1, "found": 1}
    assert report["http"]["status"] == {"200": 1, "201": 1}


def test_a_disruption_tells_where_from_and_what_became_of_the_state():
    (first, *_) = document(told())["disruptions"]
    assert (first["from_instance"], first["to_instance"]) == ("web-1", "web-4")
    assert (first["code"], first["gap_s"]) == (1012, 0.5)
    assert first["state"]["name"] == {"class": "form", "wanted": "Ann", "found": "Ann", "fate": "kept"}


def test_a_round_tells_its_fault_and_what_came_back():
    run = told()
    [found] = document(replace(run, rounds=(round_of(run),)))["rounds"]
    assert (found["fault"], found["title"], found["began"], found["ended"]) == ("1012", "close with 1012", 1.0, 9.0)
    assert found["clients"]["sessions"] == 4
    assert found["state"]["form"]["kept"] == 3
    assert [each["name"] for each in found["checks"]] == [each.name for each in run.checks]


def test_infinity_is_null_beside_never_returned():
    report = document(bad())
    assert report["clients"]["never_returned"] == 1
    assert report["clients"]["gap_s"]["max"] is None
    assert report["clients"]["gap_s"]["p50"] == 0.5
    last = report["disruptions"][-1]
    assert (last["client"], last["back_at"], last["gap_s"]) == ("y", None, None)


def test_a_run_that_nobody_watched_is_a_report_too():
    nothing = Tally()
    run = replace(
        told(), clients=clients_of(nothing), state=nothing.state, http=requests_of(nothing), checks=(), verdict=None,
        disruptions=(),
    )  # fmt: skip
    report = document(run)
    assert report["run"]["verdict"] is None
    assert report["clients"]["reconnects_per_session"]["mean"] is None


def test_secrets_are_masked_everywhere():
    evidence = "SFMyNTY.g2gDaANt.abc-_ and cookie: _demo_key=abcdef and Bearer abcdefgh1234 and ?_csrf_token=xyz&a=1"
    run = replace(bad(), checks=(*bad().checks, Verdict("x", bad().checks[0].outcome, evidence=evidence)))
    for kind in REPORTS:
        text = write(kind, run)
        for secret in ("s3cr3t", "g2gDaANt", "abcdef", "=xyz"):
            assert secret not in text
        assert "***" in text


def test_prose_is_not_masked():
    evidence = "3 of 200 sessions lost class session: for example c-7 had token count = '7'"
    run = replace(told(), checks=(Verdict("x", told().checks[0].outcome, evidence=evidence),))
    assert document(run)["checks"][0]["evidence"] == evidence
