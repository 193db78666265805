"""Long polling: a connection made of HTTP requests, as phoenix longpoll.js 1.8.16 keeps it."""

from __future__ import annotations

import base64
import json
from typing import Protocol

from lvdeploy.wire.session import Effect, Fetch, Fetched, Headers, Input, Lost, Opened, Received, Refused

TIMEOUT = 20.0
"""Seconds a request may take; phoenix socket.js longpollerTimeout. The server holds a poll for 10 s."""

MAX_BATCH = 100
"""phoenix constants.js MAX_LONGPOLL_BATCH_SIZE."""

# longpoll.js closeAndRetry and close: what each end of the connection is called
TIMED_OUT = (1005, "timeout")
SESSION_GONE = (3410, "session_gone")
FORBIDDEN = (1008, "forbidden")
BROKEN = (1011, "internal server error")


class Request(Protocol):
    """Makes the request of a page's script; the browser adds cookies and its own headers."""

    def __call__(self, method: str, url: str, *, headers: Headers, body: bytes) -> Fetch: ...


class LongPoll:
    """
    One connection, over when it was ``Lost`` or ``Refused``; the next one is a new object.

    It tells what a websocket would tell: ``Opened``, ``Received``, ``Lost``, and ``Refused`` before it was
    open. What it was sent goes out with ``flush``, one batch at a time. Answers to requests it gave up are
    not its own. Times are monotonic seconds.
    """

    __slots__ = ("_out", "_polls", "_posts", "_request", "_token", "_url", "_waiting", "is_open")

    def __init__(self, url: str, *, out: list[Effect], request: Request) -> None:
        self._url = url
        self._out = out
        self._request = request
        self._token = ""
        self._polls: dict[int, float] = {}
        self._posts: dict[int, float] = {}
        self._waiting: list[bytes] = []
        self.is_open = False

    @property
    def wake_at(self) -> float | None:
        return min((*self._polls.values(), *self._posts.values()), default=None)

    def begin(self, now: float) -> None:
        """Ask for a session: its first poll is answered at once."""
        self._poll(now)

    def send(self, frame: str | bytes) -> None:
        # longpoll.js send: binary frames travel as base64
        self._waiting.append(base64.b64encode(frame) if isinstance(frame, bytes) else frame.encode())

    def flush(self, now: float) -> None:
        """Post what waits, unless a batch is still unanswered: call once a turn, as setTimeout 0 does."""
        if self._waiting and not self._posts and self.is_open:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            headers = (("Content-Type", "application/x-ndjson"),)
            self._ask(self._posts, "POST", headers, b"\n".join(batch), now)

    def close(self) -> None:
        """Give up all requests, and what was not posted yet."""
        self.is_open = False
        self._polls.clear()
        self._posts.clear()
        self._waiting.clear()

    def owns(self, number: int) -> bool:
        """Return whether a request is this connection's and still wanted."""
        return number in self._polls or number in self._posts

    def answered(self, answer: Fetched, now: float) -> list[Input]:
        """Take in the answer to a request of its own; the status that counts is the one in the body."""
        body = _parsed(answer.body)
        if self._posts.pop(answer.number, None) is not None:
            ok = isinstance(body, dict) and body.get("status") == 200
            return [] if ok else self._end(BROKEN, answer.status)
        self._polls.pop(answer.number, None)
        if body is None:
            return self._end(BROKEN, answer.status)
        # longpoll.js throws on what else there may be: nothing polls from then on
        return self._polled(body, answer, now) if isinstance(body, dict) else []

    def failed(self) -> list[Input]:
        """Take in that a request of its own got no answer."""
        return self._end(BROKEN, None)

    def woken(self, now: float) -> list[Input]:
        """Give up if a request takes too long."""
        wake_at = self.wake_at
        return self._end(TIMED_OUT, None) if wake_at is not None and wake_at <= now else []

    # Private

    def _polled(self, body: dict[str, object], answer: Fetched, now: float) -> list[Input]:
        status, token, messages = body.get("status"), body.get("token"), body.get("messages")
        if status == 410 and self._token:
            return self._end(SESSION_GONE, 410)
        self._token = token if isinstance(token, str) else self._token
        match status:
            case 410:
                self.is_open = True
                self._poll(now)
                return [Opened(answer.headers)]
            case 200 if isinstance(messages, list):
                self._poll(now)
                return [Received(each) for each in messages if isinstance(each, str)]
            case 204:
                self._poll(now)
            case 403:
                return self._end(FORBIDDEN, 403)
            case 0 | 500:
                return self._end(BROKEN, answer.status)
        return []

    def _poll(self, now: float) -> None:
        self._ask(self._polls, "GET", (("Accept", "application/json"),), b"", now)

    def _ask(self, kept: dict[int, float], method: str, headers: Headers, body: bytes, now: float) -> None:
        # ajax.js writes a token that is null as nothing, after the ampersand
        url = f"{self._url}&token={self._token}" if self._token else f"{self._url}&"
        fetch = self._request(method, url, headers=headers, body=body)
        kept[fetch.number] = now + TIMEOUT
        self._out.append(fetch)

    def _end(self, how: tuple[int, str], status: int | None) -> list[Input]:
        was_open = self.is_open
        self.close()
        return [Lost(*how)] if was_open else [Refused(status, f"long poll: {how[1]}")]


def _parsed(body: bytes) -> object:
    """Return the JSON of a body; ``None`` for what is none, as ajax.js parseJSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
