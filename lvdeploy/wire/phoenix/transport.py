"""What carries a socket's frames: its websocket, or long polling from the moment it falls back to that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lvdeploy.wire.phoenix.long_poll import LongPoll
from lvdeploy.wire.session import Close, Dial, Effect, Send

WEBSOCKET = "websocket"
LONG_POLL = "longpoll"


@dataclass(slots=True)
class Fallback:
    """
    When a page's socket turns to long polling; phoenix socket.js longPollFallbackMs, in seconds.

    ``memorized`` is the browser's session storage: it outlives the page, and the next one begins with polling.
    """

    after: float
    memorized: bool = False


class Transport:
    """
    The one connection of a socket, whichever way it is made.

    A socket that fell back stays with long polling until its page is gone. ``falls_back_at`` is when a
    websocket that is not open, or open and not proven by a ping, is given up. Times are monotonic seconds.
    """

    __slots__ = ("_dial", "_fallback", "_out", "_poll", "_proven", "falls_back_at", "is_polling", "long_poll")

    def __init__(
        self,
        *,
        out: list[Effect],
        dial: Callable[[], Dial],
        poll: Callable[[], LongPoll] | None = None,
        fallback: Fallback | None = None,
    ) -> None:
        self._out = out
        self._dial = dial
        self._poll = poll
        self._fallback = fallback
        self._proven = False
        self.is_polling = False
        self.long_poll: LongPoll | None = None
        self.falls_back_at: float | None = None

    @property
    def name(self) -> str:
        return LONG_POLL if self.is_polling else WEBSOCKET

    @property
    def can_fall_back(self) -> bool:
        return self._fallback is not None and self._poll is not None and not self.is_polling

    @property
    def wake_at(self) -> tuple[float | None, float | None]:
        return self.falls_back_at, self.long_poll.wake_at if self.long_poll is not None else None

    def connect(self, now: float) -> None:
        """Make a new connection."""
        self._watch(now)
        if self._fallback is not None and self._fallback.memorized:
            self.fall_back()
        if self.is_polling and self._poll is not None:
            self.long_poll = self._poll()
            self.long_poll.begin(now)
        else:
            self._out.append(self._dial())

    def opened(self, now: float) -> bool:
        """Take in that it is open; return whether a ping must prove it."""
        self._watch(now)
        if self.is_polling and self._fallback is not None and not self._proven:
            # socket.js: only a page whose websocket never worked tells the next one
            self._fallback.memorized = True
        return self.can_fall_back

    def proven(self) -> None:
        """Take in the answer to the ping."""
        self._proven = True
        self.falls_back_at = None

    def fall_back(self) -> None:
        """Poll from the next connection on."""
        self.is_polling = self.can_fall_back or self.is_polling
        self.falls_back_at = None

    def send(self, frame: str | bytes) -> None:
        if self.long_poll is not None:
            self.long_poll.send(frame)
        else:
            self._out.append(Send(frame))

    def flush(self, now: float) -> None:
        """Let out what long polling gathers over a turn."""
        if self.long_poll is not None:
            self.long_poll.flush(now)

    def close(self, code: int, reason: str) -> None:
        """End the connection, or the attempt at one."""
        if self.long_poll is None:
            self._out.append(Close(code, reason))
        self.dropped()

    def dropped(self) -> None:
        """Take in that there is no connection any more."""
        self.falls_back_at = None
        if self.long_poll is not None:
            self.long_poll.close()
            self.long_poll = None

    def _watch(self, now: float) -> None:
        self.falls_back_at = now + self._fallback.after if self._fallback is not None and self.can_fall_back else None
