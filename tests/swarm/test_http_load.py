from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from lvdeploy.clock import SystemClock
from lvdeploy.model import Kind, Observation
from lvdeploy.swarm import LoadOrder, Swarm, SwarmOrder, WriteOrder, http_load
from lvdeploy.swarm.http_load import planned
from lvdeploy.swarm.order import Destination
from tests.client.scripted import until
from tests.client.web import Request, web

WRITES = WriteOrder(path="/notes", rate=20.0, id="key", found_path="/found", found_json="data.ids")


def order(url: str = "http://127.0.0.1:1", **options) -> LoadOrder:
    return LoadOrder(Destination(url), seed=7, origin=time.monotonic(), **options)


def test_the_plan_is_even_and_half_of_it_fresh():
    requests = list(islice(planned(order(rate=50.0, paths=("/", "/a")), Random(1)), 400))
    assert [each.at for each in requests] == [number / 50 for number in range(400)]
    assert Counter((each.path, each.kept) for each in requests) == {
        (path, kept): 100 for path in ("/", "/a") for kept in (False, True)
    }


def test_the_plan_mixes_writes_in_at_their_own_pace():
    requests = list(islice(planned(order(rate=50.0, writes=WRITES), Random(1)), 700))
    assert [each.at for each in requests] == sorted(each.at for each in requests)
    writes = [each for each in requests if each.method == "POST"]
    assert len(writes) == 200
    assert len({each.id for each in writes}) == 200
    assert Counter(each.kept for each in writes) == {True: 100, False: 100}


def test_the_plan_is_the_same_for_the_same_seed():
    def ids(seed: int) -> list[str]:
        return [each.id for each in islice(planned(order(writes=WRITES), Random(seed)), 100)]

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)


class Notes:
    """A service that keeps notes, and mistreats the ones a test names by their number."""

    def __init__(self, **mishaps: int) -> None:
        self.mishaps = {number: what for what, number in mishaps.items()}
        self.ids: list[str] = []
        self.by_mishap: dict[str, str] = {}
        self.ports: Counter[int] = Counter()
        self.count = 0
        self.lock = threading.Lock()

    def __call__(self, request: Request) -> None:
        with self.lock:
            self.ports[request.client_address[1]] += 1
            if request.command == "POST":
                self.post(request)
            elif request.path == "/found":
                request.answer(200, json.dumps({"data": {"ids": self.ids}}).encode())
            else:
                self.page(request)

    def page(self, request: Request) -> None:
        request.answer(200, b"page", ("X-Instance", "web-1"), ("X-App-Version", "1.0"))

    def post(self, request: Request) -> None:
        name = json.loads(request.body)["key"]
        self.count += 1
        mishap = self.mishaps.get(self.count, "")
        if mishap:
            self.by_mishap[mishap] = name
        if mishap not in {"lose", "fail"}:
            self.ids.append(name)
        if mishap == "double":
            self.ids.append(name)
        if mishap == "cut":
            request.cut()
        else:
            request.answer({"fail": 500, "refuse": 409}.get(mishap, 201), b"{}")


def load(notes: Callable[[Request], None], tmp_path: Path, *, enough: int, **options) -> list[Observation]:
    """Run the load as the process it is until it made ``enough`` requests, and return what it saw."""
    seen: list[Observation] = []

    async def story(port: int) -> None:
        destination = Destination(f"http://127.0.0.1:{port}", headers={"X-Extra": "1"})
        nobody = SwarmOrder(destination, (), clients=0, joins_per_second=1, seed=1, origin=time.monotonic())
        swarm = Swarm(
            nobody,
            record=tmp_path / "o.gz",
            clock=SystemClock(),
            listen=seen.append,
            load=LoadOrder(destination, seed=1, origin=nobody.origin, rate=100.0, **options),
            shard_command=(sys.executable, "-c", "import sys; sys.stdin.read()"),
        )
        try:
            await swarm.start()
            await until(lambda: len(of(seen, Kind.REQUEST)) >= enough)
        finally:
            await swarm.stop()
        assert swarm.failure is None

    with web(notes) as port:
        asyncio.run(story(port))
    return seen


def of(seen: list[Observation], kind: Kind) -> list[Observation]:
    return [each for each in seen if each.kind is kind]


@pytest.mark.real
def test_requests_are_told_with_who_answered_and_on_which_connection(tmp_path: Path):
    notes = Notes()
    seen = of(load(notes, tmp_path, enough=40), Kind.REQUEST)
    assert {each.client for each in seen} == {"fresh", "kept"}
    for each in seen:
        assert each.detail == {
            "method": "GET", "path": "/", "status": 200, "error": "", "instance": "web-1", "version": "1.0",
        }  # fmt: skip
        assert each.value is not None
        assert each.value >= 0
    alone = sum(1 for count in notes.ports.values() if count == 1)
    assert alone >= sum(each.client == "fresh" for each in seen)
    assert len(notes.ports) < len(seen)


@pytest.mark.real
def test_lost_doubled_and_refused_writes_are_found_out(tmp_path: Path):
    notes = Notes(lose=2, double=4, fail=5, cut=6, refuse=7)
    seen = load(notes, tmp_path, enough=100, writes=WRITES)
    [found] = of(seen, Kind.FOUND_WRITES)
    assert found.detail == {
        "missing": [notes.by_mishap["lose"]],
        "doubled": [notes.by_mishap["double"]],
        "unknown": [notes.by_mishap["refuse"]],
    }
    assert found.value == len(set(notes.ids))
    writes = [each.detail for each in of(seen, Kind.REQUEST) if each.detail["method"] == "POST"]
    assert len({each["id"] for each in writes}) == len(writes)
    told = {each["id"]: each["status"] or bool(each["error"]) for each in writes}
    assert told[notes.by_mishap["fail"]] == 500
    assert told[notes.by_mishap["cut"]] is True


@pytest.mark.real
def test_no_request_is_tried_twice(tmp_path: Path):
    paths: list[str] = []

    def respond(request: Request) -> None:
        paths.append(request.path)
        request.cut()

    seen = of(load(respond, tmp_path, enough=20), Kind.REQUEST)
    assert len(paths) == len(seen)
    assert all(each.detail["status"] is None and each.detail["error"] for each in seen)


@pytest.mark.real
def test_a_service_that_hangs_is_asked_all_the_same(tmp_path: Path):
    """Open loop: the next request does not wait for the answer to the last."""
    release = threading.Event()

    def respond(request: Request) -> None:
        release.wait(5)
        request.answer(200)

    seen = of(load(respond, tmp_path, enough=30, timeout=0.2), Kind.REQUEST)
    release.set()
    assert {each.detail["error"] for each in seen} == {"no answer within 0.2 s"}
    # a loop's timers count in its own cached milliseconds, so not quite 0.2
    assert all(each.value is not None and each.value > 0.15 for each in seen)


@pytest.mark.real
def test_a_request_unanswered_at_the_end_is_told_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http_load, "LAST_ANSWERS", 0.2)
    release = threading.Event()
    arrived = threading.Event()
    seen: list[Observation] = []

    def respond(request: Request) -> None:
        arrived.set()
        release.wait(30)
        request.answer(200)

    async def story(port: int) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(
            http_load.Load(order(f"http://127.0.0.1:{port}", timeout=600.0), emit=seen.append).run(stop)
        )
        await until(arrived.is_set)
        stop.set()
        await running

    with web(respond) as port:
        asyncio.run(story(port))
        release.set()
    requests = of(seen, Kind.REQUEST)
    assert requests
    assert all(each.detail["error"] == "no answer when the load ended" for each in requests)


@pytest.mark.real
def test_writes_that_cannot_be_read_back_are_no_data(tmp_path: Path):
    class Closed(Notes):
        def page(self, request: Request) -> None:
            request.answer(200)

        def __call__(self, request: Request) -> None:
            if request.path == "/found":
                request.answer(503)
            else:
                super().__call__(request)

    [found] = of(load(Closed(), tmp_path, enough=20, writes=WRITES), Kind.FOUND_WRITES)
    assert found.value is None
    assert found.detail == {"error": "status 503"}
