"""The wait for an instance to be healthy, and a look at one that should be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from lvdeploy.clock import Clock
from lvdeploy.health.http_check import CheckResult, new_client, probe
from lvdeploy.health.settings import HealthSettings
from lvdeploy.health.thresholds import Thresholds
from lvdeploy.model import Health, Slot, Version


class HealthOutcome(StrEnum):
    """How a wait for health ended."""

    HEALTHY = "healthy"
    EXPIRED = "expired"
    DIED = "died"


@dataclass(frozen=True, slots=True)
class Awaited:
    """``reason`` is the last failing check's, or that it flaps; ``took`` is in seconds."""

    outcome: HealthOutcome
    reason: str
    took: float


Probe: TypeAlias = Callable[[], Awaitable[CheckResult]]


async def await_healthy(
    ask: Probe, *, settings: HealthSettings, clock: Clock, deadline: float,
    on_check: Callable[[str], None], lives: Callable[[], Awaitable[bool]] | None = None,
) -> Awaited:
    """
    Ask every period until healthy, dead, or ``deadline`` (an instant of ``clock``).

    ``on_check`` hears each reason as it first appears. ``lives`` says whether the process is still
    there; without it a dead one is waited for until the deadline.
    """
    thresholds = _thresholds(settings, min_healthy_time=settings.min_healthy_time)
    began, failing, last = clock.now(), "", CheckResult(ok=False)
    while True:
        asked = clock.now()
        result = await ask()
        if not result.ok and result != last:
            on_check(result.reason)
        failing, last = (failing if result.ok else result.reason), result
        now = clock.now()
        if thresholds.feed(ok=result.ok, at=now) is Health.UP:
            return Awaited(HealthOutcome.HEALTHY, "", now - began)
        if lives is not None and not await lives():
            return Awaited(HealthOutcome.DIED, "its process ended", now - began)
        if now >= deadline:
            why_not = _why_not(failing, last, waited=now - began, needed=settings.min_healthy_time)
            return Awaited(HealthOutcome.EXPIRED, why_not, now - began)
        await clock.sleep(max(0.0, min(asked + settings.period, deadline) - now))


class HttpHealth:
    """
    The health of the instances of one service, as each says itself over HTTP.

    ``lives`` says whether the process in a slot is still there.
    """

    def __init__(
        self, settings: HealthSettings, *, clock: Clock, lives: Callable[[Slot], Awaitable[bool]] | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._lives = lives

    async def look(self, slot: Slot, version: Version) -> Health:
        """
        Return the health now, asking as often as the thresholds need.

        ``UNKNOWN`` where it flaps; ``min_healthy_time`` is for those that come up, and does not count here.
        """
        settings = self._settings
        thresholds = _thresholds(settings, min_healthy_time=0.0)
        async with new_client() as client:
            for _ in range(settings.success_threshold + settings.failure_threshold):
                asked = self._clock.now()
                result = await probe(slot, version, settings=settings, client=client)
                if thresholds.feed(ok=result.ok, at=self._clock.now()) is not Health.UNKNOWN:
                    break
                await self._clock.sleep(max(0.0, asked + settings.period - self._clock.now()))
        return thresholds.health

    async def await_healthy(self, slot: Slot, version: Version, *, tell: Callable[[str], None]) -> str:
        """Wait until healthy; return why not at ``healthy_deadline`` or when it died, or nothing."""
        lives = self._lives
        async with new_client() as client:
            awaited = await await_healthy(
                lambda: probe(slot, version, settings=self._settings, client=client),
                settings=self._settings, clock=self._clock, on_check=tell,
                deadline=self._clock.now() + self._settings.healthy_deadline,
                lives=None if lives is None else lambda: lives(slot),
            )
        return awaited.reason


# Private


def _thresholds(settings: HealthSettings, *, min_healthy_time: float) -> Thresholds:
    return Thresholds(
        success=settings.success_threshold, failure=settings.failure_threshold, min_healthy_time=min_healthy_time
    )


def _why_not(failing: str, last: CheckResult, *, waited: float, needed: float) -> str:
    passed = f"{waited:.0f}s passed, and"
    if not last.ok:
        return f"{passed} still {failing}"
    if failing:
        return f"{passed} it was never healthy for {needed:g}s on end; it last failed with: {failing}"
    return f"{passed} it answered well, but too late to be healthy for {needed:g}s on end"
