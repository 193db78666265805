"""Time as an argument: the one place that asks the machine what time it is."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds, in two kinds: ``now`` for durations and deadlines, ``wall`` for people and for the journal."""

    def now(self) -> float:
        """Return monotonic seconds, the same in every process of one host."""
        ...

    def wall(self) -> float:
        """Return seconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; cancelled like any other wait."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
