"""The timer wheel: which of many keys are due, with one next time for all of them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Wheel(Generic[K]):
    """
    Times in seconds, rounded up to ``resolution``: a key is never due early and at most one resolution late.

    A key has one time at most. Costs do not grow with the number of keys: those of one tick share a bucket.
    """

    __slots__ = ("_buckets", "_resolution", "_tick_of", "_ticks")

    def __init__(self, *, resolution: float = 0.005) -> None:
        self._resolution = resolution
        self._buckets: dict[int, dict[K, None]] = {}
        self._tick_of: dict[K, int] = {}
        self._ticks: list[int] = []

    def __len__(self) -> int:
        return len(self._tick_of)

    def set(self, key: K, at: float) -> None:
        """Make ``key`` due at ``at`` instead of whenever it was."""
        tick = math.ceil(at / self._resolution)
        if self._tick_of.get(key) == tick:
            return
        self.cancel(key)
        self._tick_of[key] = tick
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = {}
            heapq.heappush(self._ticks, tick)
        bucket[key] = None

    def cancel(self, key: K) -> None:
        """Forget ``key``; nothing happens if it was not set."""
        tick = self._tick_of.pop(key, None)
        if tick is not None:
            del self._buckets[tick][key]

    def due(self, now: float) -> list[K]:
        """Take out and return what is due, earliest first."""
        keys: list[K] = []
        while self._ticks and self._ticks[0] * self._resolution <= now:
            keys.extend(self._buckets.pop(heapq.heappop(self._ticks)))
        for key in keys:
            del self._tick_of[key]
        return keys

    def next_at(self) -> float | None:
        """Return when to ask again, or ``None`` while nothing is set."""
        while self._ticks and not self._buckets[self._ticks[0]]:
            del self._buckets[heapq.heappop(self._ticks)]
        return self._ticks[0] * self._resolution if self._ticks else None
