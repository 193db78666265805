from __future__ import annotations

from dataclasses import replace

from lvdeploy.measure.tally import Tally
from lvdeploy.report.run import clients_of, requests_of
from lvdeploy.report.summary import summary
from tests.report.telling import bad, round_of, told


def test_a_good_run_on_one_screen():
    assert summary(told()) == (
        "demo: rolling 1 → 2 in 41.5 s; 2 steps; traefik changed 7×, reloaded 0×",
        "  clients   4 sessions open before the first step, of 4 clients",
        "            1.00 reconnects per session (most 1, planned 1.00); 0 never returned",
        "            gap p50 500 ms, p95 500 ms, p99 500 ms, longest 500 ms",
        "            close codes 1012 ×4; 0 full page loads, 0 fell to another transport",
        "  why       lost during drain web-1 ×4",
        "  state     form      3 kept, 0 lost",
        "            memory    1 lost as it must be (the control)",
        "  requests  0 of 2 failed; latency p50 10 ms, p95 10 ms, p99 10 ms, longest 10 ms",
        "            1 writes acknowledged, 1 found",
        "  checks    limits 15 kept",
    )


def test_a_bad_run_says_who_was_hurt_by_what():
    text = "\n".join(summary(bad()))
    assert "FAILED    state_lost: form: 1 of 4 lost (limit: at most 0)" in text
    assert "#user-form was not recovered: its phx-change changed from validate to check" in text
    assert "FAILED    never_returned: 1 (limit: at most 0)" in text
    assert "longest never" in text
    assert "1 sessions lost web-3 during drain web-1, which is not about it" in text
    assert "s3cr3t" not in text


def test_failures_come_before_what_cannot_be_told():
    marks = [line.split()[0] for line in summary(bad()) if line.startswith(("  FAILED", "  UNSURE"))]
    assert marks == sorted(marks)


def test_a_run_that_nobody_watched_says_so():
    nothing = Tally()
    run = replace(
        told(), clients=clients_of(nothing), state=nothing.state, http=requests_of(nothing), checks=(), verdict=None,
        disruptions=(),
    )  # fmt: skip
    text = "\n".join(summary(run))
    assert "nobody was connected and watching: nothing here is verified" in text
    assert "checks    none were made" in text


def test_no_line_moves_the_cursor():
    run = replace(told(), service="de\x1b[2Jmo\n")
    assert all(line.isprintable() for line in summary(run))


def test_rounds_are_told_fault_by_fault():
    run = replace(told(), command="verify", rounds=(round_of(told()), round_of(bad())))
    text = "\n".join(summary(run))
    assert text.splitlines()[0] == "demo 1: verify in 41.5 s; 2 faults"
    assert "  1012      close with 1012: 4 sessions, all came back\n            gap p50 500 ms" in text
    assert "6 sessions, 1 never came back" in text
    assert "            form      3 kept, 0 lost" in text
    assert "steps" not in text
