"""A browser of the tests: it keeps cookies and speaks raw frames, so that nothing hides what the server sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from selectolax.lexbor import LexborHTMLParser
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.demo.instance import Instance

WAIT = 20.0
_opened: list[ClientConnection] = []


def run(story: Coroutine[Any, Any, None]) -> None:
    """Live through a story and close every socket that it opened."""

    async def live() -> None:
        try:
            await story
        finally:
            await asyncio.gather(*(each.close() for each in _opened))
            _opened.clear()

    asyncio.run(live())


class Browser:
    """One user; ``views`` on several instances share its cookies, as behind a balancer."""

    def __init__(self) -> None:
        self.cookies = httpx.Cookies()

    async def visit(self, instance: Instance, path: str) -> View:
        """Load a page; nothing is joined yet."""
        async with httpx.AsyncClient(cookies=self.cookies, timeout=WAIT) as client:
            page = await client.get(instance.url + path)
            self.cookies = client.cookies
        assert page.status_code == 200, page.text
        return View(self, instance, path, page)


class View:
    """A page; ``here`` is the instance its next connection goes to."""

    def __init__(self, browser: Browser, here: Instance, path: str, page: httpx.Response) -> None:
        document = LexborHTMLParser(page.text)
        root = document.css_first("[data-phx-main]")
        token = document.css_first("meta[name=csrf-token]")
        assert root is not None and token is not None
        self.browser, self.here, self.path, self.page = browser, here, path, page
        self.topic = f"lv:{root.attributes['id']}"
        self.session = root.attributes["data-phx-session"]
        self.token = token.attributes["content"] or ""
        self.tree: dict[str, Any] = {}
        self.html = page.text
        self._ref = 3
        self._join_ref = ""
        self._socket: ClientConnection | None = None

    @property
    def socket(self) -> ClientConnection:
        assert self._socket is not None
        return self._socket

    async def connect(self, here: Instance | None = None, **query: str) -> None:
        """Open a socket, perhaps to another instance; ``query`` replaces what a browser would send."""
        self.here = here or self.here
        self._socket = await connect(self.address(**query), additional_headers=self.headers())
        _opened.append(self._socket)

    def address(self, **query: str) -> str:
        parameters = {"_csrf_token": self.token, "vsn": "2.0.0"} | query
        return f"ws://127.0.0.1:{self.here.port}/live/websocket?{urlencode(parameters)}"

    def headers(self) -> dict[str, str]:
        return {"cookie": "; ".join(f"{name}={value}" for name, value in self.browser.cookies.items())}

    async def send(self, *frame: object) -> None:
        await self.socket.send(json.dumps(frame))

    async def receive(self) -> list[Any]:
        async with asyncio.timeout(WAIT):
            frame: list[Any] = json.loads(await self.socket.recv())
        return frame

    async def closed(self) -> int | None:
        """Wait for the end of the connection and return its close code."""
        async with asyncio.timeout(WAIT):
            try:
                while True:
                    await self.socket.recv()
            except ConnectionClosed:
                return self.socket.close_code

    def join_payload(self, **changes: object) -> dict[str, object]:
        params = {"_csrf_token": self.token, "_mounts": 0}
        payload = {"url": self.here.url + self.path, "params": params, "session": self.session, "static": None}
        return {name: value for name, value in {**payload, **changes}.items() if value is not ...}

    async def ask(self, event: str, payload: dict[str, Any]) -> list[Any]:
        """Send a frame of the joined view and return its answer, or whatever the server sends for the view instead."""
        ref = self._next_ref()
        await self.send(self._join_ref, ref, self.topic, event, payload)
        while True:
            frame = await self.receive()
            if frame[1] is None:
                self._take(frame[4])
                continue
            if frame[3] == "phx_reply" and frame[1] == ref:
                self._take(frame[4]["response"].get("diff", {}))
            return frame

    async def join(self, **changes: object) -> list[Any]:
        self._join_ref = ref = self._next_ref()
        await self.send(ref, ref, self.topic, "phx_join", self.join_payload(**changes))
        frame = await self.receive()
        response = frame[4].get("response", {})
        if "rendered" in response:
            self.tree = {}
            self._take(response["rendered"])
        return frame

    async def click(self, event: str, **value: str) -> list[Any]:
        return await self.ask("event", {"type": "click", "event": event, "value": {"value": "", **value}})

    async def fill(self, event: str, fields: list[tuple[str, str]], *, target: str) -> list[Any]:
        value = urlencode([*fields, ("_target", target)])
        return await self.ask("event", {"type": "form", "event": event, "value": value, "uploads": {}})

    async def submit(self, event: str, fields: list[tuple[str, str]]) -> list[Any]:
        return await self.ask("event", {"type": "form", "event": event, "value": urlencode(fields)})

    async def until(self, selector: str) -> None:
        """Take pushed diffs in until the page shows what the selector says."""
        async with asyncio.timeout(WAIT):
            while not self.document.css(selector):
                frame = await self.receive()
                if frame[3] == "diff":
                    self._take(frame[4])

    @property
    def document(self) -> LexborHTMLParser:
        return LexborHTMLParser(self.html)

    def text(self, selector: str) -> str:
        node = self.document.css_first(selector)
        assert node is not None, f"{selector} is not on {urlsplit(self.path).path}"
        return node.text().strip()

    def attribute(self, selector: str, name: str) -> str | None:
        node = self.document.css_first(selector)
        assert node is not None, f"{selector} is not on {urlsplit(self.path).path}"
        return node.attributes.get(name)

    def _next_ref(self) -> str:
        self._ref += 1
        return str(self._ref)

    def _take(self, diff: dict[str, Any]) -> None:
        _merge(self.tree, diff)
        self.html = _html(self.tree)


def _merge(tree: dict[str, Any], diff: dict[str, Any]) -> None:
    for key, value in diff.items():
        before = tree.get(key)
        if isinstance(value, dict) and isinstance(before, dict) and "s" not in value:
            _merge(before, value)
        else:
            tree[key] = value


def _html(node: Any) -> str:
    """Render the grammar of 0.20; a stream shows its newest items only."""
    if not isinstance(node, dict):
        return str(node)
    statics = node.get("s", [])
    if "d" in node:
        return "".join(_woven(statics, row) for row in node["d"])
    return _woven(statics, [node[str(index)] for index in range(len(statics) - 1)])


def _woven(statics: list[str], dynamics: list[Any]) -> str:
    return statics[0] + "".join(_html(each) + static for each, static in zip(dynamics, statics[1:], strict=True))
