"""What became of writes: those acknowledged must be found, once each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class FoundWrites:
    """
    How many of this run's writes were found, and which of them should not be as they are.

    ``unknown`` were found although the service had refused them. Attempts that were never answered, or
    answered with a server's error, may be found or not.
    """

    count: int
    missing: tuple[str, ...]
    doubled: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def detail(self) -> dict[str, object]:
        return {"missing": list(self.missing), "doubled": list(self.doubled), "unknown": list(self.unknown)}


class Writes:
    """The ids of this run's writes. Others' are not looked at: the service may have other users."""

    def __init__(self) -> None:
        self._statuses: dict[str, int | None] = {}

    def attempted(self, name: str) -> None:
        self._statuses[name] = None

    def answered(self, name: str, status: int) -> None:
        self._statuses[name] = status

    def compare(self, found: Iterable[str]) -> FoundWrites:
        """Hold what the service says it has against what it acknowledged."""
        times = Counter(name for name in found if name in self._statuses)
        acknowledged = [name for name, status in self._statuses.items() if status is not None and status < 400]
        refused = [name for name, status in self._statuses.items() if status is not None and 400 <= status < 500]
        return FoundWrites(
            count=len(times),
            missing=tuple(name for name in acknowledged if name not in times),
            doubled=tuple(name for name in self._statuses if times[name] > 1),
            unknown=tuple(name for name in refused if name in times),
        )


def ids_in(document: bytes, *, way: str, field: str) -> list[str]:
    """Return the ids at the dotted ``way``: plain ones, or the ``field`` of objects. Raises ``ValueError``."""
    try:
        node = msgspec.json.decode(document)
    except RecursionError:
        raise ValueError("nested too deep") from None
    for key in filter(None, way.split(".")):
        node = node.get(key) if isinstance(node, dict) else None
    if not isinstance(node, list):
        raise ValueError(f"there is no list at {way or 'the top'!r}")  # noqa: TRY004 - a fault of the document
    return [str(each.get(field)) if isinstance(each, dict) else str(each) for each in node]
