"""One topic's state in the hands of a user: what waits to be pushed, and what was heard."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from lvdeploy.wire.phoenix.channel import Channel
from lvdeploy.wire.session import Found

MOST_HEARD: Final = 100
"""Messages kept of a topic, the newest; and the characters of their frames."""

LONGEST_HEARD: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Waiting:
    """A push that waits for its topic to be joined, until ``deadline``."""

    event: str
    payload: dict[str, Any]
    deadline: float


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of the server, and how long its frame was."""

    event: str
    payload: Mapping[str, Any]
    size: int


class Topic:
    """A topic as its user has it; ``joins`` counts the good ones."""

    __slots__ = ("_heard", "_response", "_size", "channel", "joins", "waiting")

    def __init__(self, name: str, params: Mapping[str, object]) -> None:
        self.channel: Channel[Topic] = Channel(name, owner=self, payload=lambda: dict(params))
        self.joins = 0
        self.waiting: list[Waiting] = []
        self._response: Mapping[str, Any] | None = None
        self._heard: deque[Heard] = deque(maxlen=MOST_HEARD)
        self._size = 0

    @property
    def wake_at(self) -> float | None:
        return min((each.deadline for each in self.waiting), default=None)

    def joined(self, response: Mapping[str, Any]) -> None:
        self.joins += 1
        self._response = response

    def hear(self, event: str, payload: Mapping[str, Any], *, size: int) -> None:
        """Keep a message, and forget the oldest that are too many or too long together."""
        if len(self._heard) == MOST_HEARD:
            self._size -= self._heard.popleft().size
        self._heard.append(Heard(event, payload, size))
        self._size += size
        while self._size > LONGEST_HEARD and len(self._heard) > 1:
            self._size -= self._heard.popleft().size

    def take_late(self, now: float) -> list[Waiting]:
        """Take out what waited too long."""
        late = [each for each in self.waiting if each.deadline <= now]
        self.waiting = [each for each in self.waiting if each.deadline > now]
        return late

    def joined_with(self) -> tuple[Found, ...]:
        """Return the response to the last good join, if there was one."""
        return (_found(self._response),) if self._response is not None else ()

    def heard_of(self, event: str) -> tuple[Found, ...]:
        """Return what was heard of an event, oldest first."""
        return tuple(_found(each.payload) for each in self._heard if each.event == event)


def _found(payload: Mapping[str, Any]) -> Found:
    """Show a payload as an element: its JSON as text, each key an attribute, strings as they are."""
    attributes = {key: value if isinstance(value, str) else _json(value) for key, value in payload.items()}
    return Found(_json(payload), attributes)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
