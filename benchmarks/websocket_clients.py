"""
What a client of the pump costs beside a plain ``websockets`` client: CPU for each event and for a reconnect, memory.

    python benchmarks/websocket_clients.py --clients 1000 --seconds 5

One echo server in a process of its own, one process for each kind of client, the same work: every client sends a
line a second and reads the answer. CPU seconds of the client process are what to compare; on a busy machine run it
several times. It is no test: nothing fails when it is slow.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import subprocess
import sys
import time

import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from lvdeploy.client import Pump, Route, tls_context
from lvdeploy.swarm.child import raise_file_limit
from lvdeploy.wire.session import Action, Dial, Effect, Found, Input, Lost, Opened, Received, Send, Woken

LINE = '["4","7","lv:phx-GF0000000001","event",{"type":"click","event":"inc","value":{"id":"42","value":"some text"}}]'


class Clicking:
    """Sends a line a second; dials again at once when it is lost."""

    __slots__ = ("idle", "opened", "received", "url", "wake_at")

    def __init__(self, url: str) -> None:
        self.url = url
        self.wake_at: float | None = None
        self.idle = True
        self.opened = 0
        self.received = 0

    def begin(self, now: float) -> list[Effect]:  # noqa: ARG002 - Session's signature
        return [Dial(self.url)]

    def act(self, action: Action, now: float) -> list[Effect]:  # noqa: ARG002 - Session's signature
        return []

    def look(self, selector: str) -> tuple[Found, ...]:  # noqa: ARG002 - Session's signature
        return ()

    def handle(self, event: Input, now: float) -> list[Effect]:
        match event:
            case Received():
                self.received += 1
            case Woken():
                self.wake_at = (self.wake_at or now) + 1.0
                return [Send(LINE)]
            case Opened():
                self.opened += 1
                self.wake_at = now + 1.0
            case Lost():
                self.wake_at = None
                return [Dial(self.url)]
        return []


class Plain:
    """The same with the library's own client, a task a client, as anybody would write it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.opened = 0
        self.received = 0

    async def run(self, dials: asyncio.Semaphore) -> None:
        while True:
            async with dials:
                connection = await connect(self.url, compression=None)
            self.opened += 1
            clicking = asyncio.create_task(self.click(connection))
            try:
                async for _ in connection:
                    self.received += 1
            except ConnectionClosed:
                pass
            finally:
                clicking.cancel()

    async def click(self, connection: ClientConnection) -> None:
        while True:
            await asyncio.sleep(1.0)
            await connection.send(LINE)


closing: set[asyncio.Future[None]] = set()


async def echo(connection: ServerConnection) -> None:
    try:
        async for message in connection:
            if message == "close everybody":
                for each in list(connection.server.connections):
                    closing.add(asyncio.ensure_future(each.close(1012)))
            else:
                await connection.send(message)
    except ConnectionClosed:
        pass


async def serve_forever() -> None:
    async with serve(echo, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def measure(kind: str, url: str, clients: int, seconds: float) -> dict[str, float]:
    process = psutil.Process()
    memory = process.memory_info().rss
    began = cpu()
    made: list[Clicking] | list[Plain]
    if kind == "pump":
        route = Route(frozenset({"127.0.0.1"}))
        pump = Pump(now=time.monotonic, emit=lambda _: None, origin=0.0, route=route, tls=tls_context())
        made = [Clicking(url) for _ in range(clients)]
        for number, each in enumerate(made):
            pump.start(str(number), each)
    else:
        made = [Plain(url) for _ in range(clients)]
        dials = asyncio.Semaphore(200)
        tasks = [asyncio.create_task(each.run(dials)) for each in made]
        assert tasks
    await everyone(made, 1)
    connecting = cpu() - began
    gc.collect()
    gc.freeze()
    await asyncio.sleep(1.5)
    began, before = cpu(), sum(each.received for each in made)
    await asyncio.sleep(seconds)
    events = sum(each.received for each in made) - before
    steady = cpu() - began
    size = (process.memory_info().rss - memory) / clients
    began, wall = cpu(), time.monotonic()
    async with connect(url, compression=None) as control:
        await control.send("close everybody")
        await everyone(made, 2)
    return {
        "µs an event": 1e6 * steady / max(1, events),
        "KB a client": size / 1024,
        "µs a connect": 1e6 * connecting / clients,
        "µs a reconnect": 1e6 * (cpu() - began) / clients,
        "s until all were back": time.monotonic() - wall,
    }


async def everyone(made: list[Clicking] | list[Plain], opened: int) -> None:
    while any(each.opened < opened for each in made):  # noqa: ASYNC110 - what is counted is not to be touched
        await asyncio.sleep(0.05)


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def compare(clients: int, seconds: float, rounds: int) -> None:
    for _ in range(rounds):
        for kind in ("pump", "websockets"):
            server = subprocess.Popen(
                [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            arguments = [sys.executable, __file__, "--measure", kind, "--url", f"ws://127.0.0.1:{port}/"]
            answer = subprocess.check_output([*arguments, "--clients", str(clients), "--seconds", str(seconds)])
            server.kill()
            server.wait()
            figures = json.loads(answer)
            print(f"{kind:12}", "  ".join(f"{name}: {value:8.1f}" for name, value in figures.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", choices=("pump", "websockets"), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    raise_file_limit()
    try:
        import uvloop

        factory = uvloop.new_event_loop
    except ImportError:
        factory = None
    with asyncio.Runner(loop_factory=factory) as runner:
        if options.serve:
            runner.run(serve_forever())
        elif options.measure:
            figures = runner.run(measure(options.measure, options.url, options.clients, options.seconds))
            print(json.dumps(figures), flush=True)
            os._exit(0)  # the clients end with the process; only the figures count
        else:
            compare(options.clients, options.seconds, options.rounds)


if __name__ == "__main__":
    main()
