"""Who looks at which chat room, told of changes that any instance made to it."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable

from lvdeploy.demo.storage import Storage

_log = logging.getLogger(__name__)

_PERIOD = 0.1
_LATE = 5.0
"""Seconds without a successful look at the database after which the broadcast counts as broken."""

Listener = Callable[[], Awaitable[None]]


class Rooms:
    """
    Polls the changes that all instances write, and calls the listeners of each changed room.

    A listener looks at the database itself: what is broadcast is that something changed, not what. One
    that does not read its socket delays itself only, as each has its own task.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._listeners: dict[str, dict[object, Listener]] = defaultdict(dict)
        self._calls: dict[object, asyncio.Task[None]] = {}
        self._untold: set[object] = set()
        self._looked = 0.0

    def join(self, room: str, owner: object, listener: Listener) -> None:
        self._listeners[room][owner] = listener

    def leave(self, room: str, owner: object) -> None:
        self._listeners[room].pop(owner, None)
        if not self._listeners[room]:
            del self._listeners[room]

    @property
    def working(self) -> bool:
        return asyncio.get_running_loop().time() - self._looked < _LATE

    async def run(self) -> None:
        """Poll until cancelled."""
        seen: int | None = None
        while True:
            try:
                newest = self._storage.newest_change()
                if seen is not None and newest > seen:
                    self._tell(self._storage.changed_rooms(after=seen))
                seen = newest
                self._looked = asyncio.get_running_loop().time()
            except sqlite3.Error as error:
                _log.warning("cannot look for changes: %s", error)
            await asyncio.sleep(_PERIOD)

    def _tell(self, rooms: set[str]) -> None:
        for room in rooms & self._listeners.keys():
            for owner, listener in self._listeners[room].items():
                self._untold.add(owner)
                if owner not in self._calls:
                    self._calls[owner] = asyncio.create_task(self._call(owner, listener))

    async def _call(self, owner: object, listener: Listener) -> None:
        try:
            while owner in self._untold:
                self._untold.discard(owner)
                await listener()
        except Exception as error:  # noqa: BLE001 - one view's trouble is not the others'
            _log.warning("a chat view could not be told: %r", error)
        finally:
            del self._calls[owner]
