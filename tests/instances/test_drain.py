"""Drains: paced, until none is left, and ended in every case with its reason."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lvdeploy.clock import SystemClock
from lvdeploy.instances.drain import Drained, DrainOutcome, DrainSettings, InstanceDrainer, drain, pace
from lvdeploy.model import Instance, Slot
from tests.fakes import VirtualClock
from tests.real import free_port

WEB_1 = Slot("web-1", "127.0.0.1", 4001)
TOKEN = "s3cr3t-t0k3n"


def settings(**http: object) -> DrainSettings:
    return DrainSettings.model_validate(
        {
            "close": "http",
            "timeout": "30s",
            "http": {
                "path": "/admin/drain?count={count}", "headers": {"authorization": f"Bearer {TOKEN}"}, "batch": 10,
                "interval": "250ms",
            } | http,
        }
    )


class Application:
    """An instance with so many sockets; notes when it was asked to close how many."""

    def __init__(self, sockets: int, clock: VirtualClock) -> None:
        self.sockets = sockets
        self.clock = clock
        self.closed: list[tuple[float, int]] = []
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        count = min(self.sockets, int(request.url.params["count"]))
        self.closed.append((self.clock.now(), count))
        self.sockets -= count
        return httpx.Response(200, json={"left": self.sockets, "nested": {"left": self.sockets}})


def unread(response: httpx.Response) -> httpx.Response:
    """Return the response as it comes from a socket, with its body still to be read."""
    return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(response.content))


def drained(
    answer: Callable[[httpx.Request], httpx.Response], clock: VirtualClock, *, rate: float = 1_000, **http: object
) -> tuple[Drained, list[int]]:
    told: list[int] = []
    result = asyncio.run(
        drain(
            WEB_1, settings(**http), rate=rate, clock=clock, on_batch=told.append,
            transport=httpx.MockTransport(lambda request: unread(answer(request))),
        )
    )
    return result, told


def test_batch_after_batch_until_none_is_left() -> None:
    clock = VirtualClock()
    application = Application(25, clock)

    result, told = drained(application, clock)

    assert result == Drained(DrainOutcome.DRAINED, 0, 3)
    assert told == [15, 5, 0]
    request = application.requests[0]
    assert (request.method, str(request.url)) == ("POST", "http://127.0.0.1:4001/admin/drain?count=10")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


def test_instance_without_sockets_is_drained_by_one_call() -> None:
    clock = VirtualClock()

    assert drained(Application(0, clock), clock)[0] == Drained(DrainOutcome.DRAINED, 0, 1)


@given(
    st.floats(min_value=0.5, max_value=500), st.integers(min_value=1, max_value=50),
    st.floats(min_value=0.05, max_value=5), st.integers(min_value=1, max_value=200),
)
def test_no_faster_than_the_others_take_them(rate: float, batch: int, interval: float, sockets: int) -> None:
    """From any call on, what was closed by any later one is at most the rate times the time, and one batch."""
    clock = VirtualClock()
    application = Application(sockets, clock)

    drained(application, clock, rate=rate, batch=batch, interval=f"{interval:.3f}s")

    at, counts = zip(*application.closed, strict=True)
    for first in range(len(at)):
        closed = sum(counts[first:-1])
        assert closed <= rate * (at[-1] - at[first]) * 1.000_001
    assert max(counts) <= min(batch, rate * float(f"{interval:.3f}") + 1)


@given(
    st.floats(min_value=0, max_value=1), st.integers(min_value=1, max_value=50), st.floats(min_value=0.05, max_value=5)
)
def test_pace_is_the_rate_where_batch_and_interval_allow_it(part: float, batch: int, interval: float) -> None:
    rate = (1 + part * (batch - 1)) / interval
    step = pace(rate, batch=batch, interval=interval)

    assert step.count / step.wait == pytest.approx(min(rate, batch / interval))
    assert step.wait >= interval


def test_deadline_ends_it_and_says_how_many_are_left() -> None:
    clock = VirtualClock()
    began = clock.now()

    result, _ = drained(Application(100, clock), clock, rate=2)

    assert clock.now() == began + 30
    assert result == Drained(DrainOutcome.EXPIRED, 40, 60, "30s passed and 40 sockets are left")


def test_failures_are_tried_again() -> None:
    clock = VirtualClock()
    application = Application(15, clock)
    failures = iter([503, 502])

    def answer(request: httpx.Request) -> httpx.Response:
        status = next(failures, None)
        return application(request) if status is None else httpx.Response(status, text="not yet")

    result, told = drained(answer, clock)

    assert result == Drained(DrainOutcome.DRAINED, 0, 4)
    assert told == [5, 0]


def test_failures_until_the_deadline_are_told() -> None:
    clock = VirtualClock()

    result, told = drained(lambda _: httpx.Response(500, text="oops\n"), clock, interval="1s")

    assert result == Drained(
        DrainOutcome.EXPIRED, None, 30,
        "30s passed and no call succeeded; POST /admin/drain?count=10 answered 500: oops",
    )
    assert told == []


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (httpx.Response(403, json={"error": "no"}), 'answered 403: {"error":"no"}'),
        (httpx.Response(302, headers={"location": "/login"}), "answered 302: (nothing)"),
        (httpx.Response(200, text="<html>"), "answered no number at left: <html>"),
        (httpx.Response(200, json={"left": "3"}), 'answered no number at left: {"left":"3"}'),
        (httpx.Response(200, json={"left": True}), 'answered no number at left: {"left":true}'),
        (httpx.Response(200, json={"left": -1}), 'answered no number at left: {"left":-1}'),
        (httpx.Response(200, json=[3]), "answered no number at left: [3]"),
        (httpx.Response(200, text="[" * 60_000), "answered no number at left: " + "[" * 200 + "…"),
        (httpx.Response(200, text=json.dumps({"left": 0, "x": "x" * 70_000})), "answered no number at left: "),
    ],
)
def test_refusal_ends_it_at_once(response: httpx.Response, reason: str) -> None:
    clock = VirtualClock()

    result, _ = drained(lambda _: response, clock)

    assert (result.outcome, result.calls) == (DrainOutcome.REFUSED, 1)
    assert result.reason.startswith(f"POST /admin/drain?count=10 {reason}")


def test_secret_that_the_server_echoes_is_masked() -> None:
    clock = VirtualClock()

    result, _ = drained(lambda request: httpx.Response(403, text=f"bad {request.headers['authorization']}"), clock)

    assert result.reason == "POST /admin/drain?count=10 answered 403: bad Bearer [masked]"


def test_secret_is_masked_where_settings_are_printed() -> None:
    assert TOKEN not in repr(settings())
    assert TOKEN not in settings().model_dump_json()


def test_number_may_stand_deeper() -> None:
    clock = VirtualClock()

    assert drained(Application(5, clock), clock, left="nested.left")[0].outcome is DrainOutcome.DRAINED


@pytest.mark.real
def test_nobody_listening_has_no_sockets() -> None:
    slot = Slot("web-1", "127.0.0.1", free_port())

    result = asyncio.run(drain(slot, settings(), rate=20, clock=SystemClock(), on_batch=lambda _: None))

    assert (result.outcome, result.calls) == (DrainOutcome.GONE, 1)
    assert result.reason == f"POST /admin/drain?count=5 was refused: nothing listens on {slot.address}"


def test_drainer_has_nothing_to_do_where_the_signal_closes() -> None:
    drainer = InstanceDrainer(DrainSettings(), clock=VirtualClock())

    assert asyncio.run(drainer.drain(Instance("web-1", "1.0", 1, 1.0), WEB_1, rate=20, tell=lambda _: None)) == ""


def test_grace_of_the_stop_depends_on_who_closes() -> None:
    by_signal = DrainSettings.model_validate({"timeout": "40s", "grace": "7s"})
    by_request = settings()

    assert (by_signal.stop_grace, by_request.stop_grace) == (40, 10)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"close": "http"}, "close: http needs a section http"),
        ({"close": "http", "http": {"path": "/drain"}}, "should hold {count}"),
    ],
)
def test_drain_that_cannot_work_is_a_problem(document: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DrainSettings.model_validate(document)
