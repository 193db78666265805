"""What every way of running instances keeps."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lvdeploy.clock import SystemClock
from lvdeploy.errors import InstanceError
from lvdeploy.hosts import LocalHost
from lvdeploy.instances import INSTANCES, InstanceDriver
from lvdeploy.model import Slot
from tests.real import ending_everything_in, free_port

pytestmark = pytest.mark.real

SERVE = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(600)
"""
DOCUMENTS: dict[str, dict[str, object]] = {
    "process": {"command": [sys.executable, "-c", SERVE, "{port}", "{version}"]},
}
"""What the deployment file says to each driver so that it runs something that listens."""


@dataclass
class Subject:
    name: str
    directory: Path

    def driver(self) -> InstanceDriver:
        """Make a driver as a new command would."""
        kind = INSTANCES[self.name]
        settings = kind.settings.model_validate(DOCUMENTS[self.name])
        return kind.build(settings, host=LocalHost(), state_directory=self.directory, clock=SystemClock())


@pytest.fixture(params=sorted(INSTANCES))
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    with ending_everything_in(tmp_path):
        yield Subject(request.param, tmp_path)


@pytest.fixture
def slots() -> tuple[Slot, Slot]:
    return Slot("web-1", "127.0.0.1", free_port()), Slot("web-2", "127.0.0.1", free_port())


def test_nothing_runs_before_the_first_start(subject: Subject) -> None:
    assert asyncio.run(subject.driver().list()) == ()


def test_life_of_two_instances(subject: Subject, slots: tuple[Slot, Slot]) -> None:
    async def story() -> None:
        first = await subject.driver().start(slots[0], "1.0", run="r-1")
        second = await subject.driver().start(slots[1], "2.0", run="r-2")

        assert (first.slot, first.version, first.run) == ("web-1", "1.0", "r-1")
        assert first.identity != second.identity
        assert set(await subject.driver().list()) == {first, second}

        await subject.driver().stop(first, grace=30)
        assert await subject.driver().list() == (second,)

    asyncio.run(story())


def test_start_sets_and_does_not_toggle(subject: Subject, slots: tuple[Slot, Slot]) -> None:
    async def story() -> None:
        first = await subject.driver().start(slots[0], "1.0", run="r-1")

        assert await subject.driver().start(slots[0], "1.0", run="r-2") == first
        assert await subject.driver().list() == (first,)

    asyncio.run(story())


def test_start_over_another_version_is_refused(subject: Subject, slots: tuple[Slot, Slot]) -> None:
    async def story() -> None:
        first = await subject.driver().start(slots[0], "1.0", run="r-1")

        with pytest.raises(InstanceError, match=r"web-1 holds version 1\.0"):
            await subject.driver().start(slots[0], "2.0", run="r-2")
        assert await subject.driver().list() == (first,)

    asyncio.run(story())


def test_stop_twice_is_stop_once_and_never_stops_a_successor(subject: Subject, slots: tuple[Slot, Slot]) -> None:
    async def story() -> None:
        first = await subject.driver().start(slots[0], "1.0", run="r-1")
        await subject.driver().stop(first, grace=30)
        await subject.driver().stop(first, grace=30)
        second = await subject.driver().start(slots[0], "1.0", run="r-1")

        await subject.driver().stop(first, grace=30)

        assert await subject.driver().list() == (second,)

    asyncio.run(story())


def test_output_can_be_read(subject: Subject) -> None:
    assert subject.driver().log("web-1")
