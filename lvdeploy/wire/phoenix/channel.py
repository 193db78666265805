"""A channel: one topic joined over a socket, as phoenix channel.js and push.js keep it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, TypeAlias, TypeVar

Owner = TypeVar("Owner")
"""Whoever joins channels: a view, a topic's own state …"""

Context = TypeVar("Context")
"""What a sender remembers of an event until its answer."""

JOIN_TIMEOUT = 10.0
"""Seconds until a join without a reply is given up; phoenix constants.js DEFAULT_TIMEOUT."""

LEAVE_TIMEOUT = JOIN_TIMEOUT


class State(IntEnum):
    """phoenix constants.js CHANNEL_STATES; ``leaving`` is over at once, see ``Socket.leave``."""

    CLOSED = 0
    ERRORED = 1
    JOINING = 2
    JOINED = 3


class Channel(Generic[Owner]):
    """
    One topic's state.

    ``payload`` is asked for at every join, so a rejoin carries what is true then. ``owner`` is whoever
    happenings of this channel are for. Times are monotonic seconds.
    """

    __slots__ = (
        "buffered", "join_deadline", "join_ref", "joining_since", "owner", "payload", "rejoin_at", "rejoin_tries",
        "state", "topic",
    )  # fmt: skip

    def __init__(self, topic: str, *, owner: Owner, payload: Callable[[], dict[str, Any]]) -> None:
        self.topic = topic
        self.owner = owner
        self.payload = payload
        self.state = State.CLOSED
        self.join_ref: str | None = None
        self.joining_since = 0.0
        self.join_deadline: float | None = None
        self.buffered: dict[str, Any] | None = None
        """The join's payload while it waits for the socket to open; built when the join was asked for."""
        self.rejoin_at: float | None = None
        self.rejoin_tries = 0

    @property
    def is_joined(self) -> bool:
        return self.state is State.JOINED

    def accepts(self, topic: str, join_ref: str | None) -> bool:
        """Return whether a frame is for this join of this channel; broadcasts carry no join_ref."""
        # phoenix channel.js isMember
        return topic == self.topic and (not join_ref or join_ref == self.join_ref)

    def forget_join(self) -> None:
        """Take back the join that is under way: its reply is not for us any more."""
        self.join_ref = None
        self.join_deadline = None
        self.buffered = None


class Push(Generic[Owner, Context]):
    """An event on its way; ``context`` is what its sender remembers of it."""

    __slots__ = ("channel", "context", "deadline", "event", "ref", "sent_at")

    def __init__(
        self, channel: Channel[Owner], ref: str, event: str, *, sent_at: float, deadline: float, context: Context
    ) -> None:
        self.channel = channel
        self.ref = ref
        self.event = event
        self.sent_at = sent_at
        self.deadline = deadline
        self.context = context


# What a socket tells of its channels


@dataclass(frozen=True, slots=True)
class Joined(Generic[Owner]):
    """A join was answered ok; ``took`` is seconds from join to reply."""

    channel: Channel[Owner]
    response: dict[str, Any]
    took: float


@dataclass(frozen=True, slots=True)
class JoinFailed(Generic[Owner]):
    """A join was answered with an error, or not at all: then ``response`` is ``{"reason": "timeout"}``."""

    channel: Channel[Owner]
    response: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered(Generic[Owner, Context]):
    """A push was answered; ``status`` is the server's, or ``timeout``."""

    push: Push[Owner, Context]
    status: str
    response: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pushed(Generic[Owner]):
    """The server pushed an event."""

    channel: Channel[Owner]
    event: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Errored(Generic[Owner]):
    """The channel's process died, or with ``transport`` the connection under it."""

    channel: Channel[Owner]
    reason: str
    transport: bool


@dataclass(frozen=True, slots=True)
class Closed(Generic[Owner]):
    """The server closed the channel; it is not joined again."""

    channel: Channel[Owner]


Happening: TypeAlias = (
    Joined[Owner] | JoinFailed[Owner] | Answered[Owner, Context] | Pushed[Owner] | Errored[Owner] | Closed[Owner]
)
