"""An operator of a service with whims: what may go wrong is said in a file, and everything ends as it began."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

from tests.end_to_end.operator import Ended, Operator

FILE = Path(__file__).parent / "whims.yml"


class Whimsical(Operator):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory, file=FILE)
        self.state = directory / "state"
        self.whims = directory / "whims.json"
        self.environment["WHIMS"] = str(self.whims)

    def has(self, version: str, *whims: str) -> None:
        """Give a version its whims, and every other none."""
        self.whims.write_text(json.dumps({version: whims}))

    def roll_plain(self, version: str, *arguments: str, **environment: str) -> Ended:
        return self.run("rolling", "--to", version, "--no-verify", *arguments, **environment)

    def pid(self, slot: str) -> int:
        """The process in a slot, which is there as soon as its step began."""
        return int(json.loads((self.state / "instances" / f"{slot}.json").read_text())["pid"])

    @property
    def traefik(self) -> int:
        return int(json.loads((self.state / "traefik" / "traefik.json").read_text())["pid"])

    @property
    def balancer_file(self) -> Path:
        return self.state / "traefik" / "dynamic" / "lvdeploy.whims.yml"

    def slot_of(self, version: str) -> str:
        return next(slot["slot"] for slot in self.status()["slots"] if slot["version"] == version)

    def serves(self, version: str) -> bool:
        """Say whether this version alone serves, and nothing is left of anything else."""
        status = self.status()
        versions = [slot["version"] for slot in status["slots"] if slot["version"]]
        return (versions, status["leftovers"], status["lease"]) == ([version] * 2, [], None)

    def settle(self) -> None:
        """Bring version 1.0 into the first two slots, whatever a test made of them."""
        self.whims.unlink(missing_ok=True)
        ended = self.roll_plain("1.0", "--supersede")
        assert ended.code == 0, ended.stderr
        if [slot["slot"] for slot in self.status()["slots"] if slot["version"]] != ["web-1", "web-2"]:
            for command in (("down",), ("up", "--to", "1.0")):
                ended = self.run(*command)
                assert ended.code == 0, ended.stderr


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    os.kill(pid, number)


def fits(ended: Ended) -> bool:
    """Say whether what went wrong is told without a traceback, on one screen after the last event."""
    words = [line for line in ended.stderr.splitlines() if not re.match(r"\d{4}-\d\d-\d\dT", line)]
    return "Traceback" not in ended.stderr and "never retrieved" not in ended.stderr and len(words) <= 24
