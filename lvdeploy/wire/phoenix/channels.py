"""Plain Phoenix channels: topics joined, pushed to and heard over one socket, as an app's own JavaScript does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lvdeploy.model import PIN_HEADER, Kind
from lvdeploy.wire.phoenix import message as frames
from lvdeploy.wire.phoenix.bindings import JavaScript
from lvdeploy.wire.phoenix.channel import (
    Answered,
    Channel,
    Closed,
    Errored,
    Happening,
    Joined,
    JoinFailed,
    Pushed,
    State,
)
from lvdeploy.wire.phoenix.endpoint import Endpoint, Param
from lvdeploy.wire.phoenix.live_view import NOBODY, USER_AGENT, Identify
from lvdeploy.wire.phoenix.socket import Link, Socket
from lvdeploy.wire.phoenix.topic import Topic, Waiting
from lvdeploy.wire.session import (
    Action,
    CannotAct,
    Dial,
    Effect,
    Found,
    Headers,
    Input,
    Join,
    Leave,
    Lost,
    Observe,
    Opened,
    Part,
    Push,
    Received,
    Refused,
    Woken,
)

PUSH_TIMEOUT: Final = 10.0
"""Seconds a push waits for its reply; phoenix constants.js DEFAULT_TIMEOUT."""

RECONNECTS_AFTER_NORMAL: Final[JavaScript] = (1, 8, 16)
"""The first phoenix.js that reconnects also after a server's close 1000."""


@dataclass(slots=True)
class Asked:
    """What is remembered of a push until its answer."""

    event: str
    given_up: bool = False


class Channels:
    """
    One synthetic user of a service without LiveView; see ``lvdeploy.wire.session.Session``.

    ``url`` is any address of the service, ``socket_path`` where its endpoint mounts the socket; ``topics`` are
    joined at the beginning, each with its params. ``params`` go into the socket's URL. ``phoenix`` is the version
    of phoenix.js to behave as. Raises ``ValueError`` if ``url`` is no http or https URL.

    What was heard is looked at by ``"<topic>"``, the reply to its last join; ``"<topic> <event>"``, what the
    server pushed, oldest first; and ``"<topic> reply:<event>"``, the answers to own pushes.
    """

    __slots__ = (
        "_effects", "_endpoint", "_headers", "_identify", "_now", "_params", "_peer", "_phoenix", "_size", "_socket",
        "_topics", "_url",
    )  # fmt: skip

    def __init__(
        self,
        url: str,
        topics: Mapping[str, Mapping[str, object]],
        *,
        params: Mapping[str, Param] | None = None,
        socket_path: str = "/socket",
        headers: Headers = (),
        user_agent: str = USER_AGENT,
        pin: str | None = None,
        identify: Identify = Identify(),
        phoenix: JavaScript = RECONNECTS_AFTER_NORMAL,
    ) -> None:
        self._endpoint = Endpoint(url, socket_path=socket_path)
        self._url = self._endpoint.resolve(url)
        pinned = ((PIN_HEADER, pin),) if pin is not None else ()
        self._headers = (("Origin", self._endpoint.origin), ("User-Agent", user_agent), *headers, *pinned)
        self._params = dict(params or {})
        self._identify = identify
        self._phoenix = phoenix
        self._effects: list[Effect] = []
        self._socket = self._new_socket()
        self._topics = {name: Topic(name, given) for name, given in topics.items()}
        self._peer = NOBODY
        self._now = 0.0
        self._size = 0

    # Session

    @property
    def wake_at(self) -> float | None:
        times = [self._socket.wake_at, *(each.wake_at for each in self._topics.values())]
        return min((at for at in times if at is not None), default=None)

    @property
    def idle(self) -> bool:
        topics = self._topics.values()
        settled = all(each.channel.is_joined and not each.waiting for each in topics)
        return self._socket.is_connected and settled and all(push.context.given_up for push in self._socket.pushes())

    @property
    def url(self) -> str:
        return self._url

    def begin(self, now: float) -> list[Effect]:
        self._now = now
        self._socket.connect(now)
        for topic in self._topics.values():
            self._socket.join(topic.channel, now)
        return self._take()

    def act(self, action: Action, now: float) -> list[Effect]:
        self._now = now
        match action:
            case Join(name, params):
                self._join(Topic(name, params))
            case Push(event, value, None, name):
                self._push(self._topic(name), event, dict(value))
            case Part(name):
                self._part(self._topic(name))
            case Leave():
                self._socket.disconnect()
                self._socket = self._new_socket()
                self._topics.clear()
            case _:
                raise CannotAct(f"channels have no page for a {type(action).__name__.lower()}")
        return self._take()

    def handle(self, event: Input, now: float) -> list[Effect]:
        self._now = now
        link = self._socket.link
        match event:
            case Received(frame) if link is Link.OPEN:
                self._received(frame)
            case Opened(headers) if link is Link.CONNECTING:
                self._opened(headers)
            case Refused(status, reason) if link is Link.CONNECTING:
                attempt, retry_in = self._socket.attempts, self._socket.retry_in
                self._observe(Kind.REFUSED, attempt=attempt, status=status, error=reason, retry_in=retry_in)
                self._happen(self._socket.refused(now))
            case Lost(code, reason) if link is Link.OPEN:
                self._lost(code, reason)
            case Woken():
                self._woken()
            case _:
                # it came after we were done with that connection
                pass
        return self._take()

    def look(self, selector: str) -> tuple[Found, ...]:
        topic = self._topics.get(selector)
        if topic is not None:
            return topic.joined_with()
        name, _, event = selector.rpartition(" ")
        return self._topics[name].heard_of(event) if name in self._topics else ()

    # Acting

    def _topic(self, name: str | None) -> Topic:
        if name is None and len(self._topics) == 1:
            return next(iter(self._topics.values()))
        if name is None or name not in self._topics:
            # phoenix channel.js: tried to push … before joining
            raise CannotAct(f"{name!r} is not joined" if name is not None else "say which topic")
        return self._topics[name]

    def _join(self, topic: Topic) -> None:
        before = self._topics.get(topic.channel.topic)
        if before is not None and before.channel.state in (State.JOINING, State.JOINED):
            # phoenix socket.js leaveOpenTopic
            self._part(before)
        self._topics[topic.channel.topic] = topic
        self._socket.join(topic.channel, self._now)
        self._socket.connect(self._now)

    def _part(self, topic: Topic) -> None:
        self._give_up_pushes(topic.channel, "left")
        del self._topics[topic.channel.topic]
        self._socket.leave(topic.channel)

    def _push(self, topic: Topic, event: str, payload: dict[str, Any]) -> None:
        if not self._socket.can_push(topic.channel):
            # phoenix channel.js pushBuffer: sent when it is joined, if that is in time
            topic.waiting.append(Waiting(event, payload, self._now + PUSH_TIMEOUT))
            return
        asked = Asked(event)
        self._socket.push(topic.channel, event, payload, now=self._now, timeout=PUSH_TIMEOUT, context=asked)

    # Connection

    def _new_socket(self) -> Socket[Topic, Asked]:
        return Socket(out=self._effects, dial=self._dial)

    def _dial(self) -> Dial:
        return Dial(self._endpoint.socket_url(self._params), self._headers)

    def _opened(self, headers: Headers) -> None:
        self._peer = self._identify.read(headers)
        took = self._now - self._socket.dialed_at
        attempt, transport = self._socket.attempts, self._socket.transport
        self._observe(Kind.OPENED, took, attempt=attempt, transport=transport, **self._peer)
        self._socket.opened(self._now)

    def _lost(self, code: int, reason: str) -> None:
        self._observe(Kind.LOST, code=code, reason=reason, transport=self._socket.transport, **self._peer)
        self._happen(self._socket.lost(self._now))
        if code == 1000 and self._phoenix < RECONNECTS_AFTER_NORMAL:
            self._socket.reconnect_at = None

    def _received(self, frame: str | bytes) -> None:
        message = frames.decode(frame)
        if message is not None:
            self._size = len(frame)
            self._happen(self._socket.received(message, self._now))

    def _woken(self) -> None:
        if self._socket.is_dead(self._now):
            reason, transport = "heartbeat timeout", self._socket.transport
            self._observe(Kind.LOST, code=1006, reason=reason, transport=transport, **self._peer)
        self._happen(self._socket.woken(self._now))
        for topic in self._topics.values():
            for late in topic.take_late(self._now):
                self._observe(Kind.UNANSWERED, event=late.event, reason="timeout")

    # What happens to topics

    def _happen(self, happenings: list[Happening[Topic, Asked]]) -> None:
        for happening in happenings:
            match happening:
                case Joined(channel, response, took):
                    self._joined(channel.owner, response, took)
                case JoinFailed(channel, response):
                    reason = frames.text(response.get("reason")) or "unknown"
                    topic, rejoin = channel.topic, channel.owner.joins > 0
                    self._observe(Kind.JOIN_FAILED, topic=topic, reason=reason, rejoin=rejoin)
                case Pushed(channel, event, payload):
                    channel.owner.hear(event, payload, size=self._size)
                case Answered(push, status, response):
                    took = self._now - push.sent_at
                    self._answered(push.channel.owner, push.context, status=status, response=response, took=took)
                case Errored(channel, reason, transport):
                    self._errored(channel, reason, transport=transport)
                case Closed(channel):
                    self._give_up_pushes(channel, "closed")

    def _joined(self, topic: Topic, response: dict[str, Any], took: float) -> None:
        self._observe(Kind.JOINED, took, topic=topic.channel.topic, rejoin=topic.joins > 0, liveview_version="")
        topic.joined(response)
        waiting, topic.waiting = topic.waiting, []
        for each in waiting:
            self._push(topic, each.event, each.payload)

    def _answered(
        self, topic: Topic, asked: Asked, *, status: str, response: dict[str, Any], took: float
    ) -> None:
        if asked.given_up:
            return
        if status == frames.OK:
            self._observe(Kind.ACKNOWLEDGED, took, event=asked.event)
        else:
            reason = frames.text(response.get("reason")) or status
            self._observe(Kind.UNANSWERED, event=asked.event, reason=reason)
        topic.hear(f"reply:{asked.event}", {"status": status, **response}, size=self._size)

    def _errored(self, channel: Channel[Topic], reason: str, *, transport: bool) -> None:
        self._give_up_pushes(channel, "connection lost" if transport else "crashed")
        if not transport:
            rejoin_in = None if channel.rejoin_at is None else channel.rejoin_at - self._now
            self._observe(Kind.CRASHED, topic=channel.topic, reason=reason or "phx_error", rejoin_in=rejoin_in)

    def _give_up_pushes(self, channel: Channel[Topic], reason: str) -> None:
        for push in self._socket.pushes_of(channel):
            if not push.context.given_up:
                push.context.given_up = True
                self._observe(Kind.UNANSWERED, event=push.context.event, reason=reason)

    def _observe(self, kind: Kind, value: float | None = None, /, **detail: object) -> None:
        self._effects.append(Observe(kind, value, detail))

    def _take(self) -> list[Effect]:
        effects = self._effects[:]
        # the list itself is shared with the socket
        self._effects.clear()
        return effects
