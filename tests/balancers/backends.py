"""Small real applications behind the balancer: HTTP and echoing websockets, each saying who answered."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from lvdeploy.model import PIN_HEADER


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as a backend saw it; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Backend:
    """``healthy`` is what /health answers. A request for /die is read, counted and never answered."""

    name: str
    port: int = 0
    healthy: bool = True
    asked: list[Asked] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _serving: set[asyncio.Future[None]] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """Die as by SIGKILL: no more accepts, every connection cut."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for each in tuple(self._writers):
            each.transport.abort()
        await asyncio.gather(*self._serving)

    def seen(self, path: str) -> int:
        return sum(each.path == path for each in self.asked)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        ended = asyncio.get_running_loop().create_future()
        self._serving.add(ended)
        try:
            while head := await _head(reader):
                asked = _parsed(head)
                if asked.headers.get("upgrade", "").lower() == "websocket":
                    self.asked.append(asked)
                    await self._echo(head, reader, writer)
                    return
                await reader.readexactly(int(asked.headers.get("content-length", 0)))
                if asked.path != "/health":
                    self.asked.append(asked)
                if asked.path == "/die":
                    return
                writer.write(self._answer(asked))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self._writers.discard(writer)
            self._serving.discard(ended)
            writer.transport.abort()
            ended.set_result(None)

    def _answer(self, asked: Asked) -> bytes:
        status = "503 Service Unavailable" if asked.path == "/health" and not self.healthy else "200 OK"
        body = json.dumps({"server": self.name, "pin": asked.headers.get(PIN_HEADER.lower())}).encode()
        return f"HTTP/1.1 {status}\r\nx-instance: {self.name}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body

    async def _echo(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = ServerProtocol()
        protocol.receive_data(head)
        (request,) = protocol.events_received()
        assert isinstance(request, Request)
        response = protocol.accept(request)
        response.headers["x-instance"] = self.name
        protocol.send_response(response)
        while True:
            writer.write(b"".join(protocol.data_to_send()))
            await writer.drain()
            data = b"" if protocol.close_expected() else await reader.read(65_536)
            if not data:
                writer.close()
                return await writer.wait_closed()
            protocol.receive_data(data)
            for event in protocol.events_received():
                if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    protocol.send_text(bytes(event.data))


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _parsed(head: bytes) -> Asked:
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Asked(method, path, headers)
