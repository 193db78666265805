"""What lvdeploy asks of a machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ended; output is decoded with errors replaced and cut at a bound."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Record:
    """
    Who was started: written by the launcher before it becomes the command.

    ``started`` is the process's start time in epoch seconds, as it was reckoned then. ``birth`` is the
    host's own mark of that start, which stays when somebody sets the clock: with ``pid`` it tells this
    process from another that got the same number later. ``facts`` are the starter's own words (slot,
    version, run …).
    """

    pid: int
    started: float
    birth: str
    argv: tuple[str, ...]
    facts: Mapping[str, str]


class Host(Protocol):
    """A machine on which lvdeploy runs commands and keeps files. Raises ``HostError``."""

    async def run(
        self, argv: Sequence[str], *, timeout: float, environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> Completed:
        """
        Run a command to its end; no shell. Killed at ``timeout`` seconds, which raises ``HostError``.

        ``environment`` is added to lvdeploy's own, here and in ``spawn``.
        """
        ...

    async def spawn(
        self, argv: Sequence[str], *, record: Path, log: Path, facts: Mapping[str, str],
        environment: Mapping[str, str] | None = None, directory: Path | None = None,
    ) -> Record:
        """
        Start a command that outlives lvdeploy: own session, output appended to ``log``, no pipe.

        A small launcher writes the record and then becomes the command, so that whoever is there is
        known even if lvdeploy dies in between. Returns when the record is written and the command
        runs; raises where the recorded process still lives, and where there is no such command.
        """
        ...

    async def recorded(self, record: Path) -> Record | None:
        """Return the record if its process still lives, else ``None``."""
        ...

    async def last_recorded(self, record: Path) -> Record | None:
        """Return the record whether its process lives or not, ``None`` where there is none."""
        ...

    async def signal(self, record: Record, number: int) -> bool:
        """
        Signal the process and its group if it is still the recorded one; False where it is gone.

        A group that outlives its leader is still signalled by whom saw the leader alive before.
        Signal 0 only asks.
        """
        ...

    async def read(self, path: Path, *, start: int = 0) -> bytes | None:
        """Return a file's content from that byte on, ``None`` where there is no file."""
        ...

    async def size(self, path: Path) -> int:
        """Return a file's length in bytes, 0 where there is none."""
        ...

    async def write(self, path: Path, content: bytes, *, mode: int = 0o600, staging: Path | None = None) -> None:
        """
        Replace a file atomically and durably (temporary file, fsync, rename, fsync of the directory).

        The temporary file is hidden, beside the file or in ``staging``, which must be on the same disk.
        """
        ...

    async def remove(self, path: Path) -> None:
        """Remove a file; nothing happens where there is none."""
        ...

    async def make_directory(self, path: Path) -> None:
        """Make a directory, for this user only, and those above it; nothing happens where it is there."""
        ...

    async def names(self, directory: Path) -> tuple[str, ...]:
        """Return the names in a directory in order, without hidden ones; none where it does not exist."""
        ...
