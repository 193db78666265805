"""
The few lines between lvdeploy and a command that outlives it: write who it is, then become it.

Run by its path with ``python -I``, so that nothing in the command's directory or environment is
imported by mistake; for that reason it imports the standard library only (and psutil where there is
no /proc). The order comes on stdin, a failure goes to the descriptor that the order names, and that
descriptor closes by itself when the command runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

_PROC = Path("/proc/self/stat").exists()


@dataclass(frozen=True, slots=True)
class Order:
    """What to become, and what to write first."""

    argv: list[str]
    environment: dict[str, str]
    directory: str
    record: str
    facts: dict[str, str]
    report_to: int

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def main() -> int:
    order = Order(**json.load(sys.stdin))
    os.set_inheritable(order.report_to, False)  # noqa: FBT003 # takes it so only
    # What lvdeploy was itself given (a lock of flock(1), a pipe of a build server) must not live on with the command.
    os.closerange(3, order.report_to)
    os.closerange(order.report_to + 1, os.sysconf("SC_OPEN_MAX"))
    try:
        _become(order)
    except OSError as error:
        with contextlib.suppress(OSError):  # whoever asked may be gone
            os.write(order.report_to, sentence(error).encode(errors="replace"))
    return 127


def birth(pid: int) -> str | None:
    """Return a mark of that process's start that no setting of the clock moves; ``None`` when it is gone or dead."""
    if _PROC:
        state_and_start = _state_and_start(pid)
        return None if state_and_start is None else f"{_boot()}/{state_and_start[1]}"
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.6f}"
    except psutil.NoSuchProcess:
        return None


def replace_file(path: Path, content: bytes, *, mode: int = 0o600, staging: Path | None = None) -> None:
    """Replace a file atomically and durably; a leftover of an interrupted replacement is written over."""
    temporary = (staging or path.parent) / f".{path.name}.new"
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_directory(path.parent)


def sentence(error: OSError) -> str:
    """Say what went wrong with which file, without Python's error number."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else reason


# Private


def _become(order: Order) -> None:
    os.chdir(order.directory)
    record = Path(order.record)
    replace_file(record, _record(order))
    _forget_pythons_signals()
    sys.stdin.close()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.execvpe(order.argv[0], order.argv, order.environment)  # noqa: S606 # no shell, as meant
    except OSError as error:
        record.unlink()
        raise OSError(error.errno, error.strerror) from None


def _record(order: Order) -> bytes:
    pid = os.getpid()
    document = {
        "pid": pid, "started": _started(pid), "birth": birth(pid), "argv": order.argv, "facts": order.facts,
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def _started(pid: int) -> float:
    if _PROC:
        state_and_start = _state_and_start(pid)
        assert state_and_start is not None  # noqa: S101 # it is this process
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - state_and_start[1] / os.sysconf("SC_CLK_TCK")
        return round(time.time() - age, 2)
    import psutil

    return psutil.Process(pid).create_time()


def _state_and_start(pid: int) -> tuple[str, int] | None:
    """Return the start in clock ticks since boot (proc(5): field 22); ``None`` for zombies and nobody."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name stands in brackets and may itself hold brackets and blanks.
    fields = stat.rpartition(b")")[2].split()
    state = fields[0].decode()
    return None if state in "ZXx" else (state, int(fields[19]))


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "boot"


def _forget_pythons_signals() -> None:
    """Give back the dispositions that Python, nohup or a shell's ``&`` changed; exec keeps what is ignored."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
