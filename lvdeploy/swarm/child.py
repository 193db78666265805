"""The life of a swarm's process: its order comes in on stdin, observations go out on stdout, and it ends with stdin."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeAlias, cast

from lvdeploy.model import Observation
from lvdeploy.swarm.lines import encode

Emit: TypeAlias = Callable[[Observation], None]
Work: TypeAlias = Callable[[bytes, Emit, asyncio.Event], Awaitable[None]]

_log = logging.getLogger(__name__)

ORDER_LIMIT = 64 * 1024 * 1024
BACKLOG_LIMIT = 256 * 1024 * 1024
FLUSH_PERIOD = 0.02
LAST_WORDS = 30
"""Seconds from being told to end to the end, whatever still hangs."""


def main(work: Work) -> None:
    """Run ``work(order, emit, stop)`` until it returns; it is to return soon after ``stop`` is set."""
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    raise_file_limit()
    # the terminal's Ctrl-C and hang-up go to the whole group; the parent decides, and closes stdin
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with asyncio.Runner(loop_factory=_fast_loop()) as runner:
            runner.run(_live(work))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is said and ends the process
        _log.exception("the process ends")
        # the last line is what the parent tells people
        raise SystemExit(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}") from None


async def _live(work: Work) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, _end, stop)
    stdin = asyncio.StreamReader(limit=ORDER_LIMIT)
    inlet, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    outlet = Outlet(stop)
    await loop.connect_write_pipe(lambda: outlet, sys.stdout)
    order = await stdin.readline()
    watch = loop.create_task(_until_closed(stdin, stop))
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        if order:
            await work(order, outlet.emit, stop)
    finally:
        watch.cancel()
        inlet.close()
        await outlet.close()


class Outlet(asyncio.Protocol):
    """Observations gathered and written a few times a second; sets ``stop`` when nobody reads them any more."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._closed = asyncio.Event()
        self._lines: list[bytes] = []
        self._transport: asyncio.WriteTransport | None = None

    def emit(self, observation: Observation) -> None:
        self._lines.append(encode(observation))
        if len(self._lines) == 1:
            asyncio.get_running_loop().call_later(FLUSH_PERIOD, self._flush)

    async def close(self) -> None:
        """Write out what is left, as long as somebody reads."""
        self._flush()
        if self._transport is not None:
            self._transport.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), 5)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._closed.set()
        _end(self._stop)

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if self._transport is None or not lines:
            return
        self._transport.write(b"".join(lines))
        if self._transport.get_write_buffer_size() > BACKLOG_LIMIT:
            self._transport.abort()


def raise_file_limit() -> int:
    """Raise the limit of open files as far as it goes, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


async def _until_closed(stdin: asyncio.StreamReader, stop: asyncio.Event) -> None:
    while await stdin.read(65536):
        pass
    _end(stop)


def _end(stop: asyncio.Event) -> None:
    if not stop.is_set():
        signal.alarm(LAST_WORDS)
        stop.set()


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
