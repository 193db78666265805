"""One joined view: a run of pyview's own websocket endpoint that believes it has a socket to itself."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from lvdeploy.demo import frames
from lvdeploy.demo.frames import Frame

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

_log = logging.getLogger(__name__)

_GRACE = 2.0
"""Seconds a view may take to end before it is cancelled, which saves it too."""


class Channel:
    """
    pyview answers an exception by cutting the connection; Phoenix answers it on the channel.

    So each join gets a run of its own whose websocket is this object: an exception ends the run, the
    socket stays, and the client is told as phoenix's channel/server.ex and socket.ex tell it.
    """

    def __init__(
        self, application: ASGIApp, scope: Scope, *, join: Frame, send: Callable[[str], Awaitable[None]],
        ended: Callable[[Channel], None],
    ) -> None:
        self.join = join
        self.joined = False
        self._application = application
        self._scope = scope
        self._push = send
        self._ended = ended
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._answered = asyncio.Event()
        self._leaving = False
        # What pyview's json.dumps makes of the answer to the join, and of frames it addresses to nobody.
        self._answer = json.dumps([join.join_ref, join.ref, join.topic, "phx_reply"])[:-1]
        self._nobody = json.dumps([None, None, join.topic])[:-1]
        self._nothing = json.dumps([None, None, join.topic, "diff", {}])
        self._mine = json.dumps([join.join_ref, None, join.topic])[:-1]
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, and wait until the join is answered one way or the other."""
        self._inbox.put_nowait({"type": "websocket.connect"})
        self.deliver(frames.encode(self.join))
        self._task = asyncio.create_task(self._run())
        await self._answered.wait()

    def deliver(self, text: str) -> None:
        self._inbox.put_nowait({"type": "websocket.receive", "text": text})

    async def end(self) -> None:
        """End the view in good order: when this returns it has saved what it saves."""
        self._leaving = True
        if self._task is None:
            return
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
        _, late = await asyncio.wait([self._task], timeout=_GRACE)
        if late:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=_GRACE)

    async def _run(self) -> None:
        try:
            await self._application(dict(self._scope), self._inbox.get, self._send)
        except Exception as error:  # noqa: BLE001 - whatever a view raises is its crash, and nobody else's
            _log.warning("%s of %s crashed: %r", "view" if self.joined else "join", self._path(), error)
        finally:
            self._ended(self)
            await self._say_why()
            self._answered.set()

    async def _say_why(self) -> None:
        if self._leaving:
            return
        await self._push(frames.crashed(self.join) if self.joined else frames.error(self.join, "join crashed"))

    async def _send(self, message: Message) -> None:
        # The accept and the close are pyview's idea of a socket of its own.
        if message["type"] != "websocket.send" or self._leaving:
            return
        text: str = message["text"]
        if text == self._nothing:
            return
        if text.startswith(self._nobody):
            text = self._mine + text[len(self._nobody):]
        await self._push(text)
        if not self.joined and text.startswith(self._answer):
            self.joined = True
            self._answered.set()

    def _path(self) -> str:
        url = self.join.payload.get("redirect") or self.join.payload.get("url")
        return str(url).partition("?")[0]
