"""The system's clock and the virtual one keep the same promises; the virtual one costs no time."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.clock import Clock, SystemClock
from tests.fakes import VirtualClock


@pytest.mark.parametrize("clock", [SystemClock(), VirtualClock()], ids=lambda clock: type(clock).__name__)
def test_sleep_lasts_at_least_as_long_as_asked(clock: Clock) -> None:
    began, wall = clock.now(), clock.wall()

    asyncio.run(clock.sleep(0.03125))

    assert clock.now() - began >= 0.03125
    assert clock.wall() >= wall


@pytest.mark.parametrize("clock", [SystemClock(), VirtualClock()], ids=lambda clock: type(clock).__name__)
def test_sleep_can_be_cancelled(clock: Clock) -> None:
    async def story() -> None:
        task = asyncio.create_task(clock.sleep(3_600))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())


def test_system_clock_is_the_hosts_monotonic_one() -> None:
    before = time.monotonic()

    assert before <= SystemClock().now() <= time.monotonic()


@given(st.lists(st.integers(min_value=1, max_value=1_000_000), max_size=12))
def test_virtual_sleepers_wake_in_the_order_of_their_instants(lengths: list[int]) -> None:
    clock = VirtualClock()
    began = clock.now()
    woken: list[tuple[float, int]] = []

    async def sleeper(index: int, seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append((clock.now() - began, index))

    async def story() -> None:
        await asyncio.gather(*(sleeper(index, seconds) for index, seconds in enumerate(lengths)))

    asyncio.run(story())

    assert woken == sorted((seconds, index) for index, seconds in enumerate(lengths))


def test_virtual_time_stands_still_while_anybody_can_run() -> None:
    clock = VirtualClock()
    began = clock.now()

    async def busy() -> float:
        for _ in range(1_000):
            await asyncio.sleep(0)
        return clock.now()

    async def story() -> float:
        sleeping = asyncio.create_task(clock.sleep(5))
        ended = await busy()
        await sleeping
        return ended

    assert asyncio.run(story()) == began
    assert clock.now() == began + 5


def test_virtual_time_waits_for_threads() -> None:
    clock = VirtualClock()
    began = clock.now()
    gate = threading.Event()

    async def worker() -> float:
        await asyncio.to_thread(gate.wait, 30)
        return clock.now()

    async def opener() -> None:
        await asyncio.sleep(0.05)
        gate.set()

    async def story() -> float:
        sleeping = asyncio.create_task(clock.sleep(5))
        await asyncio.sleep(0)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(opener())
            seen = tasks.create_task(worker())
        await sleeping
        return seen.result()

    assert asyncio.run(story()) == began
    assert clock.now() == began + 5


def test_virtual_clock_goes_on_from_one_loop_to_the_next() -> None:
    clock = VirtualClock()
    began = clock.now()

    asyncio.run(clock.sleep(2))
    asyncio.run(clock.sleep(3))

    assert clock.now() == began + 5


def test_wall_clock_set_back_leaves_the_monotonic_one_alone() -> None:
    clock = VirtualClock()
    began = clock.now()

    clock.set_wall(clock.wall() - 86_400)

    assert clock.now() == began


def test_sleeper_of_a_frozen_process_wakes_late() -> None:
    clock = VirtualClock()
    began = clock.now()

    async def story() -> None:
        sleeping = asyncio.create_task(clock.sleep(5))
        await asyncio.sleep(0)
        clock.pass_by(60)
        await sleeping

    asyncio.run(story())

    assert clock.now() == began + 60
