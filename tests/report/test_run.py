from __future__ import annotations

import math

import pytest

from lvdeploy.measure.tally import Tally
from lvdeploy.report.run import clients_of, finite, requests_of
from tests.measure.seen import lost, moved, ready, request, tally_of


def test_the_clients_figures_are_the_tallys():
    tally = tally_of(moved("a"), ready("b"), ready("late", at=9.0), ready("c"), lost("c", 10.0))
    clients = clients_of(tally, predicted=1.5)
    assert (clients.count, clients.sessions, clients.never_returned) == (4, 3, 1)
    reconnects = clients.reconnects
    assert (reconnects.mean, reconnects.max, dict(reconnects.histogram)) == (pytest.approx(2 / 3), 1, {1: 2, 0: 1})
    assert reconnects.predicted == 1.5
    assert dict(clients.close_codes) == {1012: 2}


def test_without_clients_there_is_no_mean():
    reconnects = clients_of(Tally()).reconnects
    assert (reconnects.mean, reconnects.max, dict(reconnects.histogram)) == (None, None, {})


def test_the_http_figures_are_the_tallys():
    http = requests_of(tally_of(request(1.0, latency=0.1), request(2.0, 500, latency=0.3)))
    assert (http.requests, http.failed, dict(http.status)) == (2, 1, {200: 1, 500: 1})
    assert http.latency.max == pytest.approx(0.3, rel=0.01)
    assert requests_of(Tally()).latency.p50 is None


def test_infinity_has_no_number():
    assert [finite(each) for each in (1.5, None, math.inf)] == [1.5, None, None]
