"""The observations of a run in a file: gzip members appended as they come, readable up to the last whole line."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from lvdeploy.errors import StateError
from lvdeploy.model import Observation
from lvdeploy.swarm.lines import decode

CHUNK = 64 * 1024
GZIP = 31
"""zlib's wbits for one gzip member with its header and checksum."""


class Recorder:
    """
    Appends lines; ``flush`` makes what was added so far survive this process.

    A file that ends within a member is mended first: the lines that can still be read are kept.
    Raises ``StateError`` where the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[bytes] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._mend()
        except OSError as error:
            raise self._failed(error) from error

    def add(self, line: bytes) -> None:
        """Take one line with its end."""
        self._lines.append(line)

    def flush(self) -> None:
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        packer = zlib.compressobj(level=6, wbits=GZIP)
        member = packer.compress(b"".join(lines)) + packer.flush()
        try:
            while member:
                member = member[os.write(self._file, member) :]
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        try:
            self.flush()
        finally:
            os.close(self._file)

    def _mend(self) -> None:
        whole, rest = 0, b""
        for end, text in _members(self._path):
            if end is None:
                rest = text
            else:
                whole = end
        if whole < os.fstat(self._file).st_size:
            os.ftruncate(self._file, whole)
            self._lines.extend(_whole_lines(rest))
            self.flush()

    def _failed(self, error: OSError) -> StateError:
        return StateError(
            f"cannot write observations to {self._path}: {error.strerror}",
            hint="free the disk or choose another state.directory",
        )


def read(path: Path) -> Iterator[Observation]:
    """Yield every observation that was written whole, in order. Raises ``StateError`` if there is no such file."""
    try:
        for end, text in _members(path):
            for line in _whole_lines(text):
                try:
                    yield decode(line)
                except ValueError:
                    if end is not None:
                        raise
                    return
    except OSError as error:
        raise StateError(f"cannot read observations from {path}: {error.strerror}") from error


def _whole_lines(text: bytes) -> list[bytes]:
    # not splitlines: JSON may hold other line ends as they are
    return [line + b"\n" for line in text.split(b"\n")[:-1]]


def _members(path: Path) -> Iterator[tuple[int | None, bytes]]:
    """Yield each member's end in the file and its text; the end is ``None`` for a last one that is cut or damaged."""
    offset = 0
    with path.open("rb") as file:
        left = file.read(CHUNK)
        while left:
            unpacker = zlib.decompressobj(wbits=GZIP)
            text = bytearray()
            while left and not unpacker.eof:
                try:
                    text += unpacker.decompress(left)
                except zlib.error:
                    yield None, bytes(text)
                    return
                offset += len(left)
                left = unpacker.unused_data or file.read(CHUNK)
            offset -= len(unpacker.unused_data)
            if not unpacker.eof:
                yield None, bytes(text + unpacker.flush())
                return
            yield offset, bytes(text)
