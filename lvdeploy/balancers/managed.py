"""A balancer that lvdeploy starts, adopts and stops itself; between two calls it lives on its own."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lvdeploy.clock import Clock
from lvdeploy.errors import BalancerError
from lvdeploy.hosts import Host, Record

_POLL = 0.05
_STARTED_WITHIN = 20.0
_KILLED_WITHIN = 5.0
_LAST_WORDS = 400


class Managed(Protocol):
    """The life of a managed balancer. Raises ``BalancerError``; ``HostError`` where the host itself fails."""

    async def up(self) -> bool:
        """Return when it serves: True when it was started, False when it ran already and was adopted."""
        ...

    async def down(self) -> bool:
        """End it; False when it did not run."""
        ...

    async def alive(self) -> bool:
        """Say whether its process lives; cheap enough to be asked several times a second."""
        ...


@dataclass(frozen=True, slots=True)
class Program:
    """
    What to run and what it needs.

    ``serves`` answers whether it does what its files say, and raises ``BalancerError`` while it cannot
    be asked. ``complaint`` finds in its log why it gave up.
    """

    name: str
    argv: tuple[str, ...]
    files: Mapping[Path, bytes]
    directories: tuple[Path, ...]
    serves: Callable[[], Awaitable[bool]]
    complaint: Callable[[str], str]
    facts: Mapping[str, str] = field(default_factory=dict)


class ManagedProgram:
    """
    Keeps one balancer's record, ``NAME.json``, and log, ``NAME.log``, in ``directory``.

    ``program`` is asked for at each start, so that a missing binary is no trouble to whoever only stops.
    """

    def __init__(
        self, name: str, *, program: Callable[[], Program], directory: Path, host: Host, clock: Clock, stop_grace: float
    ) -> None:
        self._name = name
        self._program = program
        self._record = directory / f"{name}.json"
        self._log = directory / f"{name}.log"
        self._host = host
        self._clock = clock
        self._stop_grace = stop_grace

    async def up(self) -> bool:
        program = self._program()
        started = not await self.alive()
        if started:
            await self._start(program)
        await self._await_serving(program)
        return started

    async def down(self) -> bool:
        record = await self._host.recorded(self._record)
        if record is not None:
            await self._stop(record)
        await self._host.remove(self._record)
        return record is not None

    async def alive(self) -> bool:
        return await self._host.recorded(self._record) is not None

    async def _start(self, program: Program) -> None:
        for directory in program.directories:
            await self._host.make_directory(directory)
        for path, content in program.files.items():
            await self._host.write(path, content)
        # What an earlier one said does not explain why this one gave up.
        await self._host.write(self._log, b"")
        await self._host.spawn(program.argv, record=self._record, log=self._log, facts=program.facts)

    async def _await_serving(self, program: Program) -> None:
        until = self._clock.now() + _STARTED_WITHIN
        last = "it does not do what its files say"
        while self._clock.now() < until:
            if not await self.alive():
                raise BalancerError(f"{self._name} ended at once: {await self._last_words(program)}", hint=self._hint())
            try:
                if await program.serves():
                    return
            except BalancerError as error:
                last = error.message
            await self._clock.sleep(_POLL)
        raise BalancerError(f"{self._name} does not serve after {_STARTED_WITHIN:g} s: {last}", hint=self._hint())

    async def _stop(self, record: Record) -> None:
        for number, patience in ((signal.SIGTERM, self._stop_grace), (signal.SIGKILL, _KILLED_WITHIN)):
            await self._host.signal(record, number)
            until = self._clock.now() + patience
            while self._clock.now() < until:
                if not await self.alive():
                    return
                await self._clock.sleep(_POLL)
        raise BalancerError(f"{self._name} (process {record.pid}) does not end, not even by SIGKILL")

    async def _last_words(self, program: Program) -> str:
        log = (await self._host.read(self._log) or b"")[-65_536:].decode(errors="replace")
        return program.complaint(log)[-_LAST_WORDS:] or "it said nothing"

    def _hint(self) -> str:
        return f"its log is {self._log}"
