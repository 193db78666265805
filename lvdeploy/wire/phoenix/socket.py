"""The socket: connection, heartbeats, reconnects and the channels over it, as phoenix socket.js keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any, Generic

from lvdeploy.wire.backoff import reconnect_after, rejoin_after
from lvdeploy.wire.phoenix import message as frames
from lvdeploy.wire.phoenix.channel import (
    JOIN_TIMEOUT,
    Answered,
    Channel,
    Closed,
    Context,
    Errored,
    Happening,
    Joined,
    JoinFailed,
    Owner,
    Push,
    Pushed,
    State,
)
from lvdeploy.wire.phoenix.long_poll import LongPoll
from lvdeploy.wire.phoenix.message import Message
from lvdeploy.wire.phoenix.transport import Fallback, Transport
from lvdeploy.wire.session import Dial, Effect

HEARTBEAT_INTERVAL = 30.0
"""Seconds after the open or the last reply; also how long a reply may take."""

TIMEOUT = "timeout"


class Link(IntEnum):
    """What there is of a connection."""

    CLOSED = 0
    CONNECTING = 1
    OPEN = 2


class Socket(Generic[Owner, Context]):
    """
    Turns frames and time into happenings, and appends what is to be done to ``out``.

    ``dial`` is asked at every attempt, so each carries the URL and cookies of that moment; ``poll`` likewise
    where ``fallback`` lets it turn to long polling. All times are monotonic seconds.
    """

    __slots__ = (
        "_heartbeat_at", "_heartbeat_deadline", "_heartbeat_ref", "_is_wanted", "_ping_ref", "_pushes",
        "_reconnect_tries", "_ref", "_send_buffer", "_transport", "attempts", "channels", "dialed_at", "link",
        "reconnect_at",
    )  # fmt: skip

    def __init__(
        self,
        *,
        out: list[Effect],
        dial: Callable[[], Dial],
        poll: Callable[[], LongPoll] | None = None,
        fallback: Fallback | None = None,
    ) -> None:
        self._transport = Transport(out=out, dial=dial, poll=poll, fallback=fallback)
        self._ref = 0
        self._pushes: dict[str, Push[Owner, Context]] = {}
        self._send_buffer: list[Message] = []
        self._heartbeat_at: float | None = None
        self._heartbeat_deadline: float | None = None
        self._heartbeat_ref: str | None = None
        self._ping_ref: str | None = None
        self._is_wanted = False
        self._reconnect_tries = 0
        self.reconnect_at: float | None = None
        self.attempts = 0
        """Dials since the last open, or since the beginning."""
        self.dialed_at = 0.0
        self.link = Link.CLOSED
        self.channels: dict[str, Channel[Owner]] = {}

    @property
    def is_connected(self) -> bool:
        return self.link is Link.OPEN

    @property
    def transport(self) -> str:
        """Return what the connection is made of, now or at the next attempt."""
        return self._transport.name

    @property
    def long_poll(self) -> LongPoll | None:
        """Return the long polling under way, whose answers and timeouts the owner hands to it."""
        return self._transport.long_poll

    @property
    def wake_at(self) -> float | None:
        return min(self._deadlines(), default=None)

    @property
    def retry_in(self) -> float:
        """Return the wait that a refusal now would be followed by."""
        return 0.0 if self._transport.can_fall_back else reconnect_after(self._reconnect_tries + 1)

    def is_dead(self, now: float) -> bool:
        """Return whether a heartbeat is overdue: ``woken`` will then give the connection up."""
        return _due(self._heartbeat_deadline, now)

    def is_too_slow(self, now: float) -> bool:
        """Return whether ``woken`` will give the websocket up for long polling."""
        return _due(self._transport.falls_back_at, now)

    def pushes(self) -> tuple[Push[Owner, Context], ...]:
        """Return what is unanswered, in order of sending; heartbeats do not count."""
        return tuple(self._pushes.values())

    def pushes_of(self, channel: Channel[Owner]) -> tuple[Push[Owner, Context], ...]:
        """Return what is unanswered of one channel, over earlier connections too."""
        return tuple(push for push in self._pushes.values() if push.channel is channel)

    # Connecting

    def connect(self, now: float) -> None:
        """Dial, unless there is a connection or an attempt at one."""
        if self.link is Link.CLOSED:
            self.reconnect_at = None
            self._is_wanted = True
            self.link = Link.CONNECTING
            self.attempts += 1
            self.dialed_at = now
            self._transport.connect(now)

    def disconnect(self) -> list[Happening[Owner, Context]]:
        """Close for good: channels error, nothing reconnects until ``connect``."""
        self._is_wanted = False
        self._reset_reconnect()
        return self._close("disconnected", code=1000, reason="")

    def shown(self, now: float) -> None:
        """Connect at once where there is no connection; phoenix socket.js 1.8 handleVisibilityChange."""
        if self._is_wanted and self.link is not Link.OPEN:
            if self.link is Link.CONNECTING:
                self._transport.close(1000, "")
                self.link = Link.CLOSED
            self._reset_reconnect()
            self.connect(now)

    def opened(self, now: float) -> None:
        """Take in the open connection: errored channels join again at once, a waiting join is sent."""
        self.link = Link.OPEN
        self.attempts = 0
        self._reset_reconnect()
        # longpoll.js skipHeartbeat: the polls themselves show that it lives
        self._heartbeat_at = None if self.long_poll is not None else now + HEARTBEAT_INTERVAL
        for message in self._send_buffer:
            self._send(message)
        self._send_buffer.clear()
        for channel in tuple(self.channels.values()):
            channel.rejoin_at, channel.rejoin_tries = None, 0
            if channel.buffered is not None:
                channel.joining_since = now
                self._send_join(channel, channel.buffered)
            elif channel.state is State.ERRORED:
                self.join(channel, now)
        if self._transport.opened(now):
            self._ping_ref = self._make_ref()
            self._send(Message(None, self._ping_ref, frames.PHOENIX, frames.HEARTBEAT, {}))

    def flush(self, now: float) -> None:
        """Let out what long polling gathers: call at the end of every turn."""
        self._transport.flush(now)

    def refused(self, now: float) -> list[Happening[Owner, Context]]:
        """Take in that the connection did not open: where that is allowed, no websocket is tried again."""
        if not self._transport.can_fall_back:
            return self.lost(now)
        # socket.js connectWithFallback: joins that wait for the connection wait on
        self.link = Link.CLOSED
        self._fall_back(now)
        return []

    def lost(self, now: float) -> list[Happening[Owner, Context]]:
        """Take in the end of the connection, or of the attempt at one, that we did not ask for."""
        happenings = self._drop("connection_closed")
        # phoenix 1.8.16 reconnects after any close that is not ours; for 1000 LiveView reloads the page instead
        self._schedule_reconnect(now)
        return happenings

    # Channels

    def join(self, channel: Channel[Owner], now: float) -> None:
        """Join or join again; waits for the connection to open if there is none."""
        self.channels[channel.topic] = channel
        channel.state = State.JOINING
        channel.join_ref = self._make_ref()
        channel.joining_since = now
        channel.join_deadline = now + JOIN_TIMEOUT
        channel.rejoin_at = None
        payload = channel.payload()
        if self.is_connected:
            self._send_join(channel, payload)
        else:
            channel.buffered = payload

    def leave(self, channel: Channel[Owner]) -> None:
        """Leave; phoenix channel.js takes the channel for closed without waiting for the reply."""
        if self.channels.get(channel.topic) is channel:
            del self.channels[channel.topic]
        message = Message(channel.join_ref, self._make_ref(), channel.topic, frames.LEAVE, {})
        if self.is_connected:
            self._send(message)
        else:
            self._send_buffer.append(message)
        channel.state = State.CLOSED
        channel.rejoin_at = channel.join_deadline = channel.buffered = None
        self._pushes = {ref: push for ref, push in self._pushes.items() if push.channel is not channel}

    def leave_unjoined(self, topic: str) -> None:
        """Send a leave for a topic that was never joined, as LiveView does for the page's body."""
        self._send(Message(None, self._make_ref(), topic, frames.LEAVE, {}))

    def can_push(self, channel: Channel[Owner]) -> bool:
        return self.is_connected and channel.is_joined

    def push(
        self,
        channel: Channel[Owner],
        event: str,
        payload: dict[str, Any],
        *,
        now: float,
        timeout: float,
        context: Context,
    ) -> Push[Owner, Context]:
        """Send an event whose answer comes back as ``Answered``; the caller has asked ``can_push``."""
        ref = self._make_ref()
        push = Push(channel, ref, event, sent_at=now, deadline=now + timeout, context=context)
        self._pushes[ref] = push
        self._send(Message(channel.join_ref, ref, channel.topic, event, payload))
        return push

    def push_bytes(
        self, channel: Channel[Owner], event: str, data: bytes, *, now: float, timeout: float, context: Context
    ) -> None:
        """Send bytes as an event, otherwise like ``push``."""
        ref = self._make_ref()
        self._pushes[ref] = Push(channel, ref, event, sent_at=now, deadline=now + timeout, context=context)
        frame = frames.encode_binary(
            join_ref=channel.join_ref or "", ref=ref, topic=channel.topic, event=event, data=data
        )
        self._transport.send(frame)

    # What comes in

    def received(self, message: Message, now: float) -> list[Happening[Owner, Context]]:
        """Take in a frame; those for other joins of a topic are dropped, as in phoenix channel.js isMember."""
        if message.ref and message.ref == self._heartbeat_ref:
            self._heartbeat_ref = None
            self._heartbeat_deadline = None
            self._heartbeat_at = now + HEARTBEAT_INTERVAL
        if message.ref and message.ref == self._ping_ref:
            self._ping_ref = None
            self._transport.proven()
        channel = self.channels.get(message.topic)
        if channel is None or not channel.accepts(message.topic, message.join_ref):
            return []
        match message.event:
            case frames.REPLY:
                return self._replied(channel, message, now)
            case frames.ERROR:
                return [self._error(channel, frames.text(message.payload.get("reason")), now=now)]
            case frames.CLOSE:
                return [self._closed(channel)]
            case _:
                return [Pushed(channel, message.event, message.payload)]

    def woken(self, now: float, *, hidden: bool = False) -> list[Happening[Owner, Context]]:
        """Do what is due; a page that is ``hidden`` does not reconnect before it is ``shown``."""
        happenings: list[Happening[Owner, Context]] = []
        if _due(self._heartbeat_deadline, now):
            happenings += self._heartbeat_unanswered(now)
        if self.is_too_slow(now):
            happenings += self._give_up_websocket(now)
        if _due(self._heartbeat_at, now):
            self._send_heartbeat(now)
        for channel in tuple(self.channels.values()):
            if _due(channel.join_deadline, now):
                happenings.append(self._join_unanswered(channel, now))
            if _due(channel.rejoin_at, now):
                self._rejoin(channel, now)
        for push in [push for push in self._pushes.values() if push.deadline <= now]:
            del self._pushes[push.ref]
            happenings.append(Answered(push, TIMEOUT, {}))
        if _due(self.reconnect_at, now):
            self._reconnect_tries += 1
            self.reconnect_at = None
            if not hidden:
                self.connect(now)
        return happenings

    # Private

    def _deadlines(self) -> Iterator[float]:
        own = (self.reconnect_at, self._heartbeat_at, self._heartbeat_deadline, *self._transport.wake_at)
        yield from (at for at in own if at is not None)
        for channel in self.channels.values():
            if channel.join_deadline is not None:
                yield channel.join_deadline
            if channel.rejoin_at is not None:
                yield channel.rejoin_at
        yield from (push.deadline for push in self._pushes.values())

    def _make_ref(self) -> str:
        self._ref += 1
        return str(self._ref)

    def _send(self, message: Message) -> None:
        self._transport.send(frames.encode(message))

    def _send_join(self, channel: Channel[Owner], payload: dict[str, Any]) -> None:
        channel.buffered = None
        self._send(Message(channel.join_ref, channel.join_ref, channel.topic, frames.JOIN, payload))

    def _send_heartbeat(self, now: float) -> None:
        self._heartbeat_at = None
        self._heartbeat_ref = self._make_ref()
        self._heartbeat_deadline = now + HEARTBEAT_INTERVAL
        self._send(Message(None, self._heartbeat_ref, frames.PHOENIX, frames.HEARTBEAT, {}))

    def _heartbeat_unanswered(self, now: float) -> list[Happening[Owner, Context]]:
        happenings = self._close("heartbeat_timeout", code=1000, reason="heartbeat timeout")
        self._schedule_reconnect(now)
        return happenings

    def _give_up_websocket(self, now: float) -> list[Happening[Owner, Context]]:
        happenings: list[Happening[Owner, Context]] = []
        if self.link is Link.OPEN:
            happenings = self._close("connection_closed", code=1000, reason="")
        else:
            self.link = Link.CLOSED
            self._transport.close(1000, "")
        self._fall_back(now)
        return happenings

    def _fall_back(self, now: float) -> None:
        # socket.js replaceTransport
        self._reset_reconnect()
        self._transport.fall_back()
        self.connect(now)

    def _schedule_reconnect(self, now: float) -> None:
        self.reconnect_at = now + reconnect_after(self._reconnect_tries + 1)

    def _close(self, why: str, *, code: int, reason: str) -> list[Happening[Owner, Context]]:
        if self.link is not Link.CLOSED:
            self._transport.close(code, reason)
        return self._drop(why)

    def _drop(self, why: str) -> list[Happening[Owner, Context]]:
        self.link = Link.CLOSED
        self._transport.dropped()
        self._ping_ref = None
        self._heartbeat_at = self._heartbeat_deadline = self._heartbeat_ref = None
        happenings: list[Happening[Owner, Context]] = []
        for channel in self.channels.values():
            channel.rejoin_at, channel.rejoin_tries = None, 0
            if channel.state in (State.JOINING, State.JOINED):
                if channel.state is State.JOINING:
                    channel.forget_join()
                channel.state = State.ERRORED
                happenings.append(Errored(channel, why, transport=True))
        return happenings

    def _reset_reconnect(self) -> None:
        self._reconnect_tries = 0
        self.reconnect_at = None

    def _replied(self, channel: Channel[Owner], message: Message, now: float) -> list[Happening[Owner, Context]]:
        reply = frames.reply_of(message)
        if reply is None or message.ref is None:
            return []
        if channel.state is State.JOINING and message.ref == channel.join_ref:
            return self._join_replied(channel, reply, now)
        push = self._pushes.get(message.ref)
        if push is None or push.channel is not channel:
            return []
        del self._pushes[message.ref]
        return [Answered(push, reply.status, reply.response)]

    def _join_replied(
        self, channel: Channel[Owner], reply: frames.Reply, now: float
    ) -> list[Happening[Owner, Context]]:
        if reply.status == frames.OK:
            channel.state = State.JOINED
            channel.join_deadline = None
            channel.rejoin_tries = 0
            return [Joined(channel, reply.response, now - channel.joining_since)]
        if reply.status == frames.FAILED:
            channel.join_deadline = None
            channel.state = State.ERRORED
            self._schedule_rejoin(channel, now)
            return [JoinFailed(channel, reply.response)]
        return []

    def _join_unanswered(self, channel: Channel[Owner], now: float) -> Happening[Owner, Context]:
        if self.is_connected:
            self._send(Message(channel.join_ref, self._make_ref(), channel.topic, frames.LEAVE, {}))
        channel.forget_join()
        channel.state = State.ERRORED
        self._schedule_rejoin(channel, now)
        return JoinFailed(channel, {"reason": TIMEOUT})

    def _error(self, channel: Channel[Owner], reason: str, *, now: float) -> Happening[Owner, Context]:
        if channel.state is State.JOINING:
            channel.forget_join()
        channel.state = State.ERRORED
        self._schedule_rejoin(channel, now)
        return Errored(channel, reason, transport=False)

    def _closed(self, channel: Channel[Owner]) -> Happening[Owner, Context]:
        del self.channels[channel.topic]
        channel.state = State.CLOSED
        channel.rejoin_at = None
        channel.join_deadline = None
        return Closed(channel)

    def _schedule_rejoin(self, channel: Channel[Owner], now: float) -> None:
        if self.is_connected:
            channel.rejoin_at = now + rejoin_after(channel.rejoin_tries + 1)

    def _rejoin(self, channel: Channel[Owner], now: float) -> None:
        channel.rejoin_at = None
        channel.rejoin_tries += 1
        if self.is_connected:
            self.join(channel, now)


def _due(at: float | None, now: float) -> bool:
    return at is not None and at <= now
