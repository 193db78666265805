"""uvicorn with Phoenix's order of leaving: everyone is told while it still listens, then it stops listening."""

from __future__ import annotations

import asyncio
import socket
from types import FrameType

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from lvdeploy.demo.settings import Settings
from lvdeploy.demo.sockets import NORMAL, SERVICE_RESTART, Sockets

_GOODBYE = 2.0
"""Seconds for the peers to answer the last close frames."""


class Server(uvicorn.Server):
    """
    On SIGTERM: save each view and close it with 1012, pause, stop listening, close with 1000, end with 0.

    That is the order of phoenix's endpoint supervisor (drainer, listener, channels), with the pause in
    place of its chance: whoever is back within it has come to an instance that is about to end.
    """

    def __init__(self, config: uvicorn.Config, *, sockets: Sockets, pause: float) -> None:
        super().__init__(config)
        self._sockets = sockets
        self._pause = pause
        self._loop: asyncio.AbstractEventLoop | None = None
        self._farewell: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        # Not recorded in _captured_signals: uvicorn would raise it again after an orderly end.
        if self._loop is None:
            self.should_exit = True
        else:
            self._loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        if self._farewell is None and self.started:
            self._farewell = asyncio.create_task(self._say_farewell())
        else:
            self.should_exit = self.force_exit = True

    async def _say_farewell(self) -> None:
        try:
            self._sockets.draining = True
            await self._sockets.close(SERVICE_RESTART)
            await asyncio.sleep(self._pause)
            for listener in self.servers:
                listener.close()
            self._sockets.refusing = True
            await self._sockets.close(NORMAL)
            await self._answered()
        finally:
            self.should_exit = True

    async def _answered(self) -> None:
        """Wait until no websocket is open; cut what is left, so that uvicorn's own 1012 reaches nobody."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _GOODBYE
        while self._websockets() and loop.time() < deadline:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        for connection in self._websockets():
            connection.transport.abort()

    def _websockets(self) -> list[WebSocketsSansIOProtocol]:
        return [each for each in self.server_state.connections if isinstance(each, WebSocketsSansIOProtocol)]


def serve(application: object, *, settings: Settings, sockets: Sockets, host: str, port: int) -> None:
    """Serve until a signal; raises ``SystemExit`` where the port cannot be had."""
    config = uvicorn.Config(
        application,  # type: ignore[arg-type]  # any ASGI application; uvicorn's alias wants its own TypedDicts
        host=host, port=port, log_level="warning", access_log=False, server_header=False, proxy_headers=False,
        ws="websockets-sansio", ws_ping_interval=None, ws_per_message_deflate=False, ws_max_size=256 * 1024,
        timeout_graceful_shutdown=5,
        headers=[("x-instance", settings.instance), ("x-app-version", settings.version)],
    )
    Server(config, sockets=sockets, pause=settings.drain_pause).run()
