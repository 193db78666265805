"""Every open websocket of this instance, to be counted, drained and closed."""

from __future__ import annotations

import asyncio
from typing import Protocol

SERVICE_RESTART = 1012
NORMAL = 1000


class Closable(Protocol):
    @property
    def views(self) -> int: ...

    async def close(self, code: int) -> None:
        """Save every view on it, then close it."""
        ...


class Sockets:
    """``draining`` turns health down; ``refusing`` ends whoever still comes in with 1000."""

    def __init__(self) -> None:
        self.draining = False
        self.refusing = False
        self.opened = 0
        self._open: dict[Closable, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def views(self) -> int:
        return sum(each.views for each in self._open)

    def add(self, socket: Closable) -> None:
        self.opened += 1
        self._open[socket] = None

    def remove(self, socket: Closable) -> None:
        self._open.pop(socket, None)

    async def close(self, code: int, *, count: int | None = None) -> None:
        """Close the oldest ``count``, or all that are open now; who comes in meanwhile is left alone."""
        chosen = list(self._open)[:count]
        for each in chosen:
            self.remove(each)
        await asyncio.gather(*(each.close(code) for each in chosen))
