"""Instances that are processes of this machine, each with its record and its log."""

from __future__ import annotations

import re
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from lvdeploy.clock import Clock
from lvdeploy.document import Location, Secret, Settings
from lvdeploy.errors import HostError, InstanceError
from lvdeploy.hosts import Host, Record
from lvdeploy.instances.command import Template, fill_in, known_placeholders, values
from lvdeploy.instances.ports import Holder, holder, is_taken
from lvdeploy.model import Instance, Slot, Version

_POLL = 0.1
_WATCHED_AT_START = 2.0
"""Seconds in which a start that fails at once is noticed; afterwards it is up to the health checks."""
_KILLED_WITHIN = 10.0
_PORT_FREE_WITHIN = 5.0
_LAST_LINES = 10
_LAST_BYTES = 16_384
_SLOT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def _secret_template(value: SecretStr) -> SecretStr:
    known_placeholders(value.get_secret_value())
    return value


class ProcessSettings(Settings):
    """
    How an instance is started; ``{version}``, ``{port}``, ``{host}`` and ``{name}`` are filled in.

    ``environment`` is added to lvdeploy's own: the place for secrets, as a command line is seen by everyone.
    """

    command: Annotated[tuple[Annotated[Template, Field(min_length=1)], ...], Field(min_length=1)]
    environment: dict[str, Annotated[Secret, AfterValidator(_secret_template)]] = Field(default_factory=dict)
    directory: Location = Path()


class ProcessInstances:
    """Starts instances detached, so that they outlive lvdeploy, and knows them again by their records."""

    def __init__(self, settings: ProcessSettings, /, *, host: Host, state_directory: Path, clock: Clock) -> None:
        self._settings = settings
        self._host = host
        self._records = state_directory / "instances"
        self._logs = state_directory / "logs"
        self._clock = clock

    async def list(self) -> tuple[Instance, ...]:
        names = [name for name in await self._host.names(self._records) if name.endswith(".json")]
        found = [await self._host.recorded(self._records / name) for name in names]
        return tuple(_instance(each) for each in found if each is not None)

    async def start(self, slot: Slot, version: Version, *, run: str) -> Instance:
        there = await self._host.recorded(self._record(slot.name))
        if there is not None:
            return _adopted(_instance(there), version)
        await self._refuse_taken_port(slot)
        log_began = await self._host.size(self._log(slot.name))
        instance = await self._spawn(slot, version, run=run)
        if not await self._survives_its_start(slot):
            await self._host.remove(self._record(slot.name))
            last = await self._last_lines(slot.name, since=log_began)
            raise InstanceError(
                f"version {version} ended as soon as it was started in {slot.name} (pid {instance.pid}); {last}",
                hint=f"its output is in {self.log(slot.name)}",
            )
        return instance

    async def stop(self, instance: Instance, *, grace: float) -> None:
        path = self._record(instance.slot)
        record = await self._host.last_recorded(path)
        if record is None or _instance(record) != instance:
            return
        for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, _KILLED_WITHIN)):
            await self._host.signal(record, number)
            if await self._until(self._gone(record), within=patience):
                break
        else:
            raise InstanceError(
                f"the instance in {instance.slot} (pid {instance.pid}) does not end, not even by SIGKILL",
                hint="it hangs inside the system, most likely on a disk or a network file system",
            )
        await self._await_free_port(record)
        await self._host.remove(path)

    def log(self, slot: str) -> str:
        return str(self._log(slot))

    # Private

    async def _spawn(self, slot: Slot, version: Version, *, run: str) -> Instance:
        filled = values(slot, version)
        environment = {
            name: fill_in(value.get_secret_value(), filled) for name, value in self._settings.environment.items()
        }
        try:
            record = await self._host.spawn(
                [fill_in(each, filled) for each in self._settings.command],
                record=self._record(slot.name), log=self._log(slot.name), environment=environment,
                directory=self._settings.directory,
                facts={"slot": slot.name, "version": version, "run": run, "host": slot.host, "port": str(slot.port)},
            )
        except HostError as error:
            raise InstanceError(f"{slot.name}: {error.message}", hint="see instances.process in the file") from None
        return _instance(record)

    async def _survives_its_start(self, slot: Slot) -> bool:
        """Watch until it listens; False when it ends before."""
        until = self._clock.now() + _WATCHED_AT_START
        while self._clock.now() < until:
            if await self._host.recorded(self._record(slot.name)) is None:
                return False
            if await is_taken(slot):
                return True
            await self._clock.sleep(_POLL)
        return True

    async def _refuse_taken_port(self, slot: Slot) -> None:
        if not await is_taken(slot):
            return
        who, earlier = await holder(slot.port), await self._host.last_recorded(self._record(slot.name))
        left_behind = who is not None and earlier is not None and who.group == earlier.pid
        origin = "left behind by the instance that ended there" if left_behind else "which lvdeploy did not start"
        raise InstanceError(
            f"port {slot.port} of slot {slot.name} is in use by {_described(who)}, {origin}",
            hint=_end_it(who) + ("" if left_behind else ", or give the slot another port"),
        )

    async def _await_free_port(self, record: Record) -> None:
        slot = Slot(record.facts["slot"], record.facts["host"], int(record.facts["port"]))

        async def free() -> bool:
            return not await is_taken(slot)

        if not await self._until(free, within=_PORT_FREE_WITHIN):
            who = await holder(slot.port)
            raise InstanceError(
                f"the instance in {slot.name} (pid {record.pid}) has ended, but port {slot.port} is still in use by "
                f"{_described(who)}",
                hint=_end_it(who),
            )

    def _gone(self, record: Record) -> Callable[[], Awaitable[bool]]:
        async def gone() -> bool:
            return not await self._host.signal(record, 0)

        return gone

    async def _until(self, condition: Callable[[], Awaitable[bool]], *, within: float) -> bool:
        until = self._clock.now() + within
        while not await condition():
            if self._clock.now() >= until:
                return False
            await self._clock.sleep(min(_POLL, max(0.001, until - self._clock.now())))
        return True

    async def _last_lines(self, slot: str, *, since: int) -> str:
        log = self._log(slot)
        start = max(since, await self._host.size(log) - _LAST_BYTES)
        lines = (await self._host.read(log, start=start) or b"").decode(errors="replace").rstrip().splitlines()
        if not lines:
            return "it said nothing"
        return "\n".join(["it last said:", *(f"  {line}" for line in lines[-_LAST_LINES:])])

    def _record(self, slot: str) -> Path:
        return self._records / f"{_as_file_name(slot)}.json"

    def _log(self, slot: str) -> Path:
        return self._logs / f"{_as_file_name(slot)}.log"


# Private


def _instance(record: Record) -> Instance:
    try:
        return Instance(
            slot=record.facts["slot"], version=record.facts["version"], pid=record.pid, started=record.started,
            run=record.facts["run"],
        )
    except KeyError as error:
        raise InstanceError(f"the record of process {record.pid} lacks {error}; lvdeploy did not write it") from None


def _adopted(instance: Instance, version: Version) -> Instance:
    if instance.version != version:
        raise InstanceError(
            f"{instance.slot} holds version {instance.version} (pid {instance.pid}), so version {version} cannot "
            "start there",
            hint="`lvdeploy status` shows what runs where",
        )
    return instance


def _described(who: Holder | None) -> str:
    return "a process of another user" if who is None else str(who)


def _end_it(who: Holder | None) -> str:
    return "end that process" if who is None else f"end it (kill {who.pid})"


def _as_file_name(slot: str) -> str:
    if not _SLOT_NAME.fullmatch(slot):
        raise InstanceError(f"{slot!r} is not a name for a slot: letters, digits, '.', '_' and '-' only")
    return slot
