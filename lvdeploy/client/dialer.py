"""The bounded dialer: transports for connections, so many in the making at a time."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections import deque

from lvdeploy.client.connection import Connection
from lvdeploy.client.route import Target

_log = logging.getLogger(__name__)


class Dialer:
    """
    Connects in the order asked for. A connection counts against ``limit`` until its handshake is answered.

    The bound keeps a storm of reconnects from starving the loop it runs on.
    """

    def __init__(self, *, tls: ssl.SSLContext, limit: int = 200) -> None:
        self._tls = tls
        self._limit = limit
        self._waiting: deque[tuple[Connection, Target]] = deque()
        self._dialing: dict[Connection, asyncio.Task[None] | None] = {}

    def dial(self, connection: Connection, target: Target) -> None:
        """Give ``connection`` a transport, or tell it why not."""
        self._waiting.append((connection, target))
        self._advance()

    def release(self, connection: Connection) -> None:
        """Make room: its handshake is answered, or it was given up."""
        if connection not in self._dialing:
            return
        task = self._dialing.pop(connection)
        # with a transport the task is about to end by itself; cancelling it would close the transport
        if task is not None and not connection.connected:
            task.cancel()
        self._advance()

    def _advance(self) -> None:
        while self._waiting and len(self._dialing) < self._limit:
            connection, target = self._waiting.popleft()
            if connection.over:
                continue
            self._dialing[connection] = None
            self._dialing[connection] = asyncio.get_running_loop().create_task(self._connect(connection, target))

    async def _connect(self, connection: Connection, target: Target) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(
                lambda: connection,
                target.host,
                target.port,
                ssl=self._tls if target.secure else None,
                server_hostname=target.name if target.secure else None,
                # the connection's own patience bounds the whole; asyncio's 60 s would cut in before it
                ssl_handshake_timeout=connection.patience if target.secure else None,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the session must hear that it did not open
            if not isinstance(error, OSError | ValueError):
                _log.exception("dialing %s", target.authority)
            self._dialing[connection] = None
            connection.refuse(None, explain(error))


def explain(error: BaseException) -> str:
    """Say what went wrong on the network in one line."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, OSError) and error.errno and not isinstance(error, ssl.SSLError | socket.gaierror):
        return os.strerror(error.errno).lower()
    text = str(error)
    return text if isinstance(error, OSError) and text else f"{type(error).__name__}: {text}".removesuffix(": ")
