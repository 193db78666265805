"""A page and its user in a browser tab: the session synthetic clients speak LiveView with."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lvdeploy.model import PIN_HEADER, Kind
from lvdeploy.wire.backoff import MAX_RELOADS, reload_after
from lvdeploy.wire.phoenix.bindings import JavaScript
from lvdeploy.wire.phoenix.cookies import Cookies
from lvdeploy.wire.phoenix.endpoint import Endpoint, path_of, without_fragment
from lvdeploy.wire.phoenix.history import History
from lvdeploy.wire.phoenix.javascript import waits_past_limit
from lvdeploy.wire.phoenix.live_socket import LiveSocket
from lvdeploy.wire.phoenix.loading import Load, Loader, Unfollowed, header
from lvdeploy.wire.phoenix.page import Page
from lvdeploy.wire.phoenix.socket import Link
from lvdeploy.wire.phoenix.transport import Fallback
from lvdeploy.wire.session import (
    Action,
    Back,
    Blur,
    CannotAct,
    Change,
    Click,
    Effect,
    Fetch,
    Fetched,
    FetchFailed,
    Found,
    Headers,
    Hide,
    Input,
    Join,
    Leave,
    Lost,
    Navigate,
    Observe,
    Opened,
    Part,
    Push,
    Received,
    Refused,
    Show,
    Submit,
    Upload,
    Visit,
    Woken,
)

USER_AGENT = "Mozilla/5.0 (compatible; lvdeploy)"

COOKIE_AGE = 60.0
"""Seconds live_socket.ts gives the cookies it leaves for the next page load."""

# Chromium net_error_auto_reloader.cc: an error page loads itself again, while an HTTP status never does
RETRY_AFTER = (1.0, 5.0, 30.0, 60.0, 300.0, 600.0, 1800.0)

IMMEDIATE = ("stale", "unauthorized", "reload")
MAX_IMMEDIATE_LOADS = 20
"""A browser loops for ever on a join that is always stale; this one then waits as in failsafe mode."""

WhichJavaScript: TypeAlias = Literal["auto"] | JavaScript


@dataclass(frozen=True, slots=True)
class Identify:
    """The response headers that tell which instance answered, and which version it is."""

    instance: str = "x-instance"
    version: str = "x-app-version"

    def read(self, headers: Headers) -> dict[str, str]:
        """Return who answered; empty where it does not say."""
        return {"instance": header(headers, self.instance), "version": header(headers, self.version)}


NOBODY: Mapping[str, str] = {"instance": "", "version": ""}


class LiveView:
    """
    One synthetic user of one service; see ``lvdeploy.wire.session.Session``.

    ``url`` is the first page, and its origin the only one ever fetched or dialled. ``javascript`` "auto" imitates
    the version the server names in the first join. ``headers`` and the ``pin`` go with every request and dial.
    ``params`` are the app's own connection parameters beside the csrf token. ``long_poll_fallback`` is the page's
    longPollFallbackMs in seconds: how long a websocket may take to open; None never falls back. Raises ``ValueError``
    if ``url`` is no http or https URL.
    """

    __slots__ = (
        "_cookies", "_gone", "_identify", "_immediate_loads", "_javascript", "_live", "_load", "_loader", "_params",
        "_peer", "_reload_at", "_reload_reason", "_reload_url", "_reloads", "_retries", "_rng", "_status", "effects",
        "endpoint", "fallback", "history", "is_hidden", "location", "now",
    )  # fmt: skip

    def __init__(
        self,
        url: str,
        *,
        rng: random.Random,
        javascript: WhichJavaScript = "auto",
        identify: Identify = Identify(),
        headers: Headers = (),
        user_agent: str = USER_AGENT,
        pin: str | None = None,
        params: Mapping[str, str] | None = None,
        socket_path: str = "/live",
        long_poll_fallback: float | None = None,
    ) -> None:
        self.endpoint = Endpoint(url, socket_path=socket_path)
        self.effects: list[Effect] = []
        self.now = 0.0
        self.fallback = Fallback(long_poll_fallback) if long_poll_fallback is not None else None
        self.location = self.endpoint.resolve(url)
        self.history = History()
        self.is_hidden = False
        self._cookies = Cookies(secure=self.endpoint.is_secure)
        pinned = ((PIN_HEADER, pin),) if pin is not None else ()
        self._loader = Loader(self.endpoint, self._cookies, user_agent=user_agent, headers=(*headers, *pinned))
        self._identify = identify
        self._javascript = javascript
        self._params = dict(params or {})
        self._rng = rng
        self._reloads: dict[str, int] = {}
        self._immediate_loads = 0
        self._retries = 0
        self._reload_at: float | None = None
        self._reload_url = ""
        self._reload_reason = ""
        self._load: Load | None = None
        self._live: LiveSocket | None = None
        self._status = 0
        self._peer = NOBODY
        self._gone = False

    # Session

    @property
    def wake_at(self) -> float | None:
        times = (self._live.socket.wake_at if self._live is not None else None, self._reload_at)
        return min((at for at in times if at is not None), default=None)

    @property
    def idle(self) -> bool:
        live = self._live
        if live is None or self._load is not None or self._reload_at is not None:
            return False
        return live.is_settled if live.has_views else self._status < 400

    @property
    def url(self) -> str:
        return self.location

    def begin(self, now: float) -> list[Effect]:
        self.now = now
        self._start(self.location, "first")
        return self._take()

    def act(self, action: Action, now: float) -> list[Effect]:
        self.now = now
        match action:
            case Visit(url):
                self._hide()
                self._gone = False
                self._start(self.endpoint.resolve(url, base=self.location), "visit")
            case Leave():
                self._hide()
                self._live = self._load = self._reload_at = None
                self._gone = True
            case Back():
                self._go_back()
            case Hide():
                self.is_hidden = True
            case Show():
                self._show_again()
            case _:
                self._act_on_page(action)
        return self._take()

    def handle(self, event: Input, now: float) -> list[Effect]:
        self.now = now
        match event:
            case Fetched() if self._polls(event.number) is None:
                self._fetched(event)
            case FetchFailed(number, reason) if self._polls(number) is None:
                self._fetch_failed(number, reason)
            case Woken():
                self._woken()
            case _ if self._live is not None:
                self._connection(self._live, event)
        return self._take()

    def look(self, selector: str) -> tuple[Found, ...]:
        return self._live.page.find(selector) if self._live is not None else ()

    # Tab: what the page's JavaScript asks of the browser

    def upgrade_headers(self) -> Headers:
        return self._loader.upgrade_headers(self._socket_path, self.now)

    def request(self, method: str, url: str, *, headers: Headers, body: bytes) -> Fetch:
        return self._loader.of_script(method, url, self.now, headers=headers, body=body)

    def navigate(self, url: str, reason: str, *, method: str = "GET", body: bytes = b"") -> None:
        if self._live is not None:
            self._live.unload()
        if reason in IMMEDIATE:
            self._immediate_loads += 1
            if self._immediate_loads > MAX_IMMEDIATE_LOADS:
                wait = reload_after(MAX_RELOADS, self._rng)
                self._schedule(wait, url, reason, tries=self._immediate_loads)
                return
        self._start(url, reason, method=method, body=body)

    def reload_later(self, url: str, reason: str, *, javascript: JavaScript) -> None:
        path = path_of(self.location)
        tries = self._reloads[path] = self._reloads.get(path, -1) + 1
        # live_socket.ts: tries >= maxReloads, up to 0.20 tries > maxReloads
        wait = reload_after(tries - waits_past_limit(javascript), self._rng)
        self._schedule(wait, url, reason, tries=tries)

    def joined(self) -> None:
        self._reloads.pop(path_of(self.location), None)
        self._immediate_loads = 0

    def set_cookie(self, name: str, value: str) -> None:
        self._cookies.set(name, value, max_age=COOKIE_AGE, now=self.now)

    # Loading

    def _start(self, url: str, reason: str, *, method: str = "GET", body: bytes = b"") -> None:
        self._reload_at = None
        self._load = None
        if not self.endpoint.is_ours(url):
            self._observe(Kind.PAGE_FAILED, url=without_fragment(url), error="another origin")
            return
        self._load = self._loader.begin(url, reason, now=self.now, method=method, body=body)
        self.effects.append(self._loader.request(self._load, self.now))

    def _fetched(self, answer: Fetched) -> None:
        load = self._load
        if load is None or answer.number != load.number:
            return
        self._loader.keep_cookies(answer.headers, load.url, self.now)
        match self._loader.follow(load, answer):
            case True:
                self.effects.append(self._loader.request(load, self.now))
            case Unfollowed(url, error):
                self._load = None
                self._observe(Kind.PAGE_FAILED, url=url, error=error)
            case _:
                self._show(load, answer)

    def _fetch_failed(self, number: int, reason: str) -> None:
        load = self._load
        if load is None or number != load.number:
            return
        self._load = None
        self._observe(Kind.PAGE_FAILED, url=without_fragment(load.url), error=reason)
        wait = RETRY_AFTER[min(self._retries, len(RETRY_AFTER) - 1)]
        self._retries += 1
        self._schedule(wait, load.url, "page failed", tries=self._retries)

    def _show(self, load: Load, answer: Fetched) -> None:
        self._load = None
        self._retries = 0
        self.location = load.url
        self.history.loaded(load.url)
        self._status = answer.status
        self._peer = NOBODY
        who = self._identify.read(answer.headers)
        url = without_fragment(load.url)
        took = self.now - load.began
        self._observe(Kind.PAGE_LOADED, took, url=url, status=answer.status, reason=load.reason, **who)
        page = Page.load(load.url, answer.body)
        javascript = None if self._javascript == "auto" else self._javascript
        self._live = LiveSocket(self, page, javascript=javascript, params=self._params)
        self._live.connect()

    def _schedule(self, wait: float, url: str, reason: str, *, tries: int) -> None:
        self._reload_at = self.now + wait
        self._reload_url = url
        self._observe(Kind.RELOAD_SCHEDULED, wait, reason=reason, tries=tries)

    def _hide(self) -> None:
        if self._live is not None:
            self._live.hide()

    # Connection

    @property
    def _socket_path(self) -> str:
        return f"{self.endpoint.origin}{self.endpoint.socket_path}/websocket"

    def _polls(self, number: int) -> LiveSocket | None:
        """Return the page whose long polling asked so."""
        live = self._live
        poll = live.socket.long_poll if live is not None else None
        return live if poll is not None and poll.owns(number) else None

    def _polled(self, live: LiveSocket, event: Fetched | FetchFailed) -> None:
        poll = live.socket.long_poll
        if poll is None:
            return
        if isinstance(event, Fetched):
            self._loader.keep_cookies(event.headers, self._socket_path, self.now)
            outcome = poll.answered(event, self.now)
        else:
            outcome = poll.failed()
        for each in outcome:
            if live.socket.long_poll is poll:
                self._connection(live, each)

    def _connection(self, live: LiveSocket, event: Input) -> None:
        link = live.socket.link
        match event:
            case Fetched() | FetchFailed():
                self._polled(live, event)
            case Received(frame):
                live.received(frame)
            case Opened(headers) if link is Link.CONNECTING:
                self._opened(live, headers)
            case Refused(status, reason) if link is Link.CONNECTING:
                self._observe_refused(live, status, reason)
                live.refused()
            case Lost(code, reason) if link is Link.OPEN:
                self._observe_lost(live, code, reason)
                live.lost(code)
            case _:
                # it came after we were done with that connection
                pass

    def _opened(self, live: LiveSocket, headers: Headers) -> None:
        self._loader.keep_cookies(headers, self._socket_path, self.now)
        self._peer = self._identify.read(headers)
        took = self.now - live.socket.dialed_at
        self._observe(Kind.OPENED, took, attempt=live.socket.attempts, transport=live.socket.transport, **self._peer)
        live.opened()

    def _observe_lost(self, live: LiveSocket, code: int, reason: str) -> None:
        self._observe(Kind.LOST, code=code, reason=reason, transport=live.socket.transport, **self._peer)

    def _observe_refused(self, live: LiveSocket, status: int | None, reason: str) -> None:
        attempt, retry_in = live.socket.attempts, live.socket.retry_in
        self._observe(Kind.REFUSED, attempt=attempt, status=status, error=reason, retry_in=retry_in)

    def _observe_given_up(self, live: LiveSocket) -> None:
        if live.socket.is_dead(self.now):
            self._observe_lost(live, 1006, "heartbeat timeout")
        elif live.socket.is_too_slow(self.now) and live.socket.link is Link.OPEN:
            self._observe_lost(live, 1006, "ping unanswered")
        elif live.socket.is_too_slow(self.now):
            self._observe_refused(live, None, "not open in time")

    def _woken(self) -> None:
        live = self._live
        if live is not None:
            poll = live.socket.long_poll
            for event in poll.woken(self.now) if poll is not None else ():
                self._connection(live, event)
            self._observe_given_up(live)
            live.woken()
        if self._reload_at is not None and self._reload_at <= self.now:
            self.navigate(self._reload_url, "reload")

    # Acting

    def _act_on_page(self, action: Action) -> None:
        live = self._live
        if live is None or self._load is not None:
            raise CannotAct("the page was left" if self._gone else "no page is loaded")
        page, javascript = live.page, live.javascript
        match action:
            case Click(selector):
                live.do(page.click(selector, javascript=javascript))
            case Submit(form, submitter):
                live.do(page.submit(form, submitter, javascript=javascript))
            case Change():
                self._change(live, action)
            case Join() | Part() | Push(topic=str()):
                raise CannotAct("a page joins its views' topics by itself")
            case Upload(form, name, files):
                live.upload(form, name, files)
            case Navigate(href):
                live.navigation.navigate(live.absolute(href), flash=None)
            case Push(event, value, target):
                live.push_as_hook(event, value, target)
            case Blur():
                page.blur()

    def _go_back(self) -> None:
        if self._live is None or not self.history.can_go_back:
            raise CannotAct("there is no page to go back to")
        to = self.history.back()
        if to.left_by == "load" or self._live.main is None:
            # live_socket.ts pageshow: a page that a browser kept is loaded again too
            self._hide()
            self._start(to.url, "back")
        else:
            self._live.navigation.back(to)

    def _show_again(self) -> None:
        was_hidden, self.is_hidden = self.is_hidden, False
        if was_hidden and self._live is not None:
            self._live.shown()

    def _change(self, live: LiveSocket, change: Change) -> None:
        for name in change.values:
            quoted = name.replace("\\", "\\\\").replace('"', '\\"')
            if not live.page.find(f'[name="{quoted}"]'):
                # said before the first value is set: an action that cannot be done changes nothing
                raise CannotAct(f"the page has no input {name!r}")
        for name, value in change.values.items():
            event = live.page.change(change.form, name, value, javascript=live.javascript)
            if event is not None:
                live.push_or_drop(event)

    def _observe(self, kind: Kind, value: float | None = None, /, **detail: object) -> None:
        self.effects.append(Observe(kind, value, detail))

    def _take(self) -> list[Effect]:
        if self._live is not None:
            self._live.socket.flush(self.now)
        effects = self.effects[:]
        # the list itself is shared with the socket
        self.effects.clear()
        return effects
