"""The engine's watch, made of synthetic clients, their limits, and the managed balancer's pulse."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from lvdeploy.cli.proving import Prover
from lvdeploy.clock import Clock
from lvdeploy.measure.checkers import already_failed, check
from lvdeploy.measure.limits import Limits
from lvdeploy.measure.tally import Tally
from lvdeploy.model import Outcome, Slot, Verdict, Version
from lvdeploy.rollout.gates import Alarm, failures
from lvdeploy.swarm.swarm import Swarm

PERIOD = 0.5
"""How often the limits and the balancer's pulse are looked at; a death is noticed within a second."""

Pulse = Callable[[], Awaitable[bool]]


class Watching:
    """
    Rings when a limit is missed while the rollout goes forward, and at any time when what it needs dies.

    Without a swarm (``--no-verify``) only the balancer's pulse is watched. Seconds throughout.
    """

    def __init__(
        self, *, clock: Clock, pulse: Pulse | None, swarm: Swarm | None, tally: Tally, limits: Limits, settle: float,
        back: bool = False, prover: Prover | None = None,
    ) -> None:
        self._clock = clock
        self._pulse = pulse
        self._swarm = swarm
        self._tally = tally
        self._limits = limits
        self._settle = settle
        self._back = back
        self._prover = prover
        self._alarm: Alarm | None = None
        self._rung = asyncio.Event()

    async def look(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self._clock.sleep(PERIOD)
            alarm = await self._seen()
            if alarm is not None and (self._alarm is None or alarm.fatal):
                self._alarm = alarm
                self._rung.set()

    async def _seen(self) -> Alarm | None:
        if self._pulse is not None and not await self._pulse():
            return Alarm("the balancer is dead", fatal=True, hint="`lvdeploy resume` starts it again and goes on")
        if self._swarm is None:
            return None
        if self._swarm.failure is not None:
            return Alarm(
                f"nobody watches any more: {self._swarm.failure.message}", fatal=True,
                hint="`lvdeploy resume` goes on with new clients, `lvdeploy rollback` goes back",
            )
        if self._back:
            return None
        failed = already_failed(self._tally, self._limits)
        return Alarm(failures(failed)) if failed else None

    # For the engine

    def standing(self) -> Alarm | None:
        return self._alarm

    async def alarm(self) -> Alarm:
        await self._rung.wait()
        if self._alarm is None:
            raise AssertionError("rung without an alarm")
        return self._alarm

    def turning_back(self) -> None:
        self._back = True
        if self._alarm is not None and not self._alarm.fatal:
            self._alarm = None
            self._rung.clear()

    async def prove(
        self, slot: Slot, version: Version, *, token: str, opened_by: str | None, old: Version | None
    ) -> tuple[Verdict, ...]:
        if self._prover is None:
            return ()
        return await self._prover.prove(slot, version, token=token, opened_by=opened_by, old=old)

    async def settle(self) -> tuple[Verdict, ...]:
        if self._swarm is None:
            return ()
        await self._clock.sleep(self._settle)
        await self._everyone_back()
        verdicts = check(self._tally, self._limits)
        if any(each.outcome is Outcome.FAIL for each in verdicts) and not self._back:
            # The clients go on watching: the way back is theirs to see too.
            return verdicts
        with suppress(asyncio.CancelledError):
            await self._swarm.stop()
        return check(self._tally, self._limits)

    async def _everyone_back(self) -> None:
        """Give who is still away as long as the limits do."""
        until = self._clock.now() + (self._limits.gap_max or 0.0)
        while self._tally.presence.away and self._clock.now() < until:
            await self._clock.sleep(PERIOD)
