"""A person at a shell: commands on the demo's deployment file, in a state directory and on ports of their own."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from lvdeploy.cli.demo import PORTS, free_ports

DEMO = Path(__file__).parents[2] / "configs" / "demo.yml"
LVDEPLOY = (sys.executable, "-m", "lvdeploy")


OPERATORS = itertools.count()


def ports_of_its_own() -> dict[str, int]:
    """
    Return ports below those that the system hands out, others for each operator and each worker.

    A slot may stand empty for long, so that a port's being free now says nothing of later.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20_000 + 2_000 * (worker % 6) + 10 * (next(OPERATORS) % 200)
    return {name: first + number for number, name in enumerate(PORTS)}


@dataclass(frozen=True)
class Ended:
    code: int
    stdout: str
    stderr: str

    @property
    def last(self) -> str:
        return self.stderr.strip().splitlines()[-1]


class Operator:
    def __init__(self, directory: Path, *, file: Path = DEMO) -> None:
        self.directory, self.file = directory, file
        self.ports = free_ports(ports_of_its_own())
        self.environment = {
            **os.environ, "DEMO_SECRET": "s" * 32, "DEMO_TOKEN": "t" * 16, "DEMO_STATE": str(directory / "state"),
            "PYTHON": sys.executable, **{name: str(port) for name, port in self.ports.items()},
        }

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*LVDEPLOY, *arguments, "--config", str(self.file)], env={**self.environment, **environment}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.directory,
        )

    def run(self, *arguments: str, **environment: str) -> Ended:
        return end(self.start(*arguments, **environment))

    def roll(self, version: str, *arguments: str, clients: int = 18, **environment: str) -> tuple[Ended, Mapping]:
        """Roll under clients; return how it ended, and its report."""
        report = self.directory / f"{time.monotonic_ns()}.json"
        ended = self.run(
            "rolling", "--to", version, "--clients", str(clients), "--report", f"json={report}", *arguments,
            **environment,
        )
        told = report.read_text() if report.exists() else ""
        return ended, json.loads(told) if told else {}

    def status(self) -> Mapping:
        return json.loads(self.run("status", "--json").stdout)

    def versions(self) -> list[str]:
        return sorted(slot["version"] for slot in self.status()["slots"] if slot["version"])

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.ports['DEMO_PORT']}{path}", trust_env=False)


def end(process: subprocess.Popen[str], *, timeout: float = 250) -> Ended:
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        raise AssertionError(f"did not end:\n{stdout}\n{stderr}") from None
    return Ended(process.returncode, stdout, stderr)


def line_with(process: subprocess.Popen[str], words: str) -> str:
    """Read stderr up to the line that holds these words."""
    said = []
    for line in process.stderr:
        said.append(line)
        if words in line:
            return line
    raise AssertionError(f"never said {words!r}, but:\n{''.join(said)}")


def interrupt(process: subprocess.Popen[str], number: int = signal.SIGINT) -> None:
    process.send_signal(number)
