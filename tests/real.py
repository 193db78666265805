"""What tests with real processes and sockets share."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil

PATIENCE = 30.0
"""Seconds a condition may take on a busy machine before a test gives up."""


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def eventually(condition: Callable[[], Awaitable[object] | object], *, what: str) -> None:
    """Wait until the condition holds; fails with ``what`` at the deadline."""
    until = time.monotonic() + PATIENCE
    while True:
        held = condition()
        if await held if isinstance(held, Awaitable) else held:
            return
        assert time.monotonic() < until, f"not in {PATIENCE:.0f} s: {what}"
        await asyncio.sleep(0.02)


def is_running(pid: int) -> bool:
    """Say whether there is such a process and it is not a zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def ending_everything_in(directory: Path) -> Iterator[None]:
    """Kill at the end whatever the records below the directory name, and whatever stands in a ``*.pid`` there."""
    try:
        yield
    finally:
        for record in directory.rglob("*.json"):
            with contextlib.suppress(ProcessLookupError, PermissionError, ValueError):
                os.killpg(json.loads(record.read_bytes())["pid"], signal.SIGKILL)
        for note in directory.rglob("*.pid"):
            with contextlib.suppress(ProcessLookupError, PermissionError, ValueError):
                os.kill(int(note.read_text()), signal.SIGKILL)
