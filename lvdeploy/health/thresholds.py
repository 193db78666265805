"""How many results in a row make an instance up or down."""

from __future__ import annotations

from lvdeploy.model import Health


class Thresholds:
    """
    How many results in a row make an instance up or down.

    Up: ``success`` results in a row, over at least ``min_healthy_time`` seconds. Down: ``failure`` in a
    row. In between it stays what it was, and a single contrary result starts the row anew: one that
    flaps never comes up.
    """

    def __init__(self, *, success: int, failure: int, min_healthy_time: float) -> None:
        self._success = success
        self._failure = failure
        self._min_healthy_time = min_healthy_time
        self._row: tuple[bool, int, float] | None = None
        self.health = Health.UNKNOWN

    def feed(self, *, ok: bool, at: float) -> Health:
        """Take the result of ``at`` (seconds on any clock that does not go back); return the health since."""
        same = self._row is not None and self._row[0] is ok
        count, since = (self._row[1] + 1, self._row[2]) if same and self._row is not None else (1, at)
        self._row = (ok, count, since)
        if ok and count >= self._success and at - since >= self._min_healthy_time:
            self.health = Health.UP
        elif not ok and count >= self._failure:
            self.health = Health.DOWN
        return self.health
