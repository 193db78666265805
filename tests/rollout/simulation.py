"""A service made of plain data, on which the real engine, planner, journal and lease run in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lvdeploy.balancers.memory import Memory
from lvdeploy.errors import InstanceError
from lvdeploy.model import Event, Health, Instance, Slot, Verdict
from lvdeploy.rollout.deeds import Limits, Parts
from lvdeploy.rollout.engine import Engine, Interruption, Result
from lvdeploy.rollout.gates import Alarm
from lvdeploy.rollout.intent import Intent
from lvdeploy.rollout.journal import Journal, Run
from lvdeploy.rollout.lease import Lease, this_process
from lvdeploy.rollout.rolling import rolling
from tests.fakes import VirtualClock

LIMITS = Limits(progress_deadline=600, grace=5, out_interval=0.5, max_joins_per_server=20)


class Killed(BaseException):
    """lvdeploy dies here, as by SIGKILL: nothing after this line is done."""


@dataclass
class World:
    """What outlives lvdeploy: processes, their health, the balancer, the time."""

    slots: tuple[Slot, ...]
    clock: VirtualClock = field(default_factory=VirtualClock)
    running: dict[str, Instance] = field(default_factory=dict)
    sick: dict[str, str] = field(default_factory=dict)
    draining: set[tuple] = field(default_factory=set)
    refuses_to_start: set[str] = field(default_factory=set)
    undrainable: set[str] = field(default_factory=set)
    pids: int = 100
    hook: Callable[[str], None] = lambda point: None

    def __post_init__(self) -> None:
        self.balancer = Memory(clock=self.clock, delay=0.1)

    def versions(self) -> list[str]:
        return sorted(instance.version for instance in self.running.values())


class Instances:
    def __init__(self, world: World) -> None:
        self.world = world

    async def list(self) -> tuple[Instance, ...]:
        return tuple(self.world.running.values())

    async def start(self, slot: Slot, version: str, *, run: str) -> Instance:
        if version in self.world.refuses_to_start:
            raise InstanceError(f"{slot.name} died at once")
        there = self.world.running.get(slot.name)
        if there is not None:
            assert there.version == version
            return there
        self.world.pids += 1
        self.world.running[slot.name] = Instance(slot.name, version, self.world.pids, self.world.clock.now(), run)
        self.world.hook("inside start")
        await self.world.clock.sleep(0.2)
        return self.world.running[slot.name]

    async def stop(self, instance: Instance, *, grace: float) -> None:
        found = self.world.balancer._held.server(instance.slot)
        assert found is None or found[1].mode.value == "maint", "stopped while it is routed"
        await self.world.clock.sleep(1)
        self.world.running.pop(instance.slot, None)
        self.world.hook("inside stop")

    def log(self, slot: str) -> str:
        return f"logs/{slot}.log"


class HealthChecks:
    def __init__(self, world: World) -> None:
        self.world = world

    async def look(self, slot: Slot, version: str) -> Health:
        instance = self.world.running.get(slot.name)
        bad = instance is None or version in self.world.sick or instance.identity in self.world.draining
        return Health.DOWN if bad else Health.UP

    async def await_healthy(self, slot: Slot, version: str, *, tell: Callable[[str], None]) -> str:
        await self.world.clock.sleep(2)
        if version in self.world.sick:
            tell(self.world.sick[version])
            await self.world.clock.sleep(28)
            return self.world.sick[version]
        return ""


class Drainer:
    def __init__(self, world: World) -> None:
        self.world = world
        self.rates: list[float] = []

    async def drain(self, instance: Instance, slot: Slot, *, rate: float, tell: Callable[[str], None]) -> str:
        self.rates.append(rate)
        self.world.draining.add(instance.identity)
        self.world.hook("inside drain")
        await self.world.clock.sleep(3)
        return "7 sockets are left" if instance.version in self.world.undrainable else ""


class Watcher:
    """Clients that see what the test tells them."""

    def __init__(self) -> None:
        self.verdicts: tuple[Verdict, ...] = ()
        self.bad_proof: tuple[Verdict, ...] = ()
        self.proved: list[tuple[str, str, bool]] = []
        self.back = False
        self._alarm: Alarm | None = None
        self._rung = asyncio.Event()

    def ring(self, alarm: Alarm) -> None:
        self._alarm = alarm
        self._rung.set()

    def standing(self) -> Alarm | None:
        return self._alarm

    async def alarm(self) -> Alarm:
        await self._rung.wait()
        return self._alarm

    async def prove(
        self, slot: Slot, version: str, *, token: str, opened_by: str | None, old: str | None
    ) -> tuple[Verdict, ...]:
        self.proved.append((slot.name, version, opened_by is not None))
        return self.bad_proof

    async def settle(self) -> tuple[Verdict, ...]:
        return () if self.back else self.verdicts

    def turning_back(self) -> None:
        self.back = True
        if self._alarm is not None and not self._alarm.fatal:
            self._alarm = None
            self._rung.clear()


@dataclass
class Operator:
    """One lvdeploy process at work in the world."""

    world: World
    state: Path
    watch: Watcher = field(default_factory=Watcher)
    interruption: Interruption = field(default_factory=Interruption)
    hook: Callable[[str], None] = lambda point: None
    events: list[Event] = field(default_factory=list)
    keep_inconclusive: bool = True
    on_event: Callable[[Event], None] = lambda event: None

    def __post_init__(self) -> None:
        self.journal = Journal.open(self.state / "journal.db", hook=self.hook)
        self.world.hook = self.hook
        self.lease = Lease(self.journal, "demo", clock=self.world.clock)
        self.drainer = Drainer(self.world)
        parts = Parts(
            self.world.balancer, Instances(self.world), HealthChecks(self.world), self.drainer, self.watch,
            self.journal, self.world.clock,
        )
        self.engine = Engine(
            parts, LIMITS, self.world.slots, strategy=rolling, lease=self.lease, interruption=self.interruption,
            emit=self._emit, origin=self.world.clock.now(), keep_inconclusive=self.keep_inconclusive,
        )

    def _emit(self, event: Event) -> None:
        self.events.append(event)
        self.on_event(event)

    async def rollout(self, intent: Intent) -> Result:
        self.lease.acquire(this_process("rolling"))
        if self.journal.run(intent.run) is None:
            self.journal.begin_run(Run(intent.run, "demo", "rolling", intent, self.world.clock.wall()))
        result = await self.engine.run(intent)
        self.journal.end_run(
            intent.run, outcome=result.exit_code.name, exit_code=result.exit_code, reason=result.reason,
            at=self.world.clock.wall(),
        )
        self.lease.release()
        return result

    def done(self) -> list[str]:
        return [f"{event.message} {event.subject}" for event in self.events if event.kind == "step_ended"]
