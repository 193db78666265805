"""
A hostile world around one client, written in bytes: each line one thing that happens to it.

``page HTML``, ``page 302 URL``, ``open``, ``lose CODE``, ``refuse``, ``fail``, ``wake``, ``wait SECONDS``,
``frame TEXT``, ``binary BYTES``; ``ok JSON`` and ``error JSON`` answer the last push with its own refs, ``join JSON``
answers the last join with this tree, ``push EVENT JSON`` comes on its topic; ``click SELECTOR``, ``change SELECTOR
NAME VALUE``, ``submit SELECTOR`` and ``hook EVENT`` are what the user does, ``look SELECTOR`` what is looked for. Any
other line is a frame. What a fuzzer mutates, Hypothesis writes and ``corpus/`` keeps are such files.
"""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from typing import Any

from lvdeploy.wire.phoenix import Channels, LiveView
from lvdeploy.wire.session import (
    Action,
    CannotAct,
    Change,
    Click,
    Dial,
    Effect,
    Fetch,
    Fetched,
    FetchFailed,
    Input,
    Lost,
    Opened,
    Push,
    Received,
    Refused,
    Send,
    Session,
    Submit,
    Woken,
)

MOST_LINES = 100
MOST_EFFECTS = 10_000
URL = "http://app.test/page"


class World:
    """
    Plays lines to a session and holds it to its contract: ``handle`` never raises, ``act`` only ``CannotAct``.

    One line may not make it want to do more than a bounded number of things.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.now = 100.0
        self.sent: list[Any] = []
        self.asked: list[int] = []
        self._take(session.begin(self.now))

    def play(self, line: bytes) -> None:
        word, _, rest = line.partition(b" ")
        text = rest.decode("utf-8", "replace")
        known: dict[bytes, Callable[[], None]] = {
            b"page": lambda: self._page(rest),
            b"open": lambda: self._feed(Opened((("set-cookie", text), ("x-instance", text)))),
            b"lose": lambda: self._feed(Lost(_number(text) or 1012, text)),
            b"refuse": lambda: self._feed(Refused(_number(text), text)),
            b"fail": lambda: self._feed(FetchFailed(self._asked(), text)),
            b"wake": self._wake,
            b"wait": lambda: self._wait(min(_number(text) or 1, 3600)),
            b"frame": lambda: self._feed(Received(text)),
            b"binary": lambda: self._feed(Received(rest)),
            b"ok": lambda: self._reply("ok", text, ""),
            b"error": lambda: self._reply("error", text, ""),
            b"join": lambda: self._reply("ok", f'{{"rendered":{text},"liveview_version":"1.2.10"}}', "phx_join"),
            b"push": lambda: self._push(*_two(text)),
            b"click": lambda: self._act(Click(text)),
            b"change": lambda: self._act(_change(text)),
            b"submit": lambda: self._act(Submit(text)),
            b"hook": lambda: self._act(Push(text)),
            b"look": lambda: self._look(text),
        }
        known.get(word, lambda: self._feed(Received(line.decode("utf-8", "replace"))))()
        for selector in ("#f input", "room:lobby", "room:lobby msg"):
            self._look(selector)
        assert isinstance(self.session.idle, bool)
        assert isinstance(self.session.url, str)

    # Private

    def _feed(self, event: Input) -> None:
        self._take(self.session.handle(event, self.now))

    def _act(self, action: Action) -> None:
        with contextlib.suppress(CannotAct):
            self._take(self.session.act(action, self.now))

    def _look(self, selector: str) -> None:
        with contextlib.suppress(CannotAct):
            self.session.look(selector)

    def _wake(self) -> None:
        if self.session.wake_at is not None:
            self.now = max(self.now, self.session.wake_at)
            self._feed(Woken())

    def _wait(self, seconds: int) -> None:
        end = self.now + seconds
        woken = 0
        while self.session.wake_at is not None and self.session.wake_at <= end:
            self._wake()
            woken += 1
            assert woken < MOST_EFFECTS, "it wants to be woken again and again"
        self.now = end

    def _page(self, body: bytes) -> None:
        if body.startswith(b"302 "):
            answer = Fetched(self._asked(), 302, (("location", body[4:].decode("latin-1")),), b"")
        else:
            answer = Fetched(self._asked(), 200, (("set-cookie", "a=b"),), body)
        self._feed(answer)

    def _asked(self) -> int:
        return self.asked[-1] if self.asked else 0

    def _reply(self, status: str, response: str, event: str) -> None:
        frame = next((each for each in reversed(self.sent) if event in ("", each[3])), None)
        if frame is not None:
            envelope = json.dumps([frame[0], frame[1], frame[2], "phx_reply"])[:-1]
            self._feed(Received(f'{envelope},{{"status":"{status}","response":{response or "{}"}}}]'))

    def _push(self, event: str, payload: str) -> None:
        topic = self.sent[-1][2] if self.sent else "lv:x"
        self._feed(Received(f"{json.dumps([None, None, topic, event])[:-1]},{payload or '{}'}]"))

    def _take(self, effects: list[Effect]) -> None:
        assert len(effects) < MOST_EFFECTS, "one input made it do too much"
        for effect in effects:
            match effect:
                case Send(str() as frame):
                    self.sent.append(json.loads(frame))
                case Fetch(number):
                    self.asked.append(number)
                case Dial():
                    self.sent.clear()


def play(data: bytes) -> None:
    """Let everything in the file happen, to a page and to plain channels."""
    sessions: tuple[Session, ...] = (
        LiveView(URL, rng=random.Random(1), long_poll_fallback=2.5 if data[:1] == b"\n" else None),
        Channels(URL, {"room:lobby": {}}),
    )
    for session in sessions:
        world = World(session)
        for line in data.split(b"\n")[:MOST_LINES]:
            world.play(line)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


def _two(text: str) -> tuple[str, str]:
    first, _, rest = text.partition(" ")
    return first, rest


def _change(text: str) -> Change:
    form, rest = _two(text)
    name, value = _two(rest)
    return Change(form, {name: value})
