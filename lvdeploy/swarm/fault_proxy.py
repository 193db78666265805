"""The fault proxy: stands on loopback between the clients and one target, and breaks connections as deploys do."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable

from lvdeploy.client.route import Target
from lvdeploy.clock import Clock
from lvdeploy.errors import Refused
from lvdeploy.swarm.relay import BUFFER, Relay, Unreachable, connect

HOST = "127.0.0.1"
LAST_WORDS = 0.4
"""Seconds at the end for close frames to be answered."""


class FaultProxy:
    """
    Speaks plain HTTP and websockets with the clients, and the target's own (with ``tls``, its certificate checked).

    Connects to nothing but the target. Runs on the loop of whoever starts it: breaks are paced, so what
    it carries at one time stays small.
    """

    def __init__(self, target: Target, *, tls: ssl.SSLContext, clock: Clock) -> None:
        self._target = target
        self._tls = tls
        self._clock = clock
        self._reserved: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._relays: dict[Relay, asyncio.Task[object] | None] = {}
        self._holding = False
        self._held: deque[asyncio.Future[None]] = deque()
        self.unreachable = ""
        """Why the target could last not be connected to, empty while it always could."""

    @property
    def address(self) -> str:
        """``host:port`` for the clients to connect to."""
        if self._reserved is None:
            raise AssertionError("not started")
        return f"{HOST}:{self._reserved.getsockname()[1]}"

    @property
    def websockets(self) -> int:
        """How many are open."""
        return sum(relay.is_websocket for relay in self._relays)

    # Its life

    async def start(self) -> None:
        """Try the target once, then listen. Raises ``Refused`` where it cannot be reached."""
        try:
            _, writer = await connect(self._target, tls=self._tls)
        except Unreachable as error:
            name, address = self._target.authority, f"{self._target.host}:{self._target.port}"
            where = name if name == address else f"{name} at {address}"
            raise Refused(
                f"cannot reach {where}: {error}",
                hint="check service.url, verify.connect_to and verify.ca; `lvdeploy status` says what serves",
            ) from error
        writer.transport.abort()
        # bound all the time, also while nobody listens: the port stays ours, and nobody else's answers on it
        self._reserved = _bound(0)
        await self.admit()

    async def close(self) -> None:
        """End every connection, politely at first; nothing listens any more. Does nothing twice."""
        await self.refuse()
        for held in self._held:
            held.cancel()
        for relay in list(self._relays):
            if relay.is_websocket:
                relay.part(1001)
            else:
                relay.cut()
        tasks = [task for task in self._relays.values() if task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=LAST_WORDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._reserved is not None:
            self._reserved.close()

    # Faults

    async def part_all(self, code: int, *, per_second: float) -> int:
        """Close the websockets that are open now with ``code``, so many a second; return how many."""
        return await self._each(lambda relay: relay.part(code), per_second=per_second)

    async def cut_all(self, *, per_second: float) -> int:
        """End the websockets that are open now without a word, so many a second; return how many."""
        return await self._each(Relay.cut, per_second=per_second)

    async def refuse(self) -> None:
        """Let nobody connect; what is connected stays."""
        if self._server is not None:
            server, self._server = self._server, None
            server.close()

    async def admit(self) -> None:
        """Let clients connect again."""
        if self._server is None and self._reserved is not None:
            listener = _bound(self._reserved.getsockname()[1])
            self._server = await asyncio.start_server(self._accept, sock=listener, limit=BUFFER)

    def hold(self) -> None:
        """Answer nobody who connects from now on; what is connected goes on."""
        self._holding = True

    async def release(self, *, per_second: float) -> None:
        """Answer those who were held, so many a second."""
        self._holding = False
        while self._held:
            held = self._held.popleft()
            if not held.done():
                held.set_result(None)
            await self._clock.sleep(1 / per_second)

    # Private

    async def _each(self, fault: Callable[[Relay], None], *, per_second: float) -> int:
        began, broken = self._clock.now(), 0
        for relay in [each for each in self._relays if each.is_websocket]:
            await self._clock.sleep(max(0.0, began + broken / per_second - self._clock.now()))
            if relay.is_websocket:
                fault(relay)
                broken += 1
        return broken

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relay = Relay(reader, writer)
        self._relays[relay] = asyncio.current_task()
        try:
            if self._holding:
                held = asyncio.get_running_loop().create_future()
                self._held.append(held)
                await held
            await relay.run(self._target, tls=self._tls)
        except Unreachable as error:
            self.unreachable = str(error)
        except asyncio.CancelledError:
            relay.cut()
        finally:
            del self._relays[relay]


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # those who left a moment ago keep the port in TIME_WAIT
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.settimeout(0)
    listener.bind((HOST, port))
    return listener
