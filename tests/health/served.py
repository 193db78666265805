"""A server that answers what a test tells it, byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from lvdeploy.model import Slot


@dataclass
class Served:
    """``answers`` are whole responses by path; an empty one leaves the caller waiting."""

    slot: Slot
    requests: list[str] = field(default_factory=list)


def response(status: int, body: str | bytes, *, headers: str = "") -> bytes:
    content = body.encode() if isinstance(body, str) else body
    return f"HTTP/1.1 {status} Whatever\r\ncontent-length: {len(content)}\r\n{headers}\r\n".encode() + content


@contextlib.asynccontextmanager
async def serving(answers: Mapping[str, bytes]) -> AsyncIterator[Served]:
    requests: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        requests.append(request)
        answer = answers[request.split()[1]]
        if not answer:
            await asyncio.Event().wait()
        writer.write(answer)
        await writer.drain()

    async with accepting(serve) as slot:
        yield Served(slot, requests)


@contextlib.asynccontextmanager
async def accepting(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[Slot]:
    """Serve each connection, and leave none open behind."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await serve(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield Slot("web-1", "127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
        await server.wait_closed()
