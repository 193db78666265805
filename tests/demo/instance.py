"""A real instance of the demo application, in a process of its own on a free port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

SECRET = "a secret of the tests"
TOKEN = "a token of the tests"
DEADLINE = 30.0


class Instance:
    def __init__(self, directory: Path, *, name: str, version: str, environment: dict[str, str]) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = directory / f"{name}-{self.port}.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lvdeploy.demo", "--port", str(self.port)],
                env={
                    "PATH": os.environ["PATH"], "APP_VERSION": version, "DEMO_INSTANCE": name,
                    "DEMO_DATABASE": str(directory / "demo.sqlite3"), "DEMO_SECRET": SECRET, "DEMO_TOKEN": TOKEN,
                    **environment,
                },
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )

    def answering(self) -> Instance:
        """Return it once it answers, whatever it says of its health."""
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                httpx.get(f"{self.url}/version")
            except httpx.TransportError:
                assert self._process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.02)
            else:
                return self

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(DEADLINE)

    def ended(self) -> int:
        """Wait for its end and return its exit code."""
        return self._process.wait(DEADLINE)

    def drain(self, count: int, *, token: str = TOKEN) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"}
        return httpx.post(f"{self.url}/admin/drain?count={count}", headers=headers, timeout=DEADLINE)


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that nobody announces."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
