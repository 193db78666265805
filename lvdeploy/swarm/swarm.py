"""The swarm as its owner sees it: started, waited for, watched, stopped."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from lvdeploy.clock import Clock
from lvdeploy.errors import Refused, StateError
from lvdeploy.model import Kind, Observation
from lvdeploy.swarm.lines import decode
from lvdeploy.swarm.order import LoadOrder, ShardOrder, SwarmOrder
from lvdeploy.swarm.recorder import Recorder
from lvdeploy.swarm.worker import STOP_TIMEOUT, SwarmFailed, Worker, module_command

FLUSH_PERIOD = 1.0

SHARD = module_command("lvdeploy.swarm.shard")
LOAD = module_command("lvdeploy.swarm.http_load")


class NotReady(Refused):
    """Not every client joined and holds its state in time."""


class Swarm:
    """
    Runs the clients of ``order``, and ``load`` beside them, and records what they observe.

    ``listen`` gets every observation as it comes; ``failed`` is called once if a process dies on its own,
    and ``failure`` holds the error from then on.
    """

    def __init__(
        self,
        order: SwarmOrder,
        *,
        record: Path,
        clock: Clock,
        listen: Callable[[Observation], None],
        load: LoadOrder | None = None,
        failed: Callable[[SwarmFailed], None] | None = None,
        shard_command: Sequence[str] = SHARD,
    ) -> None:
        self._order = order
        self._load = load
        self._clock = clock
        self._listen = listen
        self._tell_failed = failed
        self._shard_command = shard_command
        self._record = record
        self._recorder: Recorder | None = None
        self._workers: list[Worker] = []
        self._flusher: asyncio.Task[None] | None = None
        self._last: dict[str, Observation] = {}
        self._ready: set[str] = set()
        self._away: set[str] = set()
        self._gone: set[str] = set()
        self._changed = asyncio.Event()
        self.failure: SwarmFailed | None = None

    # For the live screen

    @property
    def clients(self) -> int:
        return self._order.clients

    @property
    def ready(self) -> int:
        """How many have held state that is not a fresh mount's."""
        return len(self._ready)

    @property
    def away(self) -> int:
        """How many are ready clients that lost their connection and are not back yet."""
        return len(self._away)

    @property
    def gone(self) -> int:
        """How many could go no further."""
        return len(self._gone)

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(worker.pid for worker in self._workers if worker.pid is not None)

    # Its life

    async def start(self) -> None:
        """Start the processes; the clients then begin by themselves."""
        self._recorder = Recorder(self._record)
        self._flusher = asyncio.get_running_loop().create_task(self._flush(self._recorder))
        count = self._order.processes
        for number in range(count):
            role = "shard" if count == 1 else f"shard {number + 1} of {count}"
            await self._begin(role, self._shard_command, ShardOrder(self._order, number, count))
        if self._load is not None:
            await self._begin("HTTP load", LOAD, self._load)

    async def until_ready(self, *, deadline: float) -> None:
        """
        Wait until every client was ready, or the clock shows ``deadline``.

        Raises ``NotReady`` with the reasons, or ``SwarmFailed``.
        """
        while self.ready < self.clients:
            self._changed.clear()
            if self.failure is not None:
                raise self.failure
            if self.gone + self.ready >= self.clients or (left := deadline - self._clock.now()) <= 0:
                raise self._not_ready()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)

    async def stop(self, *, patience: float = STOP_TIMEOUT) -> None:
        """
        End every client and process; what they saw last is still recorded. Does nothing twice.

        ``patience`` is how many seconds they may take by themselves.
        """
        workers, self._workers = self._workers, []
        await asyncio.gather(*(worker.stop(patience=patience) for worker in workers))
        if self._flusher is not None:
            self._flusher.cancel()
            await asyncio.wait([self._flusher])
        if self._recorder is not None:
            recorder, self._recorder = self._recorder, None
            try:
                recorder.close()
            except StateError as error:
                self._fail(SwarmFailed(error.message, hint=error.hint))

    async def _begin(self, role: str, command: Sequence[str], order: ShardOrder | LoadOrder) -> None:
        worker = Worker(role, command, take=self._take, failed=self._fail)
        self._workers.append(worker)
        await worker.start(msgspec.json.encode(order))

    def _take(self, line: bytes) -> None:
        try:
            observation = decode(line)
        except ValueError:
            # a process killed in the middle of a line
            return
        if self._recorder is not None:
            self._recorder.add(line)
        self._follow(observation)
        self._listen(observation)

    def _follow(self, observation: Observation) -> None:
        client = observation.client
        match observation.kind:
            case Kind.LAG | Kind.REQUEST | Kind.FOUND_WRITES:
                return
            case Kind.READY:
                self._ready.add(client)
            case Kind.LOST if client in self._ready:
                self._away.add(client)
            case Kind.BACK:
                self._away.discard(client)
            case Kind.GONE:
                self._gone.add(client)
                self._ready.discard(client)
        self._last[client] = observation
        self._changed.set()

    def _fail(self, failure: SwarmFailed) -> None:
        if self.failure is None:
            self.failure = failure
            self._changed.set()
            if self._tell_failed is not None:
                self._tell_failed(failure)

    async def _flush(self, recorder: Recorder) -> None:
        while True:
            await self._clock.sleep(FLUSH_PERIOD)
            try:
                recorder.flush()
            except StateError as error:
                self._fail(SwarmFailed(error.message, hint=error.hint))
                return

    def _not_ready(self) -> NotReady:
        missing = self.clients - self.ready
        why = Counter(_why(last) for client, last in self._last.items() if client not in self._ready)
        silent = missing - sum(why.values())
        if silent:
            why["nothing seen of them yet"] = silent
        lines = "\n".join(f"  {count} x {reason}" for reason, count in why.most_common())
        return NotReady(
            f"{missing} of {self.clients} clients are not ready; last seen of them:\n{lines}",
            hint="check service.url and the scenario against the running service",
        )


def _why(last: Observation) -> str:
    """Say in a line what a client saw last."""
    told = [str(last.detail[name]) for name in ("status", "reason", "error", "topic") if last.detail.get(name)]
    return ": ".join([f"{last.kind.value}{f' ({last.step})' if last.step else ''}", *told])
