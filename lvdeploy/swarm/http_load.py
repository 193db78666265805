"""A steady HTTP load in a process of its own: ``python -m lvdeploy.swarm.http_load``."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from urllib.parse import urljoin

import msgspec

from lvdeploy.client import tls_context
from lvdeploy.client.fetch import Fetcher
from lvdeploy.clock import SystemClock
from lvdeploy.model import Kind, Observation
from lvdeploy.swarm import child
from lvdeploy.swarm.order import LoadOrder, WriteOrder
from lvdeploy.swarm.writes import Writes, ids_in
from lvdeploy.wire.session import Fetch, Fetched, FetchFailed

LAG_PERIOD = 1.0

IDLE_LIMIT = 2.0
"""Seconds a kept connection may idle: shorter than any server's own limit, so that the two never race."""

FOUND_LIMIT = 64 * 1024 * 1024
READ_BACK_TRIES = 3

LAST_ANSWERS = 8.0
LAST_READING = 12.0
"""Seconds at the end, for answers under way and for reading back: together less than the owner's patience."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the plan: ``at`` is its intended time in seconds after the beginning."""

    at: float
    method: str
    path: str
    kept: bool
    id: str = ""


def planned(order: LoadOrder, rng: Random) -> Iterator[Request]:
    """Yield the requests in the order of their intended times, without end; every other one on a kept connection."""
    reads = _reads(order)
    if order.writes is None:
        yield from reads
        return
    writes = _writes(order.writes, rng)
    read, write = next(reads), next(writes)
    while True:
        if read.at <= write.at:
            yield read
            read = next(reads)
        else:
            yield write
            write = next(writes)


def _reads(order: LoadOrder) -> Iterator[Request]:
    for number in count():
        path = order.paths[number // 2 % len(order.paths)]
        yield Request(number / order.rate, "GET", path, kept=number % 2 == 1)


def _writes(order: WriteOrder, rng: Random) -> Iterator[Request]:
    for number in count():
        name = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        yield Request((number + 0.5) / order.rate, "POST", order.path, kept=number % 2 == 1, id=name)


class Load:
    """Sends what is planned when it is due, whatever became of the requests before."""

    def __init__(self, order: LoadOrder, *, emit: child.Emit) -> None:
        destination = order.destination
        tls = tls_context(destination.ca)
        route = destination.route
        self._order = order
        self._emit = emit
        self._now = SystemClock().now
        # the origin makes the ids of two runs differ even where the seed does not
        self._rng = Random(f"{order.seed}:{order.origin}")
        self._fresh = Fetcher(route=route, tls=tls, timeout=order.timeout)
        self._kept = Fetcher(route=route, tls=tls, timeout=order.timeout, keep_alive=IDLE_LIMIT)
        self._reader = Fetcher(route=route, tls=tls, timeout=LAST_READING / READ_BACK_TRIES, body_limit=FOUND_LIMIT)
        self._under_way: set[asyncio.Task[None]] = set()
        self._writes = Writes()
        self._worst_lag = 0.0
        self._lag_told = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until ``stop`` is set, wait for what is under way, read the writes back."""
        began = self._lag_told = self._now()
        loop = asyncio.get_running_loop()
        try:
            for request in planned(self._order, self._rng):
                if await _stopped(stop, began + request.at - self._now()):
                    break
                self._tell_lag(began + request.at)
                task = loop.create_task(self._send(request, began + request.at))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
            await self._last_answers()
            if self._order.writes is not None:
                await self._read_back(self._order.writes)
        finally:
            for fetcher in (self._fresh, self._kept, self._reader):
                await fetcher.close()

    async def _send(self, request: Request, intended: float) -> None:
        if request.id:
            self._writes.attempted(request.id)
        try:
            answer = await (self._kept if request.kept else self._fresh).fetch(self._fetch(request))
        except asyncio.CancelledError:
            answer = FetchFailed(0, "no answer when the load ended")
        if request.id and isinstance(answer, Fetched):
            self._writes.answered(request.id, answer.status)
        self._observe(
            "kept" if request.kept else "fresh",
            Kind.REQUEST,
            value=self._now() - intended,
            detail=self._described(request, answer),
        )

    async def _last_answers(self) -> None:
        if self._under_way:
            _, unanswered = await asyncio.wait(self._under_way, timeout=LAST_ANSWERS)
            for task in unanswered:
                task.cancel()
            await asyncio.gather(*unanswered)

    def _fetch(self, request: Request) -> Fetch:
        url = urljoin(self._order.destination.url, request.path)
        headers = self._order.destination.request_headers
        if not request.id or self._order.writes is None:
            return Fetch(0, url, request.method, headers)
        body = msgspec.json.encode({self._order.writes.id: request.id})
        return Fetch(0, url, request.method, (*headers, ("Content-Type", "application/json")), body)

    def _described(self, request: Request, answer: Fetched | FetchFailed) -> dict[str, object]:
        detail: dict[str, object] = {"method": request.method, "path": request.path, "status": None, "error": ""}
        if isinstance(answer, FetchFailed):
            detail["error"] = answer.reason
        else:
            said = {name.lower(): value for name, value in answer.headers}
            detail["status"] = answer.status
            detail["instance"] = said.get(self._order.destination.instance.lower(), "")
            detail["version"] = said.get(self._order.destination.version.lower(), "")
        if request.id:
            detail["id"] = request.id
        return detail

    async def _read_back(self, order: WriteOrder) -> None:
        url = urljoin(self._order.destination.url, order.found_path)
        error = ""
        for _ in range(READ_BACK_TRIES):
            answer = await self._reader.fetch(Fetch(0, url, "GET", self._order.destination.request_headers))
            if isinstance(answer, Fetched) and answer.status < 400:
                try:
                    found = self._writes.compare(ids_in(answer.body, way=order.found_json, field=order.id))
                except ValueError as problem:
                    error = f"{order.found_path}: {problem}"
                    break
                self._observe("fresh", Kind.FOUND_WRITES, value=float(found.count), detail=found.detail)
                return
            error = answer.reason if isinstance(answer, FetchFailed) else f"status {answer.status}"
        self._observe("fresh", Kind.FOUND_WRITES, value=None, detail={"error": error})

    def _tell_lag(self, intended: float) -> None:
        now = self._now()
        self._worst_lag = max(self._worst_lag, now - intended)
        if now - self._lag_told >= LAG_PERIOD:
            self._observe("load", Kind.LAG, value=self._worst_lag, detail={})
            self._worst_lag, self._lag_told = 0.0, now

    def _observe(self, client: str, kind: Kind, *, value: float | None, detail: dict[str, object]) -> None:
        self._emit(Observation(self._now() - self._order.origin, client, kind, value=value, detail=detail))


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    if seconds > 0:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)
    else:
        # late: still let what is under way have its turn
        await asyncio.sleep(0)
    return stop.is_set()


async def work(document: bytes, emit: child.Emit, stop: asyncio.Event) -> None:
    """Run the load that the document orders."""
    await Load(msgspec.json.decode(document, type=LoadOrder), emit=emit).run(stop)


if __name__ == "__main__":
    child.main(work)
