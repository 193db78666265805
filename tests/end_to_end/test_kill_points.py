"""lvdeploy dies by SIGKILL at a point of a real rollout, behind a Traefik that is asked all the while."""

import json
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.end_to_end import killable
from tests.end_to_end.operator import Operator, end

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("services"), pytest.mark.timeout(600)]

HERE = Path(__file__).parent
POINTS = 139
"""How many points a rollout of two replicas in three slots passes."""
SETTLES_WITHIN = 10.0


class Service(Operator):
    """A service that is at version 1.0 or 2.0 and is to be nothing in between; ``at`` keeps how each looks."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, file=HERE / "tiny.yml")
        self.state = directory / "state"
        self.ports = dict(zip(self.ports, quiet_ports(len(self.ports)), strict=True))
        self.environment |= {name: str(port) for name, port in self.ports.items()}
        self.at: dict[str, dict[str, object]] = {}
        self.version = "1.0"

    def until(self, point: str, *arguments: str) -> list[str]:
        """Run a command up to a point; return the points it passed."""
        file = self.directory / "points"
        command = [sys.executable, "-P", killable.__file__, str(file), point, *arguments, "--config", str(self.file)]
        ended = end(subprocess.Popen(
            command, env=self.environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, cwd=self.directory,
        ))
        wanted = 0 if point == killable.NEVER else -signal.SIGKILL
        assert ended.code == wanted, f"{point}: {ended.stderr}"
        return file.read_text().splitlines()

    def newest_run(self, target: str) -> tuple[bool, bool]:
        """Return whether the newest run goes to that version, and whether it ended."""
        with closing(sqlite3.connect(self.state / "journal.db")) as journal:
            query = "select intent, ended from runs order by rowid desc limit 1"
            intent, ended = journal.execute(query).fetchone()
        return json.loads(intent)["target"] == target, ended is not None

    def picture(self) -> dict[str, object]:
        """Everything that should be as after an undisturbed run, but for pids, times and the traffic's number."""
        status = self.status()
        slots = [(each["slot"], each["version"], each["health"], each["mode"]) for each in status["slots"]]
        pids = {each["pid"] for each in status["slots"]} - {None}
        balancer = json.loads((self.state / "traefik" / "traefik.json").read_text())["pid"]
        files = sorted(str(path.relative_to(self.state)) for path in self.state.rglob("*"))
        return {
            "slots": slots, "versions": status["versions"], "files": files,
            "held": status["lease"] is not None and status["lease"]["alive"],
            "leftovers": status["leftovers"], "unfinished": status["run"]["ended"] is None,
            "strangers": self._processes() - pids - {balancer}, "traffic": self._traffic(),
        }

    def _processes(self) -> set[int]:
        state = str(self.state)
        found = psutil.process_iter(["cmdline", "status"])
        return {
            each.pid for each in found
            if any(state in word for word in each.info["cmdline"] or ()) and each.info["status"] != "zombie"
        }

    def _traffic(self) -> str:
        said = httpx.get(f"http://127.0.0.1:{self.ports['DEMO_API_PORT']}/api/rawdata", trust_env=False).text
        return re.sub(r'\\"generation\\":\d+', "", said)

    def comes_to(self, version: str, *, after: str) -> None:
        """Wait until all is as an undisturbed run leaves it: Traefik's word on its servers' health comes late."""
        until = time.monotonic() + SETTLES_WITHIN
        while self._traffic() != self.at[version]["traffic"] and time.monotonic() < until:
            time.sleep(0.1)
        assert self.picture() == self.at[version], after
        self.version = version


def quiet_ports(count: int) -> list[int]:
    """Return ports that nobody is given by chance while a slot stands empty."""
    chosen: list[int] = []
    while len(chosen) < count:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with closing(socket.socket()) as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                taken.bind(("127.0.0.1", port))
                chosen.append(port)
    return chosen


@contextmanager
def load(port: int):
    """Ask for pages all the while, each on a connection of its own; yields what did not go well."""
    failed, asked, stop = [], [], threading.Event()

    def ask():
        while not stop.wait(0.02):
            try:
                status = httpx.get(f"http://127.0.0.1:{port}/", trust_env=False, timeout=20).status_code
            except httpx.HTTPError as error:
                status = repr(error)
            asked.append(status)
            if status != 200:
                failed.append(status)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield failed
    finally:
        stop.set()
        thread.join()
    assert len(asked) > 10


@pytest.fixture
def service(tmp_path):
    """Up at 1.0, after an undisturbed rollout there and back; taken down at the end."""
    service = Service(tmp_path)
    try:
        # The balancer that a dying `up` has just started is adopted by the next one.
        assert service.until("inside spawn: traefik.json launched", "up", "--to", "1.0")
        up = service.run("up", "--to", "1.0")
        assert up.code == 0, up.stderr
        for version in ("2.0", "1.0"):
            service.points = service.until(killable.NEVER, "rolling", "--to", version, "--no-verify")
            service.at[version] = service.picture()
        yield service
    finally:
        down = service.run("down")
        assert down.code == 0, down.stderr
        assert not service._processes()


def die_and_go_on(service: Service, number: int, *, back: bool) -> None:
    before = service.version
    target = "2.0" if before == "1.0" else "1.0"
    roll = ("rolling", "--to", target, "--no-verify")
    last = service.until(str(number), *roll)[-1]
    begun, ended = service.newest_run(target)
    how = f"{number} ({last}), then {'rollback' if back else 'resume'}"
    if begun and (back or not ended):
        done = service.run("rollback" if back else "resume", "--no-verify")
        assert done.code == 0, f"{how}: {done.stderr}"
    elif not begun and not back:
        done = service.run(*roll)
        assert done.code == 0, f"{how}: {done.stderr}"
    service.comes_to(before if back else target, after=how)


def die_at_each(service: Service, numbers: list[int], *, back: bool) -> None:
    assert len(service.points) == POINTS
    with load(service.ports["DEMO_PORT"]) as failed:
        for number in numbers:
            die_and_go_on(service, number, back=back)
            assert not failed, number


def inside(points: list[str]) -> list[int]:
    return [number for number, point in enumerate(points) if point.startswith("inside")]


@pytest.mark.parametrize("back", [False, True], ids=["resume", "rollback"])
def test_after_sigkill_all_ends_as_if_nothing_had_been(service, back):
    rng = random.Random(f"back {back}")
    numbers = sorted([*rng.sample(range(POINTS), 2), *rng.sample(inside(service.points), 2)])

    die_at_each(service, numbers, back=back)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("back", [False, True], ids=["resume", "rollback"])
def test_after_sigkill_at_every_point_all_ends_as_if_nothing_had_been(service, back):
    die_at_each(service, list(range(POINTS)), back=back)
