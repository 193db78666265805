"""The loop: observe, plan, record, do one step, look again; turn back once if it fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lvdeploy.errors import BalancerError, Changed, ExitCode, LeaseHeld, LvdeployError, StateError, WaitExpired
from lvdeploy.model import Event, Fleet, Instance, Outcome, Slot, Verdict
from lvdeploy.rollout.deeds import INTERRUPTIBLE, Limits, Parts, StepFailed, intended, perform
from lvdeploy.rollout.gates import failures
from lvdeploy.rollout.intent import Direction, Intent
from lvdeploy.rollout.lease import Lease
from lvdeploy.rollout.observe import observe, shares, told, vanished
from lvdeploy.rollout.plan import Step, Stop, Strategy, apply, check, name, plan, subject

T = TypeVar("T")

REPEATS = 3
"""How often one step may be planned in one direction before the rollout is taken not to get anywhere."""

PATIENCE = 2.0
"""Seconds that a deed has to end when a person asks for the end; then it is left as a crash would leave it."""

LAST_LOOK = 1.0
"""Seconds in which the watch may still say why the balancer does not answer."""


class Interrupted(LvdeployError):
    """A person or the system asked for the end; everything is recorded and can be resumed."""

    def __init__(self, signal: int) -> None:
        super().__init__("interrupted at a safe place")
        self.signal = signal


class Halted(LvdeployError):
    """The rollout stops where it stands: what it works on, or who watches, is gone."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a rollout ended. ``verdicts`` are those of the last look; ``reason`` is empty when all went well."""

    exit_code: ExitCode
    intent: Intent
    reason: str = ""
    verdicts: tuple[Verdict, ...] = ()
    hint: str = ""


@dataclass(slots=True)
class Interruption:
    """The user's wish to stop: set from a signal handler or at the end of a bounded wait, heeded beside every step."""

    cause: Interrupted | WaitExpired | None = None
    event: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self, signal: int) -> None:
        """Take a signal's wish; it outdoes the end of a wait."""
        self.cause = Interrupted(signal)
        self.event.set()

    def expire(self, seconds: float) -> None:
        """Take the end of a wait that the user bounded."""
        if self.cause is None:
            self.cause = WaitExpired(f"the wait of {seconds:g} s is over; stopped at a safe place")
            self.event.set()

    def heed(self) -> None:
        """Raise the wish, if there is one."""
        if self.cause is not None:
            raise self.cause


class Engine:
    """Drives one rollout over its parts; the lease is held by whoever runs it."""

    def __init__(
        self, parts: Parts, limits: Limits, slots: Sequence[Slot], *, strategy: Strategy, lease: Lease,
        interruption: Interruption, emit: Callable[[Event], None], origin: float, keep_inconclusive: bool = True,
    ) -> None:
        self._parts = parts
        self._limits = limits
        self._slots = tuple(slots)
        self._strategy = strategy
        self._lease = lease
        self._interruption = interruption
        self._emit = emit
        self._origin = origin
        self._keep_inconclusive = keep_inconclusive
        self._fleet: Fleet | None = None
        self._dead: list[Instance] = []

    async def preview(self, intent: Intent) -> tuple[Fleet, tuple[Step, ...]]:
        """Return the fleet as it is and every step that remains. Raises ``Refused``."""
        fleet = await self.look(intent)
        steps = plan(self._strategy, intent, fleet)
        check(intent, fleet, steps)
        return fleet, steps

    async def look(self, intent: Intent) -> Fleet:
        """Return the fleet as it is."""
        return await observe(self._parts, self._slots, affinity=intent.affinity)

    async def run(self, intent: Intent) -> Result:
        """Reach what the intent wants, or the version that served; never raises for what a rollout can meet."""
        try:
            await self._reach(intent)
            if intent.direction is Direction.BACK:
                verdicts = await self._race(self._parts.watch.settle())
                self._lease.confirm()
                return Result(ExitCode.ROLLED_BACK, intent, intent.reason, verdicts)
            return await self._judged(intent)
        except (Changed, LeaseHeld, StateError, Interrupted, WaitExpired):
            raise
        except Halted as halted:
            return self._stopped(intent, halted.message, hint=halted.hint)
        except BalancerError as error:
            silent = await self._silent_balancer(error)
            if silent is not None:
                return self._stopped(intent, silent.message, hint=silent.hint)
            return await self._back(intent, error.message, hint=error.hint)
        except LvdeployError as error:
            return await self._back(intent, error.message, hint=error.hint)

    async def _silent_balancer(self, error: BalancerError) -> LvdeployError | None:
        """Say what is wrong where the balancer cannot be asked: then going back cannot be done either."""
        try:
            await self._race(self._parts.clock.sleep(LAST_LOOK))
            await self._race(self._parts.balancer.observe())
        except Halted as halted:
            return halted
        except (Changed, StepFailed):
            return None
        except BalancerError:
            return error
        return None

    async def _judged(self, intent: Intent) -> Result:
        verdicts = await self._race(self._parts.watch.settle())
        # What is said of the end must be said by who holds the service.
        self._lease.confirm()
        if reason := failures(verdicts):
            return await self._back(intent, reason, verdicts=verdicts)
        unsure = [each for each in verdicts if each.outcome is Outcome.INCONCLUSIVE]
        if not unsure:
            return Result(ExitCode.OK, intent, verdicts=verdicts)
        reason = f"{unsure[0].name} saw too little: {unsure[0].evidence}"
        if self._keep_inconclusive:
            return Result(ExitCode.INCONCLUSIVE, intent, reason, verdicts)
        return await self._back(intent, reason, verdicts=verdicts)

    async def _back(
        self, intent: Intent, reason: str, *, verdicts: tuple[Verdict, ...] = (), hint: str = ""
    ) -> Result:
        if intent.direction is Direction.BACK or intent.previous is None:
            return self._stopped(intent, reason, verdicts=verdicts, hint=hint)
        reason = await self._with_the_dead(intent, reason)
        back = intent.turned_back(reason)
        self._lease.confirm()
        self._parts.journal.turn(back)
        self._parts.watch.turning_back()
        self._tell("turned_back", back.wanted, reason)
        result = await self.run(back)
        merged = f"{reason}; and going back failed too: {result.reason}"
        failed = result.exit_code is ExitCode.NEEDS_A_PERSON
        return Result(
            result.exit_code, back, merged if failed else reason, verdicts or result.verdicts, result.hint or hint
        )

    def _stopped(
        self, intent: Intent, reason: str, *, verdicts: tuple[Verdict, ...] = (), hint: str = ""
    ) -> Result:
        """Where it stands is for whoever holds the service to say; who lost it raises ``LeaseHeld``."""
        self._lease.confirm()
        return Result(ExitCode.NEEDS_A_PERSON, intent, reason, verdicts, hint)

    async def _with_the_dead(self, intent: Intent, reason: str) -> str:
        """Name who died unasked: where users were hurt, that is the likeliest cause."""
        with suppress(LvdeployError):
            await self._observed(intent)
        dead = "; ".join(_gone(instance) for instance in self._dead)
        return f"{dead}; {reason}" if dead else reason

    async def _reach(self, intent: Intent) -> None:
        planned: Counter[Step] = Counter()
        while True:
            fleet = await self._observed(intent)
            steps = plan(self._strategy, intent, fleet)
            check(intent, fleet, steps)
            if not steps:
                return
            self._heed()
            step = steps[0]
            planned[step] += 1
            if planned[step] > REPEATS:
                raise StepFailed(f"{name(step)} {subject(step)} was done {REPEATS} times without effect")
            await self._do(intent, fleet, step)

    async def _observed(self, intent: Intent) -> Fleet:
        fleet = await self._race(self.look(intent), alarmed=False)
        for instance in vanished(self._fleet, fleet):
            self._dead.append(instance)
            self._tell("instance_gone", instance.slot, _gone(instance), pid=instance.pid, version=instance.version)
        if self._fleet is None or self._fleet != fleet:
            self._tell("observed", "", "", **told(fleet))
        if self._fleet is not None and self._fleet.traffic != fleet.traffic:
            self._tell("traffic_changed", "", shares(fleet.traffic), **told(fleet))
        self._fleet = fleet
        return fleet

    async def _do(self, intent: Intent, fleet: Fleet, step: Step) -> None:
        self._lease.confirm()
        called, about, began = name(step), subject(step), self._at()
        number = self._parts.journal.begin_step(
            intent.run, name=called, subject=about, at=began, traffic=intended(intent, fleet, step),
        )
        self._tell("step_began", about, called)
        try:
            deed = perform(
                self._parts, self._limits, intent, fleet, step, tell=lambda text: self._note(about, text),
                confirm=self._lease.confirm,
            )
            light = isinstance(step, INTERRUPTIBLE)
            said = await self._race(deed, interruptible=light, alarmed=light)
        except LvdeployError as error:
            outcome = "interrupted" if error is self._interruption.cause else "failed"
            with suppress(StateError):
                self._parts.journal.end_step(number, outcome=outcome, detail=error.message, at=self._at())
            self._tell("step_failed", about, f"{called}: {error.message}", took=self._at() - began)
            raise
        self._parts.journal.end_step(number, outcome="done", detail=said, at=self._at())
        self._tell("step_ended", about, called, took=self._at() - began, said=said)
        if isinstance(step, Stop) and self._fleet is not None:
            # Its going was wanted.
            self._fleet = apply(intent, self._fleet, step)

    async def _race(
        self, deed: Coroutine[object, object, T], *, interruptible: bool = True, alarmed: bool = True
    ) -> T:
        """
        Do a deed beside the alarm (where it is to hear it), the user's wish and the deadline.

        One that is not interruptible has ``PATIENCE`` to end when the user asks.
        """
        task = asyncio.create_task(deed)
        wish = asyncio.create_task(self._interruption.event.wait())
        watchers: set[asyncio.Task[Any]] = {
            wish, asyncio.create_task(self._parts.clock.sleep(self._limits.progress_deadline)),
        }
        if alarmed:
            watchers.add(asyncio.create_task(self._parts.watch.alarm()))
        try:
            await asyncio.wait({task, *watchers}, return_when=asyncio.FIRST_COMPLETED)
            if wish.done() and not interruptible:
                await self._give_patience(task)
            if task.done():
                return task.result()
        finally:
            await _ended(task, *watchers)
        self._heed()
        raise StepFailed(f"no end within the progress deadline of {self._limits.progress_deadline:.0f} s")

    async def _give_patience(self, task: asyncio.Task[Any]) -> None:
        patience = asyncio.create_task(self._parts.clock.sleep(PATIENCE))
        await asyncio.wait({task, patience}, return_when=asyncio.FIRST_COMPLETED)
        patience.cancel()

    def _heed(self) -> None:
        """Raise for what asks the rollout to stop here."""
        self._interruption.heed()
        alarm = self._parts.watch.standing()
        if alarm is not None:
            raise (Halted if alarm.fatal else StepFailed)(alarm.reason, hint=alarm.hint)

    def _note(self, about: str, text: str) -> None:
        self._tell("note", about, text)

    def _tell(self, kind: str, about: str, message: str, **detail: object) -> None:
        self._emit(Event(self._at(), kind, about, message, detail))

    def _at(self) -> float:
        return self._parts.clock.now() - self._origin


def _gone(instance: Instance) -> str:
    return f"version {instance.version} (pid {instance.pid}) in {instance.slot} is gone, and nobody here stopped it"


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
