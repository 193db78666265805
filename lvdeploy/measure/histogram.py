"""Latencies in a histogram of three significant digits that merges exactly."""

from __future__ import annotations

from typing import Self

from hdrh.histogram import HdrHistogram

_MICROSECONDS = 1_000_000
_LONGEST = 3_600.0


class Histogram:
    """Seconds from a microsecond to an hour; what lies outside is recorded as the nearest of the two."""

    __slots__ = ("_inner",)

    def __init__(self) -> None:
        self._inner = HdrHistogram(1, int(_LONGEST * _MICROSECONDS), 3)

    @property
    def count(self) -> int:
        return int(self._inner.get_total_count())

    @property
    def max(self) -> float | None:
        """The longest in seconds; ``None`` when nothing was recorded."""
        return self._inner.get_max_value() / _MICROSECONDS if self.count else None

    def record(self, seconds: float) -> None:
        self._inner.record_value(max(1, round(min(seconds, _LONGEST) * _MICROSECONDS)))

    def percentile(self, percent: float) -> float | None:
        """Return seconds; ``None`` when nothing was recorded."""
        return self._inner.get_value_at_percentile(percent) / _MICROSECONDS if self.count else None

    def add(self, other: Histogram) -> None:
        """Take in everything the other has recorded."""
        self._inner.add(other._inner)

    def encode(self) -> str:
        """Return it as text, in the interchange format of HdrHistogram V2."""
        encoded: bytes = self._inner.encode()
        return encoded.decode("ascii")

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return what ``encode`` gave. Raises ``ValueError`` where the text is none."""
        histogram = cls()
        try:
            histogram._inner.decode_and_add(text.encode("ascii"))
        except Exception as error:
            raise ValueError(f"not an encoded histogram: {error}") from error
        return histogram
