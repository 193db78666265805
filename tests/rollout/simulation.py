"""A service made of plain data, on which the real engine, planner, journal and lease run in virtual time."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from lvdeploy.balancers.memory import Memory
from lvdeploy.errors import ExitCode, InstanceError
from lvdeploy.model import Event, Fact, Health, Instance, Mode, Slot, Traffic, Verdict
from lvdeploy.rollout.deeds import Limits, Parts
from lvdeploy.rollout.engine import Engine, Interruption, Result
from lvdeploy.rollout.gates import Alarm
from lvdeploy.rollout.intent import Intent
from lvdeploy.rollout.journal import Journal, Run
from lvdeploy.rollout.lease import Holder, Lease
from lvdeploy.rollout.rolling import rolling
from tests.fakes import VirtualClock

LIMITS = Limits(progress_deadline=600, grace=5, out_interval=0.5, max_joins_per_server=20)


class Killed(BaseException):
    """lvdeploy dies here, as by SIGKILL: nothing after this line is done."""


@dataclass
class World:
    """What outlives lvdeploy: processes, their health, the balancer, the journal's disk, the time."""

    slots: tuple[Slot, ...]
    clock: VirtualClock = field(default_factory=VirtualClock)
    running: dict[str, Instance] = field(default_factory=dict)
    ending: dict[str, float] = field(default_factory=dict)
    sick: dict[str, str] = field(default_factory=dict)
    draining: set[tuple] = field(default_factory=set)
    refuses_to_start: set[str] = field(default_factory=set)
    undrainable: set[str] = field(default_factory=set)
    pids: int = 100
    dead: set[int] = field(default_factory=set)
    hook: Callable[[str], None] = lambda point: None
    changed: Callable[[str, str], None] = lambda point, slot: None

    def __post_init__(self) -> None:
        self.balancer = Memory(clock=self.clock, delay=0.1, hook=self.touched)
        self.disk = sqlite3.connect(":memory:", isolation_level=None)

    def touched(self, point: str, slot: str = "") -> None:
        """An effect is half done: let the test look, and whoever does it die here."""
        self.changed(point, slot)
        self.hook(point)

    def next_pid(self) -> int:
        self.pids += 1
        return self.pids

    def bury(self) -> None:
        """Take away who was told to end and had the time for it."""
        for slot in [slot for slot, at in self.ending.items() if at <= self.clock.now()]:
            del self.ending[slot]
            self.running.pop(slot, None)

    def versions(self) -> list[str]:
        return sorted(instance.version for instance in self.running.values())

    def healthy(self, slot: str) -> bool:
        instance = self.running.get(slot)
        return (
            instance is not None and slot not in self.ending and instance.version not in self.sick
            and instance.identity not in self.draining
        )

    def able(self) -> list[str]:
        """The servers that users are sent to and are answered by."""
        return [
            server.name
            for part in (self.traffic.versions if self.traffic else ()) for server in part.servers
            if server.mode is Mode.READY and self.healthy(server.name)
            and self.running[server.name].version == part.version
        ]

    @property
    def traffic(self) -> Traffic | None:
        return self.balancer._held

    def picture(self) -> object:
        """Everything that is left of a rollout, but for pids, times and the traffic's number."""
        self.bury()
        with_facts = {
            slot: (instance.version, self.healthy(slot), frozenset(self._facts(instance)))
            for slot, instance in self.running.items()
        }
        unfinished = self.disk.execute("select count(*) from runs where ended is null").fetchone()[0]
        holders = {row[0] for row in self.disk.execute("select pid from lease")} - self.dead
        return with_facts, self.traffic and replace(self.traffic, generation=0), unfinished, holders

    def _facts(self, instance: Instance) -> Iterator[Fact]:
        query = "select fact from facts where slot = ? and pid = ? and started = ?"
        yield from (Fact(row[0]) for row in self.disk.execute(query, instance.identity))


class Instances:
    def __init__(self, world: World) -> None:
        self.world = world

    async def list(self) -> tuple[Instance, ...]:
        self.world.bury()
        return tuple(self.world.running.values())

    async def start(self, slot: Slot, version: str, *, run: str) -> Instance:
        world = self.world
        world.bury()
        if version in world.refuses_to_start:
            raise InstanceError(f"{slot.name} died at once")
        there = world.running.get(slot.name)
        if there is not None:
            if there.version != version:
                raise InstanceError(f"{slot.name} holds {there.version}")
            return there
        instance = Instance(slot.name, version, world.next_pid(), world.clock.now(), run)
        world.running[slot.name] = instance
        world.touched("inside start: not listed", slot.name)
        await world.clock.sleep(0.2)
        return instance

    async def stop(self, instance: Instance, *, grace: float) -> None:
        world = self.world
        if world.running.get(instance.slot) != instance:
            return
        found = world.traffic.server(instance.slot) if world.traffic else None
        assert found is None or found[1].mode is Mode.MAINT, "stopped while it is routed"
        world.ending.setdefault(instance.slot, world.clock.now() + 1)
        world.touched("inside stop: signalled, not gone", instance.slot)
        await world.clock.sleep(1)
        world.bury()
        world.touched("inside stop: gone", instance.slot)

    def log(self, slot: str) -> str:
        return f"logs/{slot}.log"


class HealthChecks:
    def __init__(self, world: World) -> None:
        self.world = world

    async def look(self, slot: Slot, version: str) -> Health:
        return Health.UP if self.world.healthy(slot.name) else Health.DOWN

    async def await_healthy(self, slot: Slot, version: str, *, tell: Callable[[str], None]) -> str:
        until = self.world.clock.now() + 30
        await self.world.clock.sleep(2)
        while not self.world.healthy(slot.name):
            why_not = self.world.sick.get(version, "nothing answers")
            if self.world.clock.now() >= until:
                return why_not
            tell(why_not)
            await self.world.clock.sleep(14)
        return ""


class Drainer:
    def __init__(self, world: World) -> None:
        self.world = world
        self.rates: list[float] = []

    async def drain(self, instance: Instance, slot: Slot, *, rate: float, tell: Callable[[str], None]) -> str:
        self.rates.append(rate)
        self.world.draining.add(instance.identity)
        self.world.touched("inside drain: a batch sent", slot.name)
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
    """One lvdeploy process at work in the world. Without ``state`` its journal is kept in memory."""

    world: World
    state: Path | None = None
    watch: Watcher = field(default_factory=Watcher)
    interruption: Interruption = field(default_factory=Interruption)
    hook: Callable[[str], None] = lambda point: None
    events: list[Event] = field(default_factory=list)
    keep_inconclusive: bool = True
    on_event: Callable[[Event], None] = lambda event: None

    def __post_init__(self) -> None:
        self.pid = self.world.next_pid()
        if self.state is None:
            self.journal = Journal.on(self.world.disk, path=Path("memory"), hook=self.hook)
        else:
            self.journal = Journal.open(self.state / "journal.db", hook=self.hook)
        self.world.hook = self.hook
        self.lease = Lease(
            self.journal, "demo", clock=self.world.clock, lives=lambda holder: holder.pid not in self.world.dead
        )
        self.drainer = Drainer(self.world)
        parts = Parts(
            self.world.balancer, Instances(self.world), HealthChecks(self.world), self.drainer, self.watch,
            self.journal, self.world.clock, service="demo",
        )
        self.engine = Engine(
            parts, LIMITS, self.world.slots, strategy=rolling, lease=self.lease, interruption=self.interruption,
            emit=self._emit, origin=self.world.clock.now(), keep_inconclusive=self.keep_inconclusive,
        )

    def _emit(self, event: Event) -> None:
        self.events.append(event)
        self.on_event(event)

    async def rollout(self, intent: Intent) -> Result:
        """Do what the command line does for a new run or for one that was left."""
        with self._mortal():
            self.lease.acquire(Holder("me", "here", self.pid, "", "rolling"))
            try:
                return await self._rollout(intent)
            except Exception:
                self.lease.release()
                raise

    async def _rollout(self, intent: Intent) -> Result:
        before = self.journal.run(intent.run)
        if before is None:
            self.journal.begin_run(Run(intent.run, "demo", "rolling", intent, self.world.clock.wall()))
        elif before.intent != intent:
            self.journal.turn(intent)
        renewing = asyncio.create_task(self.lease.renew())
        try:
            result = await self.engine.run(intent)
        finally:
            renewing.cancel()
        if result.exit_code is not ExitCode.NEEDS_A_PERSON:
            self.journal.end_run(
                intent.run, outcome=result.exit_code.name, exit_code=result.exit_code, reason=result.reason,
                at=self.world.clock.wall(),
            )
        self.lease.release()
        return result

    @contextmanager
    def _mortal(self) -> Iterator[None]:
        try:
            yield
        except Killed:
            self.world.dead.add(self.pid)
            raise

    def done(self) -> list[str]:
        return [f"{event.message} {event.subject}" for event in self.events if event.kind == "step_ended"]
