"""The frames of one direction of a websocket, found in the bytes that pass by."""

from __future__ import annotations

from dataclasses import dataclass

from websockets.frames import Close, Frame, Opcode


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of one frame; ``ends`` with its last ones."""

    data: bytes
    opcode: int
    ends: bool


class FrameScanner:
    """Knows where frames end without holding payloads back; only an incomplete header waits for its rest."""

    __slots__ = ("_held", "_left", "_opcode")

    def __init__(self) -> None:
        self._held = b""
        self._left = 0
        self._opcode = 0

    @property
    def between_frames(self) -> bool:
        """True where a frame of one's own may be put in."""
        return not self._left

    def take(self, data: bytes) -> list[Piece]:
        """Return what can be passed on now."""
        data, self._held = self._held + data, b""
        pieces: list[Piece] = []
        while data:
            if self._left:
                size = min(self._left, len(data))
                self._left -= size
            else:
                frame = _extent(data)
                if frame is None:
                    self._held = data
                    break
                size, self._opcode = min(frame, len(data)), data[0] & 0x0F
                self._left = frame - size
            pieces.append(Piece(data[:size], self._opcode, ends=not self._left))
            data = data[size:]
        return pieces


def close_frame(code: int, *, masked: bool) -> bytes:
    """Return a close frame; those of clients are masked."""
    return Frame(Opcode.CLOSE, Close(code, "").serialize()).serialize(mask=masked)


# Private


def _extent(data: bytes) -> int | None:
    """Return the length of the frame that begins here, header and payload; ``None`` while the header is incomplete."""
    if len(data) < 2:
        return None
    length, masked = data[1] & 0x7F, data[1] & 0x80
    # RFC 6455, 5.2: 126 and 127 say that the length is in the next 2 or 8 bytes
    extended = {126: 2, 127: 8}.get(length, 0)
    header = 2 + extended + (4 if masked else 0)
    if len(data) < header:
        return None
    return header + (int.from_bytes(data[2 : 2 + extended]) if extended else length)
