"""Stand-ins that tests of several packages share."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Any


class VirtualClock:
    """
    A clock whose sleeps cost no time: when every task waits, it jumps to the earliest sleeper's instant.

    The same program sleeps and wakes in the same order every time. Work in threads (``asyncio.to_thread``)
    is waited for before time moves; sockets and processes are not, so leave them out of virtual tests.
    Use one clock in one event loop (one ``asyncio.run``) at a time; time goes on from one to the next.
    """

    def __init__(self, now: float = 1_000.0, *, wall: float = 1_700_000_000.0) -> None:
        self._now = now
        self._ahead = wall - now
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watching = False
        self._threads = 0

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now + self._ahead

    def set_wall(self, wall: float) -> None:
        """Set the wall clock, as an operator or NTP may; the monotonic one goes on."""
        self._ahead = wall - self._now

    def pass_by(self, seconds: float) -> None:
        """Let time pass while nobody runs: a frozen process, a machine asleep. Sleepers wake late."""
        self._now += seconds

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._adopt(asyncio.get_running_loop())
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), woken))
        self._watch()
        await woken

    # Private

    def _adopt(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is self._loop:
            return
        self._loop, self._sleepers, self._watching, self._threads = loop, [], False, 0
        run_in_executor: Callable[..., asyncio.Future[Any]] = loop.run_in_executor

        def counted(*arguments: Any) -> asyncio.Future[Any]:
            future = run_in_executor(*arguments)
            self._threads += 1
            future.add_done_callback(self._thread_ended)
            return future

        loop.run_in_executor = counted  # type: ignore[method-assign, assignment] # the loop has no other hook for it

    def _thread_ended(self, _: asyncio.Future[Any]) -> None:
        self._threads -= 1
        self._watch()

    def _watch(self) -> None:
        if not self._watching and self._loop is not None:
            self._watching = True
            self._loop.call_soon(self._look, 0)

    def _look(self, quiet_rounds: int) -> None:
        # Two quiet rounds: the loop polls its selector between them, and that may ready somebody.
        loop: Any = self._loop
        self._sleepers = _still_asleep(self._sleepers)
        if not self._sleepers or self._threads:
            self._watching = False
        elif loop._ready:
            loop.call_soon(self._look, 0)
        elif quiet_rounds < 2:
            loop.call_soon(self._look, quiet_rounds + 1)
        else:
            self._wake_earliest()
            loop.call_soon(self._look, 0)

    def _wake_earliest(self) -> None:
        self._now = max(self._now, self._sleepers[0][0])
        while self._sleepers and self._sleepers[0][0] <= self._now:
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                woken.set_result(None)


def _still_asleep(
    sleepers: list[tuple[float, int, asyncio.Future[None]]],
) -> list[tuple[float, int, asyncio.Future[None]]]:
    alive = [each for each in sleepers if not each[2].done()]
    heapq.heapify(alive)
    return alive
