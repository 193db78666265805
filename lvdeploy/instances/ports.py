"""Who listens where on this machine."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass

import psutil

from lvdeploy.model import Slot

_CONNECT_TIMEOUT = 1.0


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens on a port."""

    pid: int
    name: str
    group: int | None

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.name})"


async def is_taken(slot: Slot) -> bool:
    """
    Say whether anybody listens there.

    By connecting, as binding would get in the way of an application that is about to bind. A frozen
    listener still has its backlog, a full one lets the connection time out: both are taken.
    """
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            _, writer = await asyncio.open_connection(slot.host, slot.port)
    except TimeoutError:
        return True
    except OSError:
        return False
    writer.transport.abort()
    return True


async def holder(port: int) -> Holder | None:
    """Return who listens on a port; ``None`` where nobody does or the system will not say (another user's)."""
    return await asyncio.to_thread(_holder, port)


def _holder(port: int) -> Holder | None:
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS shows other processes' sockets to root only
        return None
    pids = {each.pid for each in connections if each.status == psutil.CONN_LISTEN and each.laddr[1:] == (port,)}
    return next((_described(pid) for pid in sorted(each for each in pids if each is not None)), None)


def _described(pid: int) -> Holder:
    try:
        return Holder(pid=pid, name=psutil.Process(pid).name(), group=os.getpgid(pid))
    except (psutil.Error, ProcessLookupError, PermissionError):
        return Holder(pid=pid, name="unknown", group=None)
