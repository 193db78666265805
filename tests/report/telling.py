"""A run worth telling: most sessions kept everything, one lost its form, one never returned."""

from __future__ import annotations

from dataclasses import replace

from lvdeploy.measure.checkers import check, overall
from lvdeploy.measure.limits import Limits
from lvdeploy.model import Kind, Observation, StepRecord
from lvdeploy.report.run import Balancer, Round, Run, Share, clients_of, requests_of
from tests.measure.seen import back, entry, lost, moved, ready, request, seen, tally_of

STEPS = (
    StepRecord("start", "web-4", 1.0, 2.0, "done"),
    StepRecord("drain", "web-1", 9.0, 12.0, "done", "3 left"),
)


def told(*extra: Observation) -> Run:
    """``extra`` is added to what three sessions saw that came back with everything."""
    good = [each for client in "abc" for each in moved(client, name=entry("Ann"))]
    control = moved("d", count=entry("0", state_class="memory", had="3", fresh="0"))
    tally = tally_of(good, control, request(1.0), request(2.0, 201, write="w-1"), extra)
    tally.take(Observation(30.0, "writes", Kind.FOUND_WRITES, "", 1.0, {"missing": [], "doubled": [], "unknown": []}))
    checks = check(tally, Limits())
    return Run(
        id="r-1", command="rolling", service="demo", from_version="1", to_version="2", started=1_700_000_000.0,
        ended=1_700_000_041.5, exit_code=0, verdict=overall(checks), reason="", lvdeploy="0.1.0", seed=7,
        clients=clients_of(tally, predicted=1.0), state=tally.state, http=requests_of(tally),
        balancer=Balancer("traefik", 7, 0, (Share(2.0, 3333, 0.31, None),)), steps=STEPS, checks=checks,
        disruptions=tally.disruptions,
    )  # fmt: skip


def bad() -> Run:
    """A form was not recovered, one client never returned, and a secret is about to get out."""
    why = "its phx-change changed from validate to check"
    return replace(
        told(
            ready("x", name=entry("")),
            lost("x", 10.0),
            seen(10.2, "x", Kind.RECOVERED, 0.1, forms=[], skipped={"#user-form": why}),
            back("x", 10.5, name=entry("")),
            ready("y"),
            lost("y", 10.0, code=1006, instance="web-3"),
            request(20.0, 0, error="GET /?token=s3cr3t&x=1 was cut"),
        ),
        exit_code=4,
    )


def round_of(run: Run) -> Round:
    """The run's clients as those of one fault."""
    return Round("1012", "close with 1012", 1.0, 9.0, run.clients, run.state, run.checks)
