"""The HTTP load's requests, added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from lvdeploy.measure.histogram import Histogram
from lvdeploy.model import Kind, Observation

EXAMPLES = 20


class Http:
    """
    Every status from 400 up, every exception and every unanswered request is a failure.

    ``status`` counts by status, with 0 for those that got no answer. ``missing``: acknowledged writes
    that were not found; ``doubled``: found twice; ``unknown``: found, but never attempted.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.failed = 0
        self.status: Counter[int] = Counter()
        self.latency = Histogram()
        self.acknowledged = 0
        self.found: int | None = None
        self.missing: tuple[str, ...] = ()
        self.doubled: tuple[str, ...] = ()
        self.unknown: tuple[str, ...] = ()
        self.failures: list[tuple[float, str]] = []

    def take(self, observation: Observation) -> None:
        if observation.kind is Kind.FOUND_WRITES:
            self._take_found(observation)
            return
        detail = observation.detail
        status = detail.get("status")
        number = status if isinstance(status, int) else 0
        self.requests += 1
        self.status[number] += 1
        if observation.value is not None:
            self.latency.record(observation.value)
        if not number or number >= 400 or detail.get("error"):
            self.failed += 1
            if len(self.failures) < EXAMPLES:
                self.failures.append((observation.at, _failure(detail, number)))
        elif detail.get("id"):
            self.acknowledged += 1

    def _take_found(self, observation: Observation) -> None:
        self.found = int(observation.value or 0)
        self.missing = _names(observation.detail.get("missing"))
        self.doubled = _names(observation.detail.get("doubled"))
        self.unknown = _names(observation.detail.get("unknown"))


def _failure(detail: Mapping[str, object], status: int) -> str:
    request = f"{detail.get('method') or 'GET'} {detail.get('path') or '/'}"
    answer = str(detail.get("error") or status or "no answer")
    instance = detail.get("instance")
    return f"{request}: {answer}{f' from {instance}' if instance else ''}"


def _names(value: object) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, list | tuple) else ()
