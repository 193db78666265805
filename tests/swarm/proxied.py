"""A service that echoes, a fault proxy before it, and clients of it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from lvdeploy.client import Route, tls_context
from lvdeploy.clock import SystemClock
from lvdeploy.swarm.fault_proxy import FaultProxy
from tests.client.scripted import until

NAME = "demo.example"
QUICK = 1000.0


class Service:
    """Echoes, and remembers how each websocket ended."""

    def __init__(self) -> None:
        self.server: Server
        self.closed: list[int] = []
        self.got: list[str | bytes] = []

    @property
    def port(self) -> int:
        return next(iter(self.server.sockets)).getsockname()[1]

    async def talk(self, connection: ServerConnection) -> None:
        try:
            async for message in connection:
                self.got.append(message)
                await connection.send(message)
        except ConnectionClosed:
            pass
        await connection.wait_closed()
        self.closed.append(connection.close_code or 0)


@asynccontextmanager
async def service(tls: ssl.SSLContext | None = None, **options) -> AsyncIterator[Service]:
    made = Service()
    async with serve(made.talk, "127.0.0.1", 0, ssl=tls, **options) as made.server:
        yield made


def proxy_to(port: int, *, scheme: str = "http", ca: str | None = None) -> FaultProxy:
    target = Route(frozenset([NAME]), ("127.0.0.1", port)).target(f"{scheme}://{NAME}/")
    return FaultProxy(target, tls=tls_context(ca), clock=SystemClock())


@asynccontextmanager
async def proxied(port: int, **options) -> AsyncIterator[FaultProxy]:
    proxy = proxy_to(port, **options)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()


@asynccontextmanager
async def joined(proxy: FaultProxy, count: int = 1, **options) -> AsyncIterator[list[ClientConnection]]:
    clients = [await connect(f"ws://{proxy.address}/live/websocket", proxy=None, **options) for _ in range(count)]
    await until(lambda: proxy.websockets == count)
    try:
        yield clients
    finally:
        for each in clients:
            await each.close()


async def ended(client: ClientConnection) -> int:
    async with asyncio.timeout(20):
        await client.wait_closed()
    return client.close_code or 0
