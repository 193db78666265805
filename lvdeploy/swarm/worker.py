"""One process of a swarm, seen from its parent: given its order, read from, ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable, Sequence

from lvdeploy.errors import LvdeployError
from lvdeploy.swarm.lines import LINE_LIMIT

_log = logging.getLogger(__name__)

STOP_TIMEOUT = 25.0
KILL_TIMEOUT = 2.0


class SwarmFailed(LvdeployError):
    """A process of the swarm ended by itself: from then on nobody watched."""


class Worker:
    """
    ``take`` gets each line the process writes; ``failed`` is called once if it ends before it was told to.

    ``role`` is its name in messages, such as ``shard``.
    """

    def __init__(
        self,
        role: str,
        command: Sequence[str],
        *,
        take: Callable[[bytes], None],
        failed: Callable[[SwarmFailed], None],
    ) -> None:
        self.role = role
        self._command = command
        self._take = take
        self._failed = failed
        self._process: Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._last_words: deque[str] = deque(maxlen=20)
        self._stopping = False

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self, order: bytes) -> None:
        """Start the process and hand it its order; stdin stays open as long as it is to live."""
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, stderr=PIPE, limit=2 * LINE_LIMIT
        )
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._live(process)), loop.create_task(self._listen_to_stderr(process))]
        assert process.stdin is not None  # noqa: S101 - PIPE makes one
        with contextlib.suppress(ConnectionError):
            process.stdin.write(order + b"\n")
            await process.stdin.drain()

    async def stop(self, *, patience: float = STOP_TIMEOUT) -> None:
        """Close its stdin and wait so many seconds for its last words; then SIGTERM, then SIGKILL."""
        self._stopping = True
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, KILL_TIMEOUT), (None, None)):
            _, pending = await asyncio.wait(self._tasks, timeout=seconds)
            if not pending:
                break
            if number is not None:
                level = logging.WARNING if patience == STOP_TIMEOUT else logging.DEBUG
                _log.log(level, "the swarm's %s did not end; sending %s", self.role, number.name)
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)
        await asyncio.gather(*self._tasks)

    async def _live(self, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101 - PIPE makes one
        failure: SwarmFailed | None = None
        try:
            async for line in process.stdout:
                self._take(line)
        except Exception as error:  # noqa: BLE001 - a line too long, or a listener's bug: it must not go unwatched
            _log.error("listening to the swarm's %s", self.role, exc_info=error)
            failure = SwarmFailed(f"the swarm's {self.role} could not be listened to: {error}")
            process.kill()
        code = await process.wait()
        if not self._stopping or failure is not None:
            self._failed(failure or self._explain(code))

    async def _listen_to_stderr(self, process: Process) -> None:
        assert process.stderr is not None  # noqa: S101 - PIPE makes one
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # longer than anybody wants to read
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            self._last_words.append(text)
            _log.warning("%s: %s", self.role, text)

    def _explain(self, code: int) -> SwarmFailed:
        if code == -signal.SIGKILL:
            return SwarmFailed(f"the swarm's {self.role} was killed", hint="it may have run out of memory")
        if code < 0:
            return SwarmFailed(f"the swarm's {self.role} was ended by {signal.Signals(-code).name}")
        words = next((line for line in reversed(self._last_words) if line.strip()), "")
        return SwarmFailed(f"the swarm's {self.role} ended with status {code}" + (f": {words}" if words else ""))


def module_command(module: str) -> tuple[str, ...]:
    """Return how to run one of lvdeploy's own modules as a process."""
    return (sys.executable, "-m", module)
