"""Phoenix's manners around pyview: what its socket and channels answer when something is not as it should be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs, urlsplit

from itsdangerous import BadData, URLSafeTimedSerializer
from pyview.csrf import generate_csrf_token
from pyview.secret import get_secret
from pyview.session import deserialize_session

from lvdeploy.demo import frames
from lvdeploy.demo.channel import Channel
from lvdeploy.demo.frames import Frame, Malformed
from lvdeploy.demo.sockets import NORMAL, Sockets

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PROTOCOL_ERROR = 1002
INTERNAL_ERROR = 1011

_IDLE = 60.0
"""Seconds without a frame after which the socket is closed; a client's heartbeat comes every 30."""

_CLOSING = 5.0
"""Seconds within which a close frame must have left; a peer that reads nothing is left to the server."""


class PhoenixManners:
    """ASGI middleware: owns each websocket, and hands each join of it to a run of the application."""

    def __init__(self, app: ASGIApp, *, sockets: Sockets, routed: Callable[[str], bool]) -> None:
        self._app = app
        self._sockets = sockets
        self._routed = routed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        await receive()
        query = parse_qs(scope["query_string"].decode("latin-1"))
        version = query.get("vsn", ["1.0.0"])[-1]
        if scope["path"] != "/live/websocket" or not version.startswith(("1.", "2.")):
            await send({"type": "websocket.close"})  # before the accept: HTTP 403
            return
        await send({"type": "websocket.accept"})
        if self._sockets.refusing:
            await send({"type": "websocket.close", "code": NORMAL})
            return
        trusted = bool(scope.get("session")) and _signed(query.get("_csrf_token", [""])[-1]) is not None
        socket = Socket(self._app, scope, receive=receive, send=send, routed=self._routed, trusted=trusted)
        self._sockets.add(socket)
        try:
            await socket.run(understood=version.startswith("2."))
        finally:
            self._sockets.remove(socket)


class Socket:
    """
    One websocket and the channels on it (phoenix socket.ex).

    ``trusted`` says that the upgrade carried a session cookie and a csrf token of ours; without them
    Phoenix accepts the socket and answers every join with ``stale``.
    """

    def __init__(
        self, application: ASGIApp, scope: Scope, *, receive: Receive, send: Send,
        routed: Callable[[str], bool], trusted: bool,
    ) -> None:
        self._application = application
        self._scope = scope
        self._receive = receive
        self._send = send
        self._routed = routed
        self._trusted = trusted
        self._channels: dict[str, Channel] = {}
        self._closing = False

    @property
    def views(self) -> int:
        return len(self._channels)

    async def run(self, *, understood: bool) -> None:
        """Serve until the connection ends; every view on it is saved by then."""
        try:
            await self._serve(understood=understood)
        except TimeoutError:
            await self.close(PROTOCOL_ERROR)
        except Malformed:
            await self.close(INTERNAL_ERROR)
        finally:
            self._closing = True
            await self._end_channels()

    async def close(self, code: int) -> None:
        """Save every view, and only then tell the client, who may be back within 10 ms."""
        if self._closing:
            return
        self._closing = True
        await self._end_channels()
        with suppress(Exception):  # the peer may be gone, or gone deaf; there is nobody else to tell
            async with asyncio.timeout(_CLOSING):
                await self._send({"type": "websocket.close", "code": code})

    async def _end_channels(self) -> None:
        await asyncio.gather(*(channel.end() for channel in list(self._channels.values())))

    async def _serve(self, *, understood: bool) -> None:
        while True:
            async with asyncio.timeout(_IDLE):
                message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if not understood or text is None:
                raise Malformed
            frame = frames.decode(text)
            if not self._closing:
                await self._handle(frame, text)

    async def _handle(self, frame: Frame, text: str) -> None:
        if frame.topic == "phoenix" and frame.event == "heartbeat":
            await self._push(frames.ok(frame))
            return
        channel = self._channels.get(frame.topic)
        if frame.event == "phx_join":
            await self._join(frame, channel)
        elif channel is None:
            await self._push(frames.ok(frame) if frame.event == "phx_leave" else frames.unmatched(frame))
        elif frame.join_ref not in (None, channel.join.join_ref):
            return  # phoenix 1.8.3 drops what was meant for an earlier join of the topic
        elif frame.event == "phx_leave":
            await self._end(channel)
            await self._push(frames.ok(frame))
        else:
            channel.deliver(text)

    async def _join(self, frame: Frame, before: Channel | None) -> None:
        if before is not None:
            await self._end(before)
        if not frame.topic.startswith("lv:"):
            await self._push(frames.unmatched(frame))
            return
        payload = renewed(frame) if self._trusted else None
        if payload is None:
            await self._push(frames.error(frame, "stale"))
            return
        url = payload.get("redirect") or payload.get("url")
        if isinstance(url, str) and not self._routed(urlsplit(url).path):
            await self._push(frames.error(frame, "unauthorized"))
            return
        join = Frame(frame.join_ref, frame.ref, frame.topic, frame.event, payload)
        channel = Channel(self._application, self._scope, join=join, send=self._push, ended=self._forget)
        self._channels[frame.topic] = channel
        await channel.start()

    async def _end(self, channel: Channel) -> None:
        await channel.end()
        await self._push(frames.closed(channel.join))

    def _forget(self, channel: Channel) -> None:
        if self._channels.get(channel.join.topic) is channel:
            del self._channels[channel.join.topic]

    async def _push(self, text: str) -> None:
        if not self._closing:
            with suppress(OSError):  # the peer is gone; the receiving side hears of it in its turn
                await self._send({"type": "websocket.send", "text": text})


def renewed(join: Frame) -> Mapping[str, object] | None:
    """
    Return the join's payload with a fresh csrf token, or ``None`` where its tokens are not ours.

    pyview lets csrf tokens die after an hour and checks them at every rejoin; Phoenix's tokens live for
    two weeks, and nobody should lose a form because a deploy met a page that was open for long.
    """
    params = join.payload.get("params")
    token = params.get("_csrf_token") if isinstance(params, Mapping) else None
    if not isinstance(params, Mapping) or _signed(token) != join.topic:
        return None
    try:
        deserialize_session(join.payload.get("session"))
    except (BadData, TypeError, AttributeError, ValueError):
        return None
    return {**join.payload, "params": {**params, "_csrf_token": generate_csrf_token(join.topic)}}


def _signed(token: object) -> str | None:
    """Return what a csrf token of ours was made for, however old it is."""
    if not isinstance(token, str):
        return None
    try:
        return cast("str", URLSafeTimedSerializer(get_secret(), salt="pyview-csrf-token").loads(token))
    except BadData:
        return None
