"""Pages opened and used from async code: what a test or a script does in place of a user."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

from lvdeploy.client.pump import Pump
from lvdeploy.client.route import PORTS, Route, host_of
from lvdeploy.client.tls import tls_context
from lvdeploy.clock import SystemClock
from lvdeploy.model import Kind, Observation
from lvdeploy.wire.phoenix import LiveView
from lvdeploy.wire.session import (
    Action,
    Blur,
    CannotAct,
    Change,
    Click,
    Effect,
    Found,
    Headers,
    Input,
    Push,
    Session,
    Submit,
    Visit,
)

PATIENCE = 30.0
"""Seconds to wait for a page to settle where nothing else is said; LiveView's own patience with an event."""

LAST_SEEN = 6


class Stuck(AssertionError):
    """A page did not come to where it was waited for; says what was seen last."""


class Live:
    """
    Opens pages, each for a user of its own with a cookie jar of its own; all end with ``close``.

    Needs a running event loop once the first page is opened. ``ca`` is a PEM file to trust in place of
    the machine's authorities. ``missing`` is what to tell a caller who gave no address anywhere.
    """

    def __init__(
        self,
        base_url: str = "",
        *,
        ca: str | None = None,
        timeout: float = PATIENCE,
        seed: int = 1,
        missing: str = "give a whole URL, or base_url",
    ) -> None:
        self._base_url = base_url
        self._ca = ca
        self._timeout = timeout
        self._rng = random.Random(seed)
        self._missing = missing
        self._now = SystemClock().now
        self._pumps: list[Pump] = []
        self._closed_ports: list[socket.socket] = []

    async def __call__(
        self, path: str, *, base_url: str | None = None, headers: Headers = (), timeout: float | None = None
    ) -> View:
        """
        Open a page as a user new to the service and wait until it is joined.

        ``timeout`` is how long each wait on this page may take. Raises ``Stuck`` and, where there is no
        address, ``ValueError``.
        """
        url = urljoin(self._base_url if base_url is None else base_url, path)
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"where is {path!r}? {self._missing}")
        view = View(
            LiveView(url, rng=random.Random(self._rng.random())),
            headers=headers,
            ca=self._ca,
            now=self._now,
            timeout=self._timeout if timeout is None else timeout,
            closed_port=self._closed_port,
        )
        self._pumps.append(view.pump)
        await view.begin()
        return view

    async def close(self) -> None:
        """Close every page as a browser does whose tabs are closed; more may be opened afterwards."""
        pumps, self._pumps = self._pumps, []
        await asyncio.gather(*(pump.close() for pump in pumps))
        for each in self._closed_ports:
            each.close()
        self._closed_ports.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _closed_port(self) -> tuple[str, int]:
        """Return an address that refuses connections: bound, so nobody else answers there, and not listening."""
        if not self._closed_ports:
            bound = socket.socket()
            bound.bind(("127.0.0.1", 0))
            self._closed_ports.append(bound)
        return "127.0.0.1", int(self._closed_ports[0].getsockname()[1])


class View:
    """
    One user's page. What a user does returns when the service has answered it all.

    Actions raise ``CannotAct`` where they cannot be done, having changed nothing, and ``Stuck`` where the
    answer does not come.
    """

    def __init__(
        self,
        session: Session,
        *,
        headers: Headers,
        ca: str | None,
        now: Callable[[], float],
        timeout: float,
        closed_port: Callable[[], tuple[str, int]],
    ) -> None:
        self._session = session
        self._now = now
        self._timeout = timeout
        self._closed_port = closed_port
        self._turned = asyncio.Event()
        self._route = Route(frozenset({host_of(session.url)}))
        self.observations: list[Observation] = []
        """All that was seen of the connection and the page, in order; ``at`` is seconds since it was opened."""
        self.pump = Pump(
            now=now, emit=self._observed, origin=now(), route=self._route, tls=tls_context(ca), headers=headers
        )

    # What a user sees

    @property
    def url(self) -> str:
        """The address bar."""
        return self._session.url

    def find(self, selector: str) -> tuple[Found, ...]:
        """Return every element that a CSS selector finds, in document order."""
        return self._session.look(selector)

    def has(self, selector: str) -> bool:
        return bool(self.find(selector))

    def text(self, selector: str) -> str:
        """Return the text of the one element that is found, its white space made single spaces."""
        return self._one(selector).text

    def value(self, selector: str) -> str | None:
        """Return what stands in a form's input; ``None`` for a box that is not ticked."""
        return self._one(selector).value

    def attribute(self, selector: str, name: str) -> str | None:
        return self._one(selector).attributes.get(name)

    # What a user does

    async def click(self, selector: str) -> None:
        """Click a button or a link, live or plain."""
        await self._act(Click(selector))

    async def change(self, form: str, values: Mapping[str, str | bool | Sequence[str]]) -> None:
        """
        Type and choose in a form, input by input, and leave it; ``values`` by the inputs' names.

        An input that has the focus would keep its text on the screen even where the server lost it.
        """
        await self._act(Change(form, values))
        await self._act(Blur())

    async def submit(self, form: str, *, submitter: str | None = None) -> None:
        await self._act(Submit(form, submitter))

    async def push(self, event: str, value: Mapping[str, object] | None = None, *, target: str | None = None) -> None:
        """Push an event as a hook does; ``target`` selects a component's element."""
        await self._act(Push(event, value or {}, target))

    async def visit(self, path: str) -> None:
        """Load another page, as by typing its address."""
        await self._act(Visit(path))

    async def reload(self) -> None:
        """Load the page again; what was only in the browser is gone, cookies stay."""
        await self._act(Visit(self.url))

    # What a deploy does

    async def lose(self, code: int = 1012, *, refused: float = 0.0, to: str | None = None) -> None:
        """
        Take the connection away as a server or a proxy that closes with ``code``, and wait until the page is back.

        1012 and 1001 are a restart, 1006 a killed server or a broken network, 1000 makes LiveView load the
        page again after 5 to 10 s. For ``refused`` seconds nothing answers. With ``to``, the URL of
        another instance, the page comes back there, under the address it has: the cutover.
        """
        await self.settled()
        route = self._route if to is None else self._towards(to)
        if refused > 0:
            self.pump.reroute(USER, Route(self._route.hosts, self._closed_port()))
            asyncio.get_running_loop().call_later(refused, self.pump.reroute, USER, route)
        else:
            self.pump.reroute(USER, route)
        self._route = route
        if not self.pump.lose(USER, code=code):
            raise CannotAct(f"{self.url} has no open connection to lose")
        await self._until(lambda: self._session.idle, f"{self.url} to be back after {code}", refused + self._timeout)

    # Waiting

    async def settled(self) -> None:
        """Wait until it is joined and everything is answered."""
        await self._until(lambda: self._session.idle, f"{self.url} to settle", self._timeout)

    async def until(self, condition: Callable[[], object], *, what: str = "a condition") -> None:
        """Wait for what the server does by itself; the condition is asked again whenever something came in."""
        await self._until(lambda: bool(condition()), what, self._timeout)

    # Private

    async def begin(self) -> None:
        self.pump.start(USER, Told(self._session, self._turned.set))
        await self.settled()

    async def _act(self, action: Action) -> None:
        self.pump.act(USER, action)
        await self.settled()

    def _one(self, selector: str) -> Found:
        found = self.find(selector)
        if len(found) != 1:
            raise CannotAct(f"{selector!r} finds {len(found) or 'no'} elements on {self.url}, not one")
        return found[0]

    def _towards(self, url: str) -> Route:
        parts, here = urlsplit(url), urlsplit(self.url)
        if parts.scheme != here.scheme or not parts.hostname:
            raise ValueError(f"{url!r} should be a URL with {here.scheme}://, as the page's")
        return Route(self._route.hosts, (parts.hostname, parts.port or PORTS[parts.scheme]))

    def _observed(self, observation: Observation) -> None:
        self.observations.append(observation)
        self._turned.set()

    async def _until(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        deadline = self._now() + timeout
        while not condition():
            if self._is_over():
                raise Stuck(self._told(f"waited in vain for {what}"))
            self._turned.clear()
            try:
                async with asyncio.timeout(deadline - self._now()):
                    await self._turned.wait()
            except TimeoutError:
                raise Stuck(self._told(f"waited {timeout:g} s for {what}")) from None

    def _is_over(self) -> bool:
        """Return whether nothing will happen by itself any more: the client is gone, or an error page is shown."""
        last = self.observations[-1] if self.observations else None
        if last is None or last.kind is Kind.GONE:
            return last is not None
        status = last.detail.get("status")
        is_error = last.kind is Kind.PAGE_LOADED and isinstance(status, int) and status >= 400
        return is_error and self._session.wake_at is None

    def _told(self, message: str) -> str:
        seen = [_line(each) for each in self.observations[-LAST_SEEN:]]
        return "\n".join([message + (", seen last:" if seen else ", nothing was seen"), *seen])


USER = "user"


class Told:
    """A session that tells after each of its turns."""

    __slots__ = ("_inner", "_tell")

    def __init__(self, inner: Session, tell: Callable[[], None]) -> None:
        self._inner = inner
        self._tell = tell

    @property
    def wake_at(self) -> float | None:
        return self._inner.wake_at

    @property
    def idle(self) -> bool:
        return self._inner.idle

    @property
    def url(self) -> str:
        return self._inner.url

    def begin(self, now: float) -> list[Effect]:
        return self._inner.begin(now)

    def act(self, action: Action, now: float) -> list[Effect]:
        return self._inner.act(action, now)

    def handle(self, event: Input, now: float) -> list[Effect]:
        effects = self._inner.handle(event, now)
        self._tell()
        return effects

    def look(self, selector: str) -> tuple[Found, ...]:
        return self._inner.look(selector)


def _line(seen: Observation) -> str:
    value = "" if seen.value is None else f" {seen.value:.3g} s"
    detail = ", ".join(f"{name} {each}" for name, each in seen.detail.items() if each not in ("", None))
    return f"  {seen.at:7.3f} s  {seen.kind.value}{value}" + (f" ({detail})" if detail else "")
