"""What became of writes: those acknowledged must be found, once each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class FoundWrites:
    """``unknown`` are found writes that nobody acknowledged: whether they were kept could not be known."""

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
        self._attempted: dict[str, None] = {}
        self._acknowledged: set[str] = set()

    def attempted(self, name: str) -> None:
        self._attempted[name] = None

    def acknowledged(self, name: str) -> None:
        self._acknowledged.add(name)

    def compare(self, found: Iterable[str]) -> FoundWrites:
        """Hold what the service says it has against what it acknowledged."""
        times = Counter(name for name in found if name in self._attempted)
        return FoundWrites(
            count=len(times),
            missing=tuple(name for name in self._attempted if name in self._acknowledged and name not in times),
            doubled=tuple(name for name in self._attempted if times[name] > 1),
            unknown=tuple(name for name in self._attempted if name in times and name not in self._acknowledged),
        )


def ids_in(document: bytes, *, way: str, field: str) -> list[str]:
    """Return the ids at the dotted ``way``: plain ones, or the ``field`` of objects. Raises ``ValueError``."""
    node = msgspec.json.decode(document)
    for key in filter(None, way.split(".")):
        node = node.get(key) if isinstance(node, dict) else None
    if not isinstance(node, list):
        raise ValueError(f"there is no list at {way or 'the top'!r}")  # noqa: TRY004 - a fault of the document
    return [str(each.get(field)) if isinstance(each, dict) else str(each) for each in node]
