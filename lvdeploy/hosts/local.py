"""This machine: commands run and files live here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, ParamSpec, TypeVar

import msgspec
import psutil

from lvdeploy.errors import HostError
from lvdeploy.hook import Hook, nobody
from lvdeploy.hosts import launcher
from lvdeploy.hosts.contract import Completed, Record

_OUTPUT_BOUND = 1024 * 1024
_LAUNCH_DEADLINE = 30.0
_T = TypeVar("_T")
_P = ParamSpec("_P")

_children: set[int] = set()
"""Who was spawned by this very process and must be reaped by it."""


class LocalHost:
    """This machine; see ``Host``."""

    def __init__(self, *, hook: Hook = nobody) -> None:
        self._hook = hook
        self._groups_seen: set[tuple[int, str]] = set()

    async def run(
        self, argv: Sequence[str], *, timeout: float, environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> Completed:
        # Files and not pipes: a daemon that the command leaves behind may keep its output open for ever.
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            try:
                process = await asyncio.create_subprocess_exec(
                    *argv, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=errors,
                    env=_added(environment), cwd=directory, start_new_session=True,
                )
            except OSError as error:
                reason = error.strerror if error.filename == argv[0] else launcher.sentence(error)
                raise HostError(f"cannot run {argv[0]}: {reason}") from None
            code = await _ended(process, timeout=timeout)
            if code is None:
                raise HostError(f"{argv[0]} did not end within {timeout:g}s and was killed{_last_line(errors)}")
            return Completed(code, _beginning(output), _beginning(errors))

    async def spawn(
        self, argv: Sequence[str], *, record: Path, log: Path, facts: Mapping[str, str],
        environment: Mapping[str, str] | None = None, directory: Path | None = None,
    ) -> Record:
        if (there := await self.recorded(record)) is not None:
            raise HostError(f"{record.name} is taken: process {there.pid} ({there.argv[0]}) still runs")
        await self.make_directory(record.parent)
        await self.make_directory(log.parent)
        listening, telling = os.pipe()
        try:
            order = _order(argv, record, facts, environment, directory, telling)
            pid = _launch(order, log=log)
        except OSError as error:
            os.close(listening)
            raise HostError(f"cannot start {argv[0]}: {launcher.sentence(error)}") from None
        finally:
            os.close(telling)
        _children.add(pid)
        self._hook(f"inside spawn: {record.name} launched")
        written = await self._launched(pid, record=record, listening=listening, command=argv[0])
        self._hook(f"inside spawn: {record.name} recorded")
        return written

    async def recorded(self, record: Path) -> Record | None:
        _reap()
        written = await self.last_recorded(record)
        return written if written is not None and self._lives(written) else None

    async def last_recorded(self, record: Path) -> Record | None:
        content = await self.read(record)
        if content is None:
            return None
        try:
            return msgspec.json.decode(content, type=Record)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise HostError(
                f"{record} is not a record that lvdeploy wrote",
                hint="look which process runs there, stop it, and remove the file",
            ) from None

    async def signal(self, record: Record, number: int) -> bool:
        _reap()
        group = (record.pid, record.birth)
        if self._lives(record):
            self._groups_seen.add(group)
        elif group not in self._groups_seen or not group_lives(record.pid):
            self._groups_seen.discard(group)
            return False
        try:
            os.killpg(record.pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            raise HostError(f"process {record.pid} ({record.argv[0]}) belongs to another user") from None
        if number:
            self._hook(f"inside stop: signal {number} sent")
        return True

    async def read(self, path: Path, *, start: int = 0) -> bytes | None:
        try:
            return await asyncio.to_thread(_read, path, start)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise HostError(f"cannot read {launcher.sentence(error)}") from None

    async def size(self, path: Path) -> int:
        try:
            return (await asyncio.to_thread(path.stat)).st_size
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise HostError(f"cannot look at {launcher.sentence(error)}") from None

    async def write(self, path: Path, content: bytes, *, mode: int = 0o600, staging: Path | None = None) -> None:
        await _told("write", path, launcher.replace_file, path, content, mode=mode, staging=staging)
        self._hook(f"inside write: {path.name} renamed")

    async def remove(self, path: Path) -> None:
        await _told("remove", path, path.unlink, missing_ok=True)
        self._hook(f"inside remove: {path.name} gone")

    async def make_directory(self, path: Path) -> None:
        await _told("make the directory", path, path.mkdir, mode=0o700, parents=True, exist_ok=True)

    async def names(self, directory: Path) -> tuple[str, ...]:
        try:
            found = await asyncio.to_thread(os.listdir, directory)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise HostError(f"cannot list {launcher.sentence(error)}") from None
        return tuple(sorted(name for name in found if not name.startswith(".")))

    # Private

    async def _launched(self, pid: int, *, record: Path, listening: int, command: str) -> Record:
        try:
            failure = await _heard(listening, timeout=_LAUNCH_DEADLINE)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise HostError(f"{command} was not started within {_LAUNCH_DEADLINE:.0f}s; is the disk stuck?") from None
        if failure:
            raise HostError(f"cannot start {command}: {failure}")
        written = await self.last_recorded(record)
        if written is None or written.pid != pid:
            raise HostError(f"cannot start {command}: its launcher died before it wrote {record}")
        return written

    def _lives(self, record: Record) -> bool:
        return launcher.birth(record.pid) == record.birth


def group_lives(group: int) -> bool:
    """True while a process of that group is left that is not a zombie."""
    return any(_in_group(pid, group) and launcher.birth(pid) is not None for pid in psutil.pids())


# Private


def _added(environment: Mapping[str, str] | None) -> dict[str, str]:
    return {**os.environ, **(environment or {})}


def _read(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read()


async def _told(deed: str, path: Path, work: Callable[_P, _T], *arguments: _P.args, **options: _P.kwargs) -> _T:
    try:
        return await asyncio.to_thread(work, *arguments, **options)
    except OSError as error:
        raise HostError(f"cannot {deed} {path}: {error.strerror or error}") from None


def _order(
    argv: Sequence[str], record: Path, facts: Mapping[str, str], environment: Mapping[str, str] | None,
    directory: Path | None, report_to: int,
) -> launcher.Order:
    return launcher.Order(
        argv=list(argv), environment=_added(environment), directory=str((directory or Path()).absolute()),
        record=str(record.absolute()), facts=dict(facts), report_to=report_to,
    )


def _launch(order: launcher.Order, *, log: Path) -> int:
    """Start the launcher in a session of its own; whatever happens to lvdeploy now, the order is complete."""
    with tempfile.TemporaryFile() as orders:
        orders.write(order.encode())
        orders.seek(0)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.set_inheritable(order.report_to, True)  # noqa: FBT003 # takes it so only
        try:
            return os.posix_spawn(
                sys.executable, [sys.executable, "-I", launcher.__file__], os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, orders.fileno(), 0),
                    (os.POSIX_SPAWN_DUP2, output, 1),
                    (os.POSIX_SPAWN_DUP2, output, 2),
                ],
                setsid=True, setsigmask=(),
            )
        finally:
            os.close(output)


async def _heard(descriptor: int, *, timeout: float) -> str:
    """Read a pipe to its end."""
    reader = asyncio.StreamReader()
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        async with asyncio.timeout(timeout):
            return (await reader.read(-1)).decode(errors="replace")
    finally:
        transport.close()


async def _ended(process: asyncio.subprocess.Process, *, timeout: float) -> int | None:
    """Return the exit code; kill the process with its group at the timeout or when nobody waits any longer."""
    try:
        async with asyncio.timeout(timeout):
            return await process.wait()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def _beginning(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read(_OUTPUT_BOUND).decode(errors="replace")


def _last_line(errors: IO[bytes]) -> str:
    lines = _beginning(errors).strip().splitlines()
    return f"; it last said: {lines[-1][:200]}" if lines else ""


def _in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group
    except (ProcessLookupError, PermissionError):
        return False


def _reap() -> None:
    for pid in tuple(_children):
        try:
            ended, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            ended = pid
        if ended:
            _children.discard(pid)
