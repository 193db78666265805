"""What every host keeps: files whole or not at all, commands run to their end, records of who was started."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lvdeploy.errors import HostError
from lvdeploy.hosts import HOSTS, Host
from tests.real import ending_everything_in, eventually

pytestmark = pytest.mark.real


@pytest.fixture(params=sorted(HOSTS))
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    with ending_everything_in(tmp_path):
        yield HOSTS[request.param]()


def names(directory: Path) -> list[str]:
    """Name all that is there, hidden or not."""
    return sorted(each.name for each in directory.iterdir())


async def gone(host: Host, record: Path) -> bool:
    return await host.recorded(record) is None


def test_life_of_a_command(host: Host, tmp_path: Path) -> None:
    record, log = tmp_path / "web-1.json", tmp_path / "web-1.log"

    async def story() -> None:
        assert await host.recorded(record) is None
        started = await host.spawn(["sleep", "600"], record=record, log=log, facts={"slot": "web-1"})
        assert (started.argv, started.facts) == (("sleep", "600"), {"slot": "web-1"})
        assert await host.recorded(record) == started
        assert await host.signal(started, 0)

        assert await host.signal(started, signal.SIGTERM)
        await eventually(lambda: gone(host, record), what="it has ended")
        assert await host.last_recorded(record) == started
        assert await host.signal(started, signal.SIGTERM) is False

    asyncio.run(story())


def test_command_runs_to_its_end(host: Host) -> None:
    done = asyncio.run(host.run(["sh", "-c", "echo $COLOUR; exit 3"], timeout=60, environment={"COLOUR": "green"}))

    assert (done.code, done.stdout) == (3, "green\n")


def test_write_replaces_and_leaves_nothing_beside(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "traffic.yml"
    path.write_text("old")
    (tmp_path / ".traffic.yml.new").write_text("left by one that was killed")

    asyncio.run(host.write(path, b"new", mode=0o640))

    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["traffic.yml"]


def test_write_stages_where_it_is_told(host: Host, tmp_path: Path) -> None:
    watched, staging = tmp_path / "watched", tmp_path / "staging"
    watched.mkdir()

    with pytest.raises(HostError, match="No such file or directory"):
        asyncio.run(host.write(watched / "traffic.yml", b"new", staging=staging))
    staging.mkdir()
    asyncio.run(host.write(watched / "traffic.yml", b"new", staging=staging))

    assert (watched / "traffic.yml").read_bytes() == b"new"
    assert names(staging) == []


def test_write_onto_a_full_disk_keeps_the_old_content(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "traffic.yml"
    path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, before[1]))
    try:
        with pytest.raises(HostError) as failure:
            asyncio.run(host.write(path, b"new content"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert failure.value.message == f"cannot write {path}: File too large"
    assert path.read_text() == "old"
    assert names(tmp_path) == ["traffic.yml"]


def test_write_into_a_directory_that_is_gone_says_which(host: Host, tmp_path: Path) -> None:
    gone = tmp_path / "gone" / "traffic.yml"

    with pytest.raises(HostError, match=f"^cannot write {gone}: No such file or directory$"):
        asyncio.run(host.write(gone, b"new"))


def test_files_that_are_not_there(host: Host, tmp_path: Path) -> None:
    async def story() -> None:
        assert await host.read(tmp_path / "nothing") is None
        assert await host.size(tmp_path / "nothing") == 0
        assert await host.names(tmp_path / "nothing") == ()
        await host.remove(tmp_path / "nothing")

    asyncio.run(story())


def test_names_are_in_order_and_without_hidden_ones(host: Host, tmp_path: Path) -> None:
    for name in ("web-2.json", ".web-1.json.new", "web-1.json"):
        (tmp_path / name).touch()

    assert asyncio.run(host.names(tmp_path)) == ("web-1.json", "web-2.json")


def test_read_from_a_place_on(host: Host, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("earlier\nlater\n")

    assert asyncio.run(host.read(tmp_path / "log", start=8)) == b"later\n"


def test_directories_are_private_and_may_be_there(host: Host, tmp_path: Path) -> None:
    async def story() -> None:
        await host.make_directory(tmp_path / "state" / "logs")
        await host.make_directory(tmp_path / "state" / "logs")

    asyncio.run(story())

    assert (tmp_path / "state" / "logs").stat().st_mode & 0o777 == 0o700
