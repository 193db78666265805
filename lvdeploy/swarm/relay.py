"""One client's connection through the fault proxy, and the one to the target that it stands for."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from contextlib import suppress

from websockets.frames import CloseCode, Opcode

from lvdeploy.client.dialer import explain
from lvdeploy.client.route import Target
from lvdeploy.swarm.frames import FrameScanner, close_frame

BUFFER = 64 * 1024
"""Bytes that may wait in each direction, and the longest head of an answer."""

DIAL_PATIENCE = 30.0
CLOSE_PATIENCE = 1.0
"""Seconds for each side to answer a close frame."""

HEAD_END = b"\r\n\r\n"


class Unreachable(Exception):
    """The target could not be connected to; says why."""


class Relay:
    """
    Carries one request, as the pump makes them, or one websocket; bytes are changed in neither.

    Ended by either side, by ``part`` or by ``cut``.
    """

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._from_client, self._to_client = reader, writer
        self._from_target: StreamReader | None = None
        self._to_target: StreamWriter | None = None
        self._client_frames: FrameScanner | None = None
        self._target_frames: FrameScanner | None = None
        self._code: int | None = None
        self._asked = asyncio.Event()
        self._left_target = False

    @property
    def is_websocket(self) -> bool:
        """True from the target's 101 on, until the connection is asked to end."""
        return self._target_frames is not None and not self._asked.is_set()

    async def run(self, target: Target, *, tls: ssl.SSLContext) -> None:
        """Carry until it is over. Raises ``Unreachable``; the client is cut off then."""
        try:
            self._from_target, self._to_target = await connect(target, tls=tls)
        except Unreachable:
            self._to_client.transport.abort()
            raise
        up = asyncio.create_task(self._carry_up(self._to_target))
        down = asyncio.create_task(self._carry_down(self._from_target))
        asked = asyncio.create_task(self._asked.wait())
        try:
            done, _ = await asyncio.wait({up, down, asked}, return_when=asyncio.FIRST_COMPLETED)
            if asked in done and self._code is not None and self._target_frames is not None:
                await self._part(self._to_target, self._target_frames, self._code, up=up, down=down)
        finally:
            for task in (up, down, asked):
                task.cancel()
            await asyncio.gather(up, down, asked, return_exceptions=True)
            await asyncio.gather(_end(self._to_client), _end(self._to_target))

    def part(self, code: int) -> None:
        """
        Close the client's websocket with ``code``, as a server does that ends in good order.

        The target is left first and given a second to end the user's view, so that it has stored
        what it stores at the end before the user is back; whole frames of its go on to the client until then.
        """
        self._code = code
        self._asked.set()

    def cut(self) -> None:
        """End both connections without a word."""
        self._asked.set()
        for writer in (self._to_client, self._to_target):
            if writer is not None:
                writer.transport.abort()

    # Private

    async def _part(
        self, writer: StreamWriter, frames: FrameScanner, code: int, *, up: asyncio.Task[None],
        down: asyncio.Task[None],
    ) -> None:
        self._leave_target(writer)
        await asyncio.wait({down}, timeout=CLOSE_PATIENCE)
        down.cancel()
        writer.close()
        if not frames.between_frames:
            # the target stopped in the middle of a frame: no close frame can be put there
            self._to_client.transport.abort()
            return
        self._to_client.write(close_frame(code, masked=False))
        await asyncio.wait({up}, timeout=CLOSE_PATIENCE)

    def _leave_target(self, writer: StreamWriter) -> None:
        """Say goodbye to the target as a browser does whose tab is closed, once the client's frame is through."""
        if not self._left_target and (self._client_frames is None or self._client_frames.between_frames):
            self._left_target = True
            writer.write(close_frame(CloseCode.GOING_AWAY, masked=True))

    async def _carry_up(self, writer: StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await self._from_client.read(BUFFER):
                if self._client_frames is None:
                    writer.write(data)
                elif self._pass_up(self._client_frames, data, writer):
                    return
                if not writer.is_closing():
                    await writer.drain()

    def _pass_up(self, frames: FrameScanner, data: bytes, writer: StreamWriter) -> bool:
        """Return True once the client has answered our close frame."""
        for piece in frames.take(data):
            closes = piece.opcode == Opcode.CLOSE
            if not self._left_target:
                writer.write(piece.data)
                self._left_target = closes and piece.ends
            elif closes and self._asked.is_set():
                return True
            if self._asked.is_set() and piece.ends:
                self._leave_target(writer)
        return False

    async def _carry_down(self, reader: StreamReader) -> None:
        try:
            await self._carry_head(reader)
            while data := await reader.read(BUFFER):
                if self._target_frames is None:
                    self._to_client.write(data)
                elif self._pass_down(self._target_frames, data):
                    return
                await self._to_client.drain()
        except ConnectionError:
            # what ended abruptly there ends abruptly here
            self._to_client.transport.abort()

    async def _carry_head(self, reader: StreamReader) -> None:
        while True:
            try:
                head = await reader.readuntil(HEAD_END)
            except asyncio.IncompleteReadError as error:
                self._to_client.write(error.partial)
                return
            except asyncio.LimitOverrunError:
                return
            status = head.split(b" ", 2)[1][:3] if head.count(b" ") else b""
            if status == b"101":
                # the client sends no frame before it has read this
                self._client_frames, self._target_frames = FrameScanner(), FrameScanner()
            self._to_client.write(head)
            if status == b"101" or not status.startswith(b"1"):
                return

    def _pass_down(self, frames: FrameScanner, data: bytes) -> bool:
        """Return True once the target has answered that it was left."""
        for piece in frames.take(data):
            if piece.opcode == Opcode.CLOSE and self._asked.is_set():
                return True
            self._to_client.write(piece.data)
        return False


async def connect(target: Target, *, tls: ssl.SSLContext) -> tuple[StreamReader, StreamWriter]:
    """Connect to the target under its own name. Raises ``Unreachable``."""
    try:
        async with asyncio.timeout(DIAL_PATIENCE):
            return await asyncio.open_connection(
                target.host, target.port, limit=BUFFER, ssl=tls if target.secure else None,
                server_hostname=target.name if target.secure else None,
            )
    except TimeoutError:
        raise Unreachable(f"no connection within {DIAL_PATIENCE:g} s") from None
    except OSError as error:
        raise Unreachable(explain(error)) from error


async def _end(writer: StreamWriter) -> None:
    """Close, what is still to be sent being sent; without a word where that takes too long."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_PATIENCE):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()
