from __future__ import annotations

from lvdeploy.measure.http import EXAMPLES, Http
from lvdeploy.model import Kind, Observation
from tests.measure.seen import request, tally_of


def test_every_status_from_400_up_every_error_and_every_unanswered_request_is_a_failure():
    tally = tally_of(
        request(1.0), request(1.1, 302), request(1.2, 399), request(1.3, 400), request(1.4, 502),
        request(1.5, 0, error="refused"), request(1.6, 0), request(1.7, 200, error="cut in the body"),
    )  # fmt: skip
    assert (tally.http.requests, tally.http.failed) == (8, 5)
    assert tally.http.status == {200: 2, 302: 1, 399: 1, 400: 1, 502: 1, 0: 2}


def test_writes_are_acknowledged_by_their_answer_only():
    found = Observation(9.0, "writes", Kind.FOUND_WRITES, "", 2.0, {"missing": ["w-9"], "doubled": [], "unknown": []})
    made = [request(1.0, 201, write="w-1"), request(1.1, 503, write="w-2"), request(1.2, 0, write="w-3")]
    tally = tally_of(made, found)
    assert (tally.http.acknowledged, tally.http.found, tally.http.missing) == (1, 2, ("w-9",))


def test_examples_of_failures_are_bounded():
    http = Http()
    for number in range(3 * EXAMPLES):
        http.take(request(float(number), 500))
    assert http.failed == 3 * EXAMPLES
    assert len(http.failures) == EXAMPLES


def test_latency_is_that_of_all_requests():
    http = Http()
    for number in range(1, 101):
        http.take(request(1.0, latency=number / 100))
    assert http.latency.count == 100
    assert 0.98 <= (http.latency.percentile(99) or 0.0) <= 1.0
