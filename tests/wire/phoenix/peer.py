"""A scripted Phoenix server and the world around one client: time moves only when told to."""

from __future__ import annotations

import json
import random
from typing import Any

from lvdeploy.model import Kind
from lvdeploy.wire.phoenix import LiveView
from lvdeploy.wire.session import (
    Action,
    Change,
    Close,
    Dial,
    Effect,
    Fetch,
    Fetched,
    Input,
    Lost,
    Observe,
    Opened,
    Received,
    Refused,
    Send,
    Woken,
)

URL = "http://app.test/page?a=1"
TOPIC = "lv:phx-MAIN"

MAIN = '<div id="phx-MAIN" data-phx-main data-phx-session="SESSION" data-phx-static="STATIC">{}</div>'
STICKY = '<div id="stick" data-phx-session="STICKY" data-phx-static="ST" data-phx-sticky>radio</div>'
FORM = '<form id="f" phx-change="validate" phx-submit="save"><input name="u[name]" value=""></form>'
LINKS = (
    '<a id="patch" href="/page?a=2" data-phx-link="patch" data-phx-link-state="push">p</a>'
    '<a id="go" href="/other" data-phx-link="redirect" data-phx-link-state="push">n</a>'
    '<button id="hit" phx-click="hit">h</button>'
)


def page(body: str = FORM + LINKS, *, head: str = "", more: str = "") -> bytes:
    """Return a dead render."""
    meta = '<meta name="csrf-token" content="CSRF">'
    return f"<!doctype html><html><head>{meta}{head}</head><body>{MAIN.format(body)}{more}</body></html>".encode()


def tree(html: str = FORM + LINKS, slot: str = "0") -> dict[str, Any]:
    """Return a join's rendered tree with one dynamic slot, in an ``i`` after the HTML."""
    return {"0": slot, "s": [f"<section>{html}<i>", "</i></section>"]}


class Peer:
    """
    Holds a client and answers for the world.

    ``sent`` are the frames of the current connection, decoded; ``effects`` those of the last input.
    """

    def __init__(self, url: str = URL, *, seed: int = 1, client: Any = None, **settings: Any) -> None:
        self.client = client or LiveView(url, rng=random.Random(seed), **settings)
        self.now = 100.0
        self.sent: list[list[Any]] = []
        self.fetches: list[Fetch] = []
        self.dials: list[tuple[float, Dial]] = []
        self.closes: list[Close] = []
        self.observed: list[Observe] = []
        self.effects: list[Effect] = []
        self._take(self.client.begin(self.now))

    # Whole stretches

    def joined(self, *, html: bytes | None = None, rendered: dict[str, Any] | None = None, **more: Any) -> Peer:
        """Load the page, open the socket, answer the join."""
        self.answer_page(html if html is not None else page()).open().reply_join(rendered, **more)
        return self

    def joined_without_forms(self) -> Peer:
        """Like ``joined``, with nothing to recover."""
        return self.joined(html=page(LINKS), rendered=tree(LINKS))

    def answer_page(self, html: bytes | None = None, *, status: int = 200, headers: Any = ()) -> Peer:
        return self.feed(Fetched(self.fetches[-1].number, status, list(headers), page() if html is None else html))

    def open(self, headers: Any = ()) -> Peer:
        return self.feed(Opened(list(headers)))

    def lose(self, code: int = 1012) -> Peer:
        return self.feed(Lost(code))

    def refuse(self, status: int | None = None) -> Peer:
        return self.feed(Refused(status, "refused"))

    def reply_join(self, rendered: dict[str, Any] | None = None, *, version: str = "1.2.10", **more: Any) -> Peer:
        """Answer the last join with a tree."""
        response = {"rendered": tree() if rendered is None else rendered, "liveview_version": version, **more}
        return self.reply(self.last("phx_join"), response)

    def refuse_join(self, **response: Any) -> Peer:
        return self.reply(self.last("phx_join"), response, status="error")

    def reply(self, frame: list[Any], response: dict[str, Any] | None = None, *, status: str = "ok") -> Peer:
        payload = {"status": status, "response": response or {}}
        return self.frame(frame[0], frame[1], frame[2], "phx_reply", payload)

    def push(self, event: str, payload: dict[str, Any], *, topic: str = TOPIC, join_ref: Any = None) -> Peer:
        return self.frame(join_ref, None, topic, event, payload)

    def frame(self, *frame: Any) -> Peer:
        return self.feed(Received(json.dumps(frame)))

    def feed(self, event: Input) -> Peer:
        self._take(self.client.handle(event, self.now))
        return self

    def act(self, action: Action) -> Peer:
        self._take(self.client.act(action, self.now))
        return self

    def wait(self, seconds: float) -> Peer:
        """Let time pass, waking the client whenever it asked to be woken."""
        end = self.now + seconds
        while (at := self.client.wake_at) is not None and at <= end + 1e-9:
            self.now = max(self.now, at)
            self.feed(Woken())
        self.now = end
        return self

    def wake(self) -> float:
        """Go to the next time the client wants to be woken and wake it; return how long that was."""
        at = self.client.wake_at
        assert at is not None, "it never wants to be woken"
        took, self.now = at - self.now, at
        self.feed(Woken())
        return took

    # What it did

    def last(self, event: str) -> list[Any]:
        return next(frame for frame in reversed(self.sent) if frame[3] == event)

    def events(self) -> list[str]:
        """Return the names of the frames of this connection, LiveView events by their own."""
        return [frame[4]["event"] if frame[3] == "event" else frame[3] for frame in self.sent]

    def seen(self, kind: Kind) -> list[dict[str, Any]]:
        return [dict(each.detail) for each in self.observed if each.kind is kind]

    def cookie(self) -> str:
        return dict(self.fetches[-1].headers).get("Cookie", "")

    def _take(self, effects: list[Effect]) -> None:
        self.effects = effects
        for effect in effects:
            match effect:
                case Send(bytes() as frame):
                    self.sent.append(_pushed(frame))
                case Send(frame):
                    self.sent.append(json.loads(frame))
                case Fetch():
                    self.fetches.append(effect)
                case Dial():
                    self.dials.append((self.now, effect))
                    self.sent = []
                case Close():
                    self.closes.append(effect)
                case Observe():
                    self.observed.append(effect)


def _pushed(frame: bytes) -> list[Any]:
    """Read a client's binary push; its payload is the bytes themselves."""
    assert frame[0] == 0
    names, at = [], 5
    for length in frame[1:5]:
        names.append(frame[at : at + length].decode())
        at += length
    return [*names, frame[at:]]


def typed() -> Peer:
    """Return a page in whose form somebody typed, acknowledged."""
    peer = Peer().joined().act(Change("#f", {"u[name]": "Ann"}))
    return peer.reply(peer.last("event"))


def reconnected(peer: Peer) -> Peer:
    """Return it on a new connection, its join sent."""
    peer.lose()
    peer.wake()
    return peer.open()
