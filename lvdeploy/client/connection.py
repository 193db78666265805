"""One websocket connection: bytes of a transport on one side, a session's inputs on the other."""

from __future__ import annotations

import asyncio
from typing import Protocol, TypeAlias, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, InvalidURI
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from lvdeploy.wire.session import Headers, Lost, Opened, Received, Refused

ConnectionEvent: TypeAlias = Opened | Refused | Received | Lost

# Chromium's WebSocketImpl: kHandshakeTimeoutIntervalInSeconds and kUnderlyingConnectionCloseTimeoutSeconds
HANDSHAKE_PATIENCE = 240.0
CLOSE_PATIENCE = 2.0

MESSAGE_LIMIT = 4 * 1024 * 1024
WRITE_LIMIT = 4 * 1024 * 1024


class Owner(Protocol):
    """Whom a connection tells what happened to it."""

    def happened(self, connection: Connection, event: ConnectionEvent) -> None:
        """Take an input for the session."""
        ...

    def settled(self, connection: Connection) -> None:
        """Learn that the handshake is answered, or will never be."""
        ...

    def patient(self, connection: Connection, seconds: float | None) -> None:
        """Call ``give_up`` after so many seconds, or do not any more."""
        ...

    def ended(self, connection: Connection) -> None:
        """Forget the connection: it has no transport and will get none. May be told twice."""
        ...


class Connection(asyncio.BufferedProtocol):
    """
    Tells its owner ``Opened`` or ``Refused`` once, then ``Received`` and at last ``Lost``; nothing once abandoned.

    ``buffer`` may be shared by all connections of a loop: what is read is copied out before the next read.
    """

    __slots__ = ("_buffer", "_opened", "_owner", "_parts", "_protocol", "_text", "_transport", "over", "patience")

    def __init__(self, url: str, headers: Headers, *, owner: Owner, buffer: memoryview) -> None:
        """Raises ``ValueError`` where ``url`` is not one of a websocket."""
        try:
            uri = parse_uri(url)
        except InvalidURI as error:
            raise ValueError(str(error)) from None
        # no extensions: compression would cost 50 KB and a third more CPU a client
        self._protocol = ClientProtocol(uri, max_size=MESSAGE_LIMIT)
        request = self._protocol.connect()
        for name, value in headers:
            request.headers[name] = value
        self._protocol.send_request(request)
        self._owner = owner
        self._buffer = buffer
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        self._text = True
        self._opened = False
        self.over = False
        self.patience = HANDSHAKE_PATIENCE

    @property
    def connected(self) -> bool:
        """True while it has a transport."""
        return self._transport is not None

    # What the owner asks for

    def send(self, frame: str | bytes) -> None:
        """Send one whole message; dropped where the connection is not open, as a browser does while it closes."""
        if self._protocol.state is not State.OPEN or self.over:
            return
        if isinstance(frame, str):
            self._protocol.send_text(frame.encode())
        else:
            self._protocol.send_binary(frame)
        self._flush()

    def abandon(self, code: int, reason: str) -> None:
        """End it in whatever state it is; the owner hears nothing more of it."""
        if self.over:
            return
        self.over = True
        self._owner.settled(self)
        if self._protocol.state is State.OPEN and self._transport is not None:
            self._protocol.send_close(code, reason)
            self._flush()
            self._owner.patient(self, CLOSE_PATIENCE)
        elif not self._opened:
            self.abort()

    def give_up(self) -> None:
        """Act on patience that ran out: the peer neither answered nor closed."""
        if not self._opened:
            self.refuse(None, f"no answer to the handshake within {self.patience:g} s")
        else:
            self.abort()

    def abort(self) -> None:
        """Cut the transport without a word."""
        self._owner.patient(self, None)
        if self._transport is not None:
            self._transport.abort()
        else:
            self._owner.ended(self)

    def refuse(self, status: int | None, reason: str) -> None:
        """Tell the owner that it did not open."""
        if self.over:
            return
        self.over = True
        self._owner.settled(self)
        self._owner.happened(self, Refused(status, reason))
        self.abort()

    # What the transport says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self.over:
            self._transport.abort()
            return
        self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._protocol.receive_data(bytes(self._buffer[:nbytes]))
        self._advance()

    def eof_received(self) -> bool:
        self._protocol.receive_eof()
        self._advance()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.receive_eof()
        self._transport = None
        if not self._opened:
            self.refuse(None, str(exc or "connection closed before the handshake was answered"))
        elif not self.over:
            self.over = True
            code = self._protocol.close_code or CloseCode.ABNORMAL_CLOSURE
            self._owner.happened(self, Lost(int(code), self._protocol.close_reason or ""))
        self._owner.ended(self)

    def _advance(self) -> None:
        events = self._protocol.events_received()
        self._flush()
        for event in events:
            if isinstance(event, Response):
                self._answered(event)
            elif isinstance(event, Frame):
                self._frame(event)
        if self._protocol.handshake_exc is not None:
            self._refused_by(self._protocol.handshake_exc)
        elif self._protocol.state is State.CLOSING:
            self._owner.patient(self, CLOSE_PATIENCE)

    def _answered(self, response: Response) -> None:
        if self._protocol.handshake_exc is not None or self.over:
            return
        self._opened = True
        self._owner.patient(self, None)
        self._owner.settled(self)
        self._owner.happened(self, Opened(tuple(response.headers.raw_items())))

    def _refused_by(self, error: Exception) -> None:
        if isinstance(error, InvalidStatus):
            response = error.response
            self.refuse(response.status_code, response.reason_phrase)
        else:
            self.refuse(None, str(error))

    def _frame(self, frame: Frame) -> None:
        if self.over or frame.opcode not in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            return
        if frame.opcode is not Opcode.CONT:
            self._text = frame.opcode is Opcode.TEXT
        if not frame.fin:
            self._parts.append(bytes(frame.data))
            return
        data = bytes(frame.data)
        if self._parts:
            data = b"".join((*self._parts, data))
            self._parts.clear()
        self._message(data)

    def _message(self, data: bytes) -> None:
        if not self._text:
            self._owner.happened(self, Received(data))
            return
        try:
            text = data.decode()
        except UnicodeDecodeError:
            if self._protocol.state is State.OPEN:
                self._protocol.fail(CloseCode.INVALID_DATA)
                self._flush()
            return
        self._owner.happened(self, Received(text))

    def _flush(self) -> None:
        writes = self._protocol.data_to_send()
        if self._transport is None or self._transport.is_closing():
            return
        for data in writes:
            if data:
                self._transport.write(data)
            else:
                self._transport.close()
        if self._transport.get_write_buffer_size() > WRITE_LIMIT:
            self._transport.abort()
