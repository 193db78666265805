"""The wait for health: its reasons as they happen, and its end in every case."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.clock import SystemClock
from lvdeploy.health import Awaited, CheckResult, HealthOutcome, HealthSettings, HttpHealth, await_healthy
from lvdeploy.model import Health, Slot
from tests.fakes import VirtualClock
from tests.health.served import response, serving
from tests.real import free_port

WELL = CheckResult(ok=True)


def ill(reason: str) -> CheckResult:
    return CheckResult(ok=False, reason=reason)


def settings(**values: object) -> HealthSettings:
    return HealthSettings.model_validate({"period": "1s", "timeout": "2s", "min_healthy_time": "3s"} | values)


def wait(
    results: Iterator[CheckResult], *, deadline: float = 30, takes: float = 0, dies_at: float | None = None,
    **values: object,
) -> tuple[Awaited, list[str]]:
    """Wait with these results; ``deadline``, ``dies_at`` and what each check ``takes`` are in seconds."""
    clock = VirtualClock()
    began = clock.now()
    told: list[str] = []

    async def ask() -> CheckResult:
        await clock.sleep(takes)
        return next(results)

    async def lives() -> bool:
        return dies_at is None or clock.now() < began + dies_at

    awaited = asyncio.run(
        await_healthy(
            ask, settings=settings(**values), clock=clock, deadline=began + deadline, on_check=told.append, lives=lives
        )
    )
    assert clock.now() - began == pytest.approx(awaited.took)
    return awaited, told


def always(result: CheckResult) -> Iterator[CheckResult]:
    while True:
        yield result


def row(*results: CheckResult) -> Iterator[CheckResult]:
    """These, the last one for ever."""
    yield from results
    yield from always(results[-1])


def test_healthy_after_min_healthy_time() -> None:
    assert wait(always(WELL)) == (Awaited(HealthOutcome.HEALTHY, "", 3), [])


def test_each_reason_is_told_once_as_it_comes() -> None:
    awaited, told = wait(row(ill("refused"), ill("refused"), ill("503"), WELL, ill("503"), WELL))

    assert told == ["refused", "503", "503"]
    assert awaited == Awaited(HealthOutcome.HEALTHY, "", 8)


def test_deadline_names_the_failing_check() -> None:
    awaited, _ = wait(row(ill("refused"), ill("GET /health answered 503, wanted 200: {}")))

    assert awaited == Awaited(
        HealthOutcome.EXPIRED, "30s passed, and still GET /health answered 503, wanted 200: {}", 30
    )


def test_flapping_instance_never_becomes_healthy() -> None:
    def flapping() -> Iterator[CheckResult]:
        while True:
            yield WELL
            yield ill("503")

    awaited, _ = wait(flapping())

    assert awaited.outcome is HealthOutcome.EXPIRED
    assert "503" in awaited.reason


def test_flapping_that_ends_well_names_what_failed_last() -> None:
    awaited, _ = wait(row(*[WELL, ill("503")] * 15, WELL))

    assert awaited.reason == "30s passed, and it was never healthy for 3s on end; it last failed with: 503"


def test_health_that_comes_too_late_says_so() -> None:
    awaited, _ = wait(always(WELL), deadline=2)

    assert awaited.reason == "2s passed, and it answered well, but too late to be healthy for 3s on end"


def test_dead_process_is_not_waited_for() -> None:
    awaited, _ = wait(always(ill("refused")), dies_at=5)

    assert awaited == Awaited(HealthOutcome.DIED, "its process ended", 5)


@given(
    st.lists(st.booleans(), min_size=1, max_size=12), st.integers(min_value=0, max_value=16),
    st.integers(min_value=1, max_value=40),
)
def test_wait_ends_one_check_after_its_deadline_at_the_latest(oks: list[bool], eighths: int, deadline: int) -> None:
    takes = eighths / 8
    awaited, _ = wait(row(*(WELL if ok else ill("no") for ok in oks)), takes=takes, deadline=deadline)

    assert awaited.took <= deadline + takes
    assert (awaited.outcome is HealthOutcome.HEALTHY) is (awaited.reason == "")


def test_wait_can_be_cancelled() -> None:
    async def story() -> None:
        waiting = asyncio.create_task(
            await_healthy(
                lambda: asyncio.sleep(0, ill("no")), settings=settings(), clock=SystemClock(),
                deadline=float("inf"), on_check=lambda _: None,
            )
        )
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(story())


# Over real sockets


def look(answers: dict[str, bytes]) -> Health:
    async def story() -> Health:
        async with serving(answers) as served:
            quick = settings(period="10ms", timeout="10s")
            return await HttpHealth(quick, clock=SystemClock()).look(served.slot, "1.0")

    return asyncio.run(story())


@pytest.mark.real
def test_look_says_how_it_is_now() -> None:
    assert look({"/health": response(200, "well")}) is Health.UP
    assert look({"/health": response(503, "ill")}) is Health.DOWN


@pytest.mark.real
def test_wait_over_http_tells_and_ends() -> None:
    told: list[str] = []
    slot = Slot("web-1", "127.0.0.1", free_port())
    quick = settings(period="10ms", min_healthy_time="0s", healthy_deadline="200ms")

    why_not = asyncio.run(HttpHealth(quick, clock=SystemClock()).await_healthy(slot, "2.0", tell=told.append))

    assert told == [f"GET /health was refused: nothing listens on {slot.address}"]
    assert why_not == f"0s passed, and still {told[0]}"


@pytest.mark.real
def test_wait_over_http_ends_when_the_process_died() -> None:
    async def gone(_: Slot) -> bool:
        return False

    slot = Slot("web-1", "127.0.0.1", free_port())
    health = HttpHealth(settings(healthy_deadline="1h"), clock=SystemClock(), lives=gone)

    assert asyncio.run(health.await_healthy(slot, "2.0", tell=lambda _: None)) == "its process ended"
