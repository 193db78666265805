"""A recorded session played to a client: the server's side as it was, the user's deeds at their times."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from lvdeploy.wire.phoenix import LiveView
from lvdeploy.wire.session import (
    Change,
    Click,
    Close,
    Dial,
    Effect,
    Fetch,
    Fetched,
    FetchFailed,
    Found,
    Input,
    Lost,
    Navigate,
    Observe,
    Opened,
    Push,
    Received,
    Refused,
    Send,
    Submit,
    Visit,
    Woken,
)
from tests.wire.phoenix.recording import Attempt, Exchange, Frame, Recording, Snapshot

LEEWAY = 0.35
"""Seconds a browser's timers and painting may be later, or its clocks apart."""

RECOVERY_WINDOW = 0.3
"""Seconds after a rejoin's reply within which the browser's own recovery events follow."""


MAGIC = "phxId"
"""The attribute by which a browser knows what it need not parse again."""


class Differs(AssertionError):
    """The client did something else than the browser did."""


class RecordedJitter(random.Random):
    """Gives the jitter that the browser happened to draw."""

    def __init__(self, delays: list[float]) -> None:
        super().__init__(0)
        self._delays = list(delays)

    def random(self) -> float:
        # what was drawn last is not known: the recording ended before
        delay = self._delays.pop(0) if self._delays else 10.0
        return min(max((delay - 5.0) / 5.001, 0.0), 0.9999)


class Replay:
    """
    Plays one recording to one client. Raises ``Differs`` where frames, their order, their time or the page differ.

    Refs are the client's own: the recorded ones are renamed as frames are paired.
    """

    def __init__(self, recording: Recording, *, make: Callable[..., LiveView] = LiveView) -> None:
        self._recording = recording
        jitter = RecordedJitter(_reload_delays(recording))
        self.client = make(recording.start, rng=jitter, long_poll_fallback=recording.fallback)
        self.observed: list[Observe] = []
        self._now = 0.0
        self._loads = list(recording.loads)
        self._attempts = list(recording.attempts)
        self._exchanges = list(recording.exchanges)
        self._current: Attempt | None = None
        self._closed_by_client = False
        self._sent: list[tuple[float, list[Any]]] = []
        self._checked = 0
        self._renamed: dict[str, str] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def run(self) -> None:
        """Play it to its end."""
        for load in self._recording.loads[1:]:
            if load.by_user:
                self._later(load.at, lambda load=load: self._act(Visit(load.url)))
        for snapshot in self._recording.snapshots:
            self._later(snapshot.at, lambda snapshot=snapshot: self._compare(snapshot))
        self._perform(self.client.begin(self._recording.loads[0].at))
        while self._due or self._wake_at() is not None:
            if not self._step():
                break
        self._finish_connection()
        if self._attempts and self._attempts[0].at < self._recording.ended_at - LEEWAY:
            raise Differs(f"the browser dialled at {self._attempts[0].at:.3f}, the client never did")
        if self._exchanges and self._exchanges[0].at < self._recording.ended_at - LEEWAY:
            raise Differs(f"the browser polled at {self._exchanges[0].at:.3f}, the client never did")

    # Time

    def _step(self) -> bool:
        wake_at = self._wake_at()
        self._due.sort(key=lambda each: each[:2])
        if self._due and (wake_at is None or self._due[0][0] <= wake_at):
            at, _, deed = self._due.pop(0)
            self._now = max(self._now, at)
            deed()
            return True
        if wake_at is None or wake_at > self._recording.ended_at:
            return False
        self._now = max(self._now, wake_at)
        self._feed(Woken())
        return True

    def _wake_at(self) -> float | None:
        return self.client.wake_at

    def _later(self, at: float, deed: Callable[[], None]) -> None:
        self._count += 1
        self._due.append((at, self._count, deed))

    # The world

    def _feed(self, event: Input) -> None:
        self._perform(self.client.handle(event, self._now))

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Observe():
                    self.observed.append(effect)
                case Fetch(url=url) if "/longpoll?" in url:
                    self._polled(effect)
                case Fetch():
                    self._fetched(effect)
                case Dial():
                    self._dialled(effect)
                case Send(frame):
                    self._sent.append((self._now, json.loads(frame)))
                    self._check(len(self._sent) - 1)
                case Close():
                    self._closed_by_client = True
                    # what the browser sent before it closed the socket itself went out in the same breath
                    self._finish_connection(within=LEEWAY)

    def _fetched(self, fetch: Fetch) -> None:
        if not self._loads:
            raise Differs(f"the client loads {fetch.url} at {self._now:.3f}, the browser did not")
        load = self._loads.pop(0)
        if load is not self._recording.loads[0] and abs(load.at - self._now) > 2 * LEEWAY:
            raise Differs(f"the client loads a page at {self._now:.3f}, the browser did at {load.at:.3f}")
        _same("page", load.url, fetch.url)
        cookie = self._attempts[0].cookie if self._attempts else ""
        headers = [*load.headers.items(), *([("set-cookie", f"{cookie}; path=/; HttpOnly")] if cookie else [])]
        answer = Fetched(fetch.number, load.status, headers, load.html)
        # the page's script runs only after it loaded, so the recorded time of the first dial is the page's
        at = self._attempts[0].at if self._attempts and load.status == 200 else load.at
        self._later(max(self._now, at), lambda: self._feed(answer))

    def _polled(self, fetch: Fetch) -> None:
        exchange = next((each for each in self._exchanges if each.method == fetch.method), None)
        if exchange is None:
            if self._now >= self._recording.ended_at - LEEWAY:
                return
            raise Differs(f"the client sends {fetch.method} {fetch.url} at {self._now:.3f}, the browser did not")
        self._exchanges.remove(exchange)
        if abs(exchange.at - self._now) > LEEWAY:
            raise Differs(f"the client polls at {self._now:.3f}, the browser did at {exchange.at:.3f}")
        _same("poll", exchange.url, fetch.url)
        ours = [json.loads(line) for line in fetch.body.decode().splitlines()]
        for index, theirs in enumerate(exchange.frames):
            self._pair(theirs, ours[index] if index < len(ours) else None)
        _same("frames posted", len(exchange.frames), len(ours))
        if exchange.answered_at is not None:
            self._later(max(self._now, exchange.answered_at), lambda: self._feed(self._answer(fetch.number, exchange)))

    def _answer(self, number: int, exchange: Exchange) -> Input:
        if exchange.status is None:
            return FetchFailed(number, "connection refused")
        body = json.loads(exchange.body) if exchange.body.startswith("{") else None
        if body is None:
            return Fetched(number, exchange.status, (), exchange.body.encode())
        if "messages" in body:
            frames = [Frame(self._now, False, json.loads(each)) for each in body["messages"]]
            body["messages"] = [self._as_ours(each) for each in frames]
        return Fetched(number, exchange.status, (), json.dumps(body).encode())

    def _dialled(self, dial: Dial) -> None:
        if not self._attempts:
            if self._now >= self._recording.ended_at - LEEWAY:
                return
            raise Differs(f"the client dials at {self._now:.3f}, the browser did not")
        self._finish_connection()
        attempt = self._current = self._attempts.pop(0)
        self._sent, self._checked, self._closed_by_client = [], 0, False
        if abs(attempt.at - self._now) > LEEWAY:
            raise Differs(f"the client dials at {self._now:.3f}, the browser did at {attempt.at:.3f}")
        if attempt.url:
            _same("socket URL", attempt.url, dial.url)
        if attempt.cookie:
            _same("cookie", attempt.cookie, dict(dial.headers).get("Cookie"))
        self._schedule(attempt)

    def _schedule(self, attempt: Attempt) -> None:
        def now(event: Callable[[], Input]) -> Callable[[], None]:
            return lambda: None if self._current is not attempt or self._closed_by_client else self._feed(event())

        at = max(self._now, attempt.answered_at)
        if attempt.refused:
            self._later(at, now(lambda: Refused(None, "connection refused")))
            return
        # frames may come before the page's script says it is open: the clocks differ
        first = min((frame.at for frame in attempt.frames), default=at)
        opened_at = max(self._now, min(at, first))
        self._later(opened_at, now(lambda: Opened(())))
        for frame in attempt.frames:
            due = max(frame.at, opened_at)
            if frame.sent:
                self._later(due, lambda frame=frame: self._browser_sent(attempt, frame))
            else:
                self._later(due, now(lambda frame=frame: Received(self._as_ours(frame))))
        if attempt.closed_at is not None:
            last = max((frame.at for frame in attempt.frames), default=attempt.closed_at)
            self._later(max(attempt.closed_at, last), now(lambda: Lost(attempt.code)))

    # Frames

    def _browser_sent(self, attempt: Attempt, frame: Frame) -> None:
        if attempt is not self._current:
            return
        sent = [each for each in attempt.frames if each.sent]
        index = sent.index(frame)
        if index < len(self._sent):
            return
        if _is_deed(attempt, frame) or frame.message[3] == "phx_leave":
            self._do_as_user(frame, *sent[index + 1 : index + 2])
            if index >= len(self._sent):
                raise Differs(f"nothing was sent where the browser sent {frame.message}")

    def _check(self, index: int) -> None:
        attempt = self._current
        recorded = [each for each in attempt.frames if each.sent] if attempt else []
        at, ours = self._sent[index]
        if index >= len(recorded):
            # the recording ends before the page is left
            if at < self._recording.ended_at - 1.0:
                raise Differs(f"at {at:.3f} the client sent {ours}, the browser did not")
            return
        theirs = recorded[index]
        self._pair(theirs.message, ours)
        if abs(theirs.at - at) > LEEWAY:
            raise Differs(f"the client sent at {at:.3f} what the browser sent at {theirs.at:.3f}: {ours}")

    def _pair(self, theirs: list[Any], ours: list[Any] | None) -> None:
        """Hold a frame of ours to the browser's, and learn what our refs are called there."""
        if ours is None:
            raise Differs(f"the client never sent {theirs}")
        if theirs[1] is not None:
            self._renamed[theirs[1]] = ours[1]
        join_ref = self._renamed.get(theirs[0], theirs[0])
        _same("frame", json.dumps([join_ref, ours[1], *theirs[2:]]), json.dumps(ours))

    def _finish_connection(self, *, within: float = -LEEWAY) -> None:
        attempt = self._current
        if attempt is None:
            return
        self._current = None
        missing = [each for each in attempt.frames if each.sent][len(self._sent) :]
        missing = [each for each in missing if each.at < min(self._now + within, self._recording.ended_at)]
        if missing:
            raise Differs(f"the client never sent {missing[0].message}")

    def _as_ours(self, frame: Frame) -> str:
        join_ref, ref, *rest = frame.message
        return json.dumps([self._renamed.get(join_ref, join_ref), self._renamed.get(ref, ref), *rest])

    # The user

    def _do_as_user(self, frame: Frame, following: Frame | None = None) -> None:
        event, payload = frame.message[3], frame.message[4]
        if event == "phx_leave":
            if following is not None and "redirect" in following.message[4]:
                self._act(self._way(following.message[4]["redirect"]))
        elif event == "live_patch":
            self._act(self._way(payload["url"]))
        elif payload["type"] == "hook":
            self._act(Push(payload["event"], payload["value"]))
        elif payload["type"] != "form":
            self._act(Click(self._clickable(frame.message[2].removeprefix("lv:"), payload)))
        elif "uploads" in payload:
            self._change(payload)
        else:
            self._submit(payload)

    def _act(self, action: Any) -> None:
        self._perform(self.client.act(action, self._now))

    def _change(self, payload: dict[str, Any]) -> None:
        name = payload["meta"]["_target"]
        form = self._form("phx-change", payload, name)
        inputs = self.client.look(f'{form} [name="{name}"]')
        values = [value for key, value in parse_qsl(payload["value"], keep_blank_values=True) if key == name]
        if any(each.attributes.get("type") == "button" for each in inputs):
            self._act(Click(f'{form} [name="{name}"]'))
        elif any(each.attributes.get("type") == "checkbox" for each in inputs):
            box = next(each for each in inputs if each.attributes.get("type") == "checkbox")
            self._act(Change(form, {name: box.attributes.get("value", "on") in values}))
        else:
            self._act(Change(form, {name: values[-1]}))

    def _submit(self, payload: dict[str, Any]) -> None:
        typed = dict(parse_qsl(payload["value"], keep_blank_values=True))
        form = self._form("phx-submit", payload, next(iter(typed), ""))
        for name, value in typed.items():
            inputs = self.client.look(f'{form} [name="{name}"]')
            if len(inputs) == 1 and inputs[0].value is not None and inputs[0].value != value:
                self._act(Change(form, {name: value}))
        buttons = self.client.look(f'{form} button:not([type="button"])')
        # a click moves the focus to the button, so what was typed is no longer shielded from diffs
        self._act(Click(f'{form} button:not([type="button"])') if len(buttons) == 1 else Submit(form))

    def _form(self, binding: str, payload: dict[str, Any], field: str) -> str:
        for found in self.client.look(f"form[{binding}]"):
            name = _selector(found)
            same_target = str(payload.get("cid", "")) == found.attributes.get("phx-target", "")
            pushes = _pushes(found.attributes[binding], payload["event"])
            if pushes and same_target and self.client.look(f'{name} [name="{field}"]'):
                return name
        raise Differs(f"no form with {binding} {payload['event']} and an input {field}")

    def _clickable(self, view: str, payload: dict[str, Any]) -> str:
        values = {name: value for name, value in payload["value"].items() if name != "value"}
        for found in self.client.look(f'[id="{view}"] [phx-click]'):
            if _pushes(found.attributes["phx-click"], payload["event"]) and _carries(found, values):
                return f'[id="{view}"] {_selector(found)}'
        raise Differs(f"nothing to click for {payload}")

    def _way(self, url: str) -> Click | Navigate:
        """Return how the user gets there: by a link of the page, or by one that a script put there."""
        for found in self.client.look("a[data-phx-link]"):
            if url.endswith(found.attributes["href"]):
                return Click(_selector(found))
        return Navigate(url)

    # The page

    def _compare(self, snapshot: Snapshot) -> None:
        holds = snapshot.holds
        _same("address", holds["url"], "/" + self.client.url.split("/", 3)[3])
        app = self._only("main#app").attributes if "instance" in holds else {}
        for attribute, key in _APP.items():
            if attribute in app:
                _same(f"{snapshot.label}: {attribute}", holds[key], app[attribute])
        for form, values, data in holds["forms"]:
            if form:
                self._compare_form(snapshot.label, form, values, data)
        for name, value in holds["ids"].items():
            found = self._only(f'.child[data-label="{name[6:]}"]' if name.startswith("child:") else f"#{name}")
            ours = _data(found) if isinstance(value, dict) else found.text
            _same(f"{snapshot.label}: #{name}", value, ours)

    def _compare_form(self, label: str, form: str, values: dict[str, str], data: dict[str, str]) -> None:
        if form == "ignore-form" and label not in ("before", "filled", "after unhealthy"):
            # a focused input is not patched; who has the focus is no concern of a synthetic user
            values = {}
        for name, value in values.items():
            found = self.client.look(f'#{form} [name="{name}"]')
            _same(f"{label}: {form} {name}", value, next((each.value for each in reversed(found) if each.value), ""))
        expected = {key: value for key, value in data.items() if key != MAGIC}
        _same(f"{label}: {form}", expected, _data(self._only(f"#{form}")))

    def _only(self, selector: str) -> Found:
        found = self.client.look(selector)
        if len(found) != 1:
            raise Differs(f"{len(found)} elements are {selector}")
        return found[0]


_APP = {
    "data-instance": "instance",
    "data-app-version": "version",
    "data-mounts": "mounts",
    "data-static-changed": "static_changed",
}


def _reload_delays(recording: Recording) -> list[float]:
    """Return how long the browser waited before each reload: from the close of the socket before it."""
    delays = []
    for load in recording.loads[1:]:
        closes = [each.closed_at for each in recording.attempts if each.closed_at and each.closed_at < load.at]
        if closes and load.at - max(closes) > 4.0:
            delays.append(load.at - max(closes))
    return delays


def _is_deed(attempt: Attempt, frame: Frame) -> bool:
    """Return whether a frame comes from the user: no join, leave, heartbeat, nor a recovery after a rejoin."""
    join_ref, _, topic, event, _ = frame.message
    if event not in ("event", "live_patch"):
        return False
    joins = [each for each in attempt.frames if each.sent and each.message[1] == join_ref]
    if not joins or not joins[-1].message[4]["params"]["_mounts"]:
        return True
    replies = [
        each for each in attempt.frames if not each.sent and each.message[1] == join_ref and each.message[2] == topic
    ]
    return not replies or frame.at > replies[0].at + RECOVERY_WINDOW


def _pushes(binding: str, event: str) -> bool:
    if not binding.startswith("["):
        return binding == event
    return any(kind == "push" and arguments.get("event") == event for kind, arguments in json.loads(binding))


def _carries(found: Found, values: dict[str, Any]) -> bool:
    own: dict[str, Any] = {
        name.removeprefix("phx-value-"): value
        for name, value in found.attributes.items()
        if name.startswith("phx-value-")
    }
    binding = found.attributes["phx-click"]
    if binding.startswith("["):
        for kind, arguments in json.loads(binding):
            own |= arguments.get("value", {}) if kind == "push" else {}
    return own == values


def _selector(found: Found) -> str:
    if "id" in found.attributes:
        return f'[id="{found.attributes["id"]}"]'
    named = ("phx-click", "phx-change", "href", *(name for name in found.attributes if name.startswith("phx-value-")))
    pairs = [(name, found.attributes[name]) for name in named if name in found.attributes]
    return "".join("[{}='{}']".format(name, value.replace("'", "\\'")) for name, value in pairs)


def _data(found: Found) -> dict[str, str]:
    data = {name: value for name, value in found.attributes.items() if name.startswith("data-")}
    named = {_camel(name.removeprefix("data-")): value for name, value in data.items()}
    return {name: value for name, value in named.items() if name != MAGIC}


def _camel(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(each.capitalize() for each in rest)


def _same(what: str, theirs: Any, ours: Any) -> None:
    if theirs != ours:
        raise Differs(f"{what} differs\n  browser: {theirs}\n  client:  {ours}")
