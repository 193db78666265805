"""Several lvdeploys in one world: each runs in a loop of its own, in slices, and may be frozen, thawed or killed."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lvdeploy.rollout.engine import Result
from lvdeploy.rollout.intent import Intent
from tests.rollout.simulation import Killed, Operator, World


class SharedClock:
    """One virtual time for many event loops, of which one runs at a time."""

    def __init__(self, now: float = 1_000.0, *, wall: float = 1_700_000_000.0) -> None:
        self._now, self._ahead = now, wall - now
        self._order = itertools.count()
        self._sleepers: dict[Any, list[tuple[float, int, asyncio.Future[None]]]] = {}

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now + self._ahead

    def set_back(self, seconds: float) -> None:
        self._ahead -= seconds

    def pass_by(self, seconds: float) -> None:
        """Let time pass while nobody runs."""
        self._now += seconds

    async def sleep(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        heapq.heappush(self._sleepers.setdefault(loop, []), (self._now + seconds, next(self._order), woken))
        await woken

    def wake_next(self, loop: asyncio.AbstractEventLoop) -> None:
        """Jump to the instant of that loop's earliest sleeper."""
        sleepers = self._sleepers[loop]
        while sleepers[0][2].done():
            heapq.heappop(sleepers)
        at, _, woken = heapq.heappop(sleepers)
        self._now = max(self._now, at)
        woken.set_result(None)

    def kill_sleepers(self, loop: asyncio.AbstractEventLoop) -> None:
        for _, _, woken in self._sleepers.pop(loop, []):
            if not woken.done():
                woken.set_exception(Killed("asleep"))


class Process:
    """One lvdeploy at work on an intent. ``doom`` is how many points it may still pass, if it is to die."""

    def __init__(self, world: World, wanted: Intent) -> None:
        self.world, self.wanted = world, wanted
        self.doom: int | None = None
        self.passed: list[str] = []
        self.operator = Operator(world, hook=self._hook)
        self._loop = asyncio.new_event_loop()
        # A killed process leaves errors that nobody asks for.
        self._loop.set_exception_handler(lambda *_: None)
        self._task = self._loop.create_task(self.operator.rollout(wanted))

    @property
    def over(self) -> bool:
        return self._task.done()

    @property
    def killed(self) -> bool:
        return self.over and isinstance(self._task.exception(), Killed)

    @property
    def failure(self) -> BaseException | None:
        return self._task.exception()

    @property
    def result(self) -> Result:
        return self._task.result()

    def go(self, wakes: int) -> None:
        """Run on until it is over, or has slept so many times: there it may be left for as long as one likes."""
        if self.over:
            return
        with self._running():
            self._settle()
            for _ in range(wakes):
                if self.over:
                    break
                self.world.clock.wake_next(self._loop)
                self._settle()
        if self.over:
            self._bury()

    def kill(self) -> None:
        """End it where it sleeps."""
        self.doom = 0
        with self._running():
            self.world.clock.kill_sleepers(self._loop)
            self._settle()
        self._bury()

    def _hook(self, point: str) -> None:
        if self.doom is not None:
            if self.doom <= 0:
                raise Killed(point)
            self.doom -= 1
        self.passed.append(point)

    @contextmanager
    def _running(self) -> Iterator[None]:
        self.world.hook = self._hook
        yield
        self.world.hook = lambda point: None

    def _settle(self) -> None:
        loop: Any = self._loop
        while True:
            loop.call_soon(loop.stop)
            loop.run_forever()
            if not loop._ready:
                return

    def _bury(self) -> None:
        self.world.dead.add(self.operator.pid)
        self.world.clock.kill_sleepers(self._loop)
        rest = asyncio.all_tasks(self._loop)
        for task in rest:
            task.cancel()
        if rest:
            self._settle()
        self._loop.close()
