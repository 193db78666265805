"""The official npm packages, installed once into a cache, and scripts run over them by node."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PINS = ("package.json", "package-lock.json")
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "E404", "E403")
INSTALL_TIMEOUT = 90.0
RUN_TIMEOUT = 1800.0


def installed(cache: Path) -> Path:
    """Return a directory that holds the packages, installing them if it does not yet. Skips without a registry."""
    pins = hashlib.sha256(b"".join((HERE / each).read_bytes() for each in PINS)).hexdigest()[:12]
    home = cache / pins
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        # the workers of a parallel run share one cache
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            shutil.rmtree(home, ignore_errors=True)
            _install(home)
            (home / "complete").touch()
    return home


def _install(home: Path) -> None:
    home.mkdir()
    for each in PINS:
        shutil.copy(HERE / each, home)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
    try:
        done = subprocess.run(command, cwd=home, capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm could not install the official packages within {INSTALL_TIMEOUT:.0f} s")
    if done.returncode and any(each in done.stderr for each in UNREACHABLE):
        pytest.skip("npm finds no registry to install the official packages from")
    assert done.returncode == 0, f"npm ci failed:\n{done.stderr}"


def run(script: str, cases: Iterable[Any], home: Path) -> Iterator[Any]:
    """Give a script its cases, a line of JSON each, and return what it answers to each."""
    lines = "".join(json.dumps(each) + "\n" for each in cases)
    command = ["node", str(HERE / script)]
    done = subprocess.run(
        command,
        cwd=home,
        input=lines,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT,
        check=False,
        env={**os.environ, "NODE_OPTIONS": ""},
    )
    assert done.returncode == 0, f"{script} failed:\n{done.stderr[-2000:]}"
    return map(json.loads, done.stdout.splitlines())
