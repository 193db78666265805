"""What the conformance suite asks of whoever is tried: requests, sockets, deaths, and meddling."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx
from websockets.asyncio.client import ClientConnection, connect

from lvdeploy.balancers import BALANCERS, Balancer, Managed
from lvdeploy.balancers.memory import Memory
from lvdeploy.balancers.traefik_managed import dynamic_directory, file_name
from lvdeploy.balancers.traefik_settings import TraefikSettings
from lvdeploy.clock import SystemClock
from lvdeploy.hosts import LocalHost
from lvdeploy.model import PIN_HEADER, Cookie, Health, Server, Traffic
from tests.balancers.backends import Backend

NAMES = ("a1", "a2", "b1", "b2")
DEADLINE = 20.0


@dataclass(frozen=True, slots=True)
class Answer:
    """``server`` is ``None`` where nobody could answer; ``cookies`` are those to send next time."""

    server: str | None
    cookies: Mapping[str, str] = field(default_factory=dict)
    pin_seen: str | None = None


class Socket(Protocol):
    server: str | None
    cookies: Mapping[str, str]

    async def echoes(self) -> bool: ...


class Subject(Protocol):
    balancer: Balancer

    def address(self, name: str) -> str: ...

    async def request(self, *, cookies: Mapping[str, str] | None = None, pin: str | None = None) -> Answer: ...

    async def socket(self, *, cookies: Mapping[str, str] | None = None) -> Socket: ...

    async def kill(self, name: str) -> None: ...

    async def meddle(self, change: Callable[[Traffic], Traffic]) -> None: ...


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that happens elsewhere; ``condition`` may return an awaitable."""
    async with asyncio.timeout(DEADLINE):
        while True:
            found = condition()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.02)
    raise AssertionError(what)


# Memory


class MemorySubject:
    def __init__(self, memory: Memory) -> None:
        self.balancer = self.memory = memory

    def address(self, name: str) -> str:
        return f"127.0.0.1:{4000 + NAMES.index(name)}"

    async def request(self, *, cookies: Mapping[str, str] | None = None, pin: str | None = None) -> Answer:
        found = self.memory.route(cookies or {}, pin)
        return Answer(found.server if found else None, {**(cookies or {}), **(found.cookies if found else {})})

    async def socket(self, *, cookies: Mapping[str, str] | None = None) -> Socket:
        answer = await self.request(cookies=cookies)
        if answer.server is not None:
            self.memory.connections[answer.server] = self.memory.connections.get(answer.server, 0) + 1
        return MemorySocket(self.memory, answer.server, answer.cookies)

    async def kill(self, name: str) -> None:
        self.memory.health[name] = Health.DOWN

    async def meddle(self, change: Callable[[Traffic], Traffic]) -> None:
        self.memory.change(change)


@dataclass
class MemorySocket:
    memory: Memory
    server: str | None
    cookies: Mapping[str, str]

    async def echoes(self) -> bool:
        return self.server is not None and self.memory.connections.get(self.server, 0) > 0


# Traefik


@dataclass(frozen=True)
class Running:
    """A managed Traefik that several tests use one after the other."""

    settings: TraefikSettings
    state_directory: Path
    managed: Managed
    service: str = "shop"

    @property
    def file(self) -> Path:
        return dynamic_directory(self.state_directory) / file_name(self.service)

    @property
    def record(self) -> Path:
        return self.state_directory / "traefik" / "traefik.json"

    @property
    def pid(self) -> int:
        return int(json.loads(self.record.read_bytes())["pid"])

    @property
    def url(self) -> str:
        return f"http://{self.settings.listen}"

    def balancer(self) -> Balancer:
        return BALANCERS["traefik"].build(
            self.settings, host=LocalHost(), state_directory=self.state_directory, service=self.service,
            clock=SystemClock(),
        )


def traefik_in(directory: Path, **settings: object) -> Running:
    ports = _free_ports(2)
    chosen = TraefikSettings.model_validate({
        "managed": True, "listen": f"127.0.0.1:{ports[0]}", "api": f"http://127.0.0.1:{ports[1]}",
        "health": {"interval": "200ms", "timeout": "1s"}, "stop_grace": "500ms", **settings,
    })  # fmt: skip
    managed = BALANCERS["traefik"].manage(
        chosen, host=LocalHost(), state_directory=directory, service="shop", clock=SystemClock()
    )
    assert managed is not None
    return Running(chosen, directory, managed)


@asynccontextmanager
async def traefik_subject(running: Running) -> AsyncIterator[TraefikSubject]:
    """Begin with nothing in Traefik and four living backends."""
    await running.managed.up()
    async with AsyncExitStack() as stack:
        balancer = running.balancer()
        stack.push_async_callback(balancer.close)
        backends = {name: Backend(name) for name in NAMES}
        for each in backends.values():
            await each.start()
            stack.push_async_callback(each.kill)
        running.file.unlink(missing_ok=True)
        await until(lambda: _holds_nothing(balancer), "the file of the test before is forgotten")
        subject = TraefikSubject(balancer, running, backends)
        stack.push_async_callback(subject.close)
        yield subject


class TraefikSubject:
    def __init__(self, balancer: Balancer, running: Running, backends: dict[str, Backend]) -> None:
        self.balancer = balancer
        self.running = running
        self.backends = backends
        self._http = httpx.AsyncClient(trust_env=False, base_url=running.url, timeout=DEADLINE)
        self._sockets: list[TraefikSocket] = []

    def address(self, name: str) -> str:
        return self.backends[name].address

    async def request(
        self, *, cookies: Mapping[str, str] | None = None, pin: str | None = None, path: str = "/", method: str = "GET"
    ) -> Answer:
        headers = {**_cookie_header(cookies), **({PIN_HEADER: pin} if pin else {})}
        answer = await self._http.request(method, path, headers=headers)
        kept = {**(cookies or {}), **dict(answer.cookies)}
        self._http.cookies.clear()
        if answer.status_code != httpx.codes.OK:
            return Answer(None, kept)
        body = answer.json()
        return Answer(body["server"], kept, body["pin"])

    async def socket(self, *, cookies: Mapping[str, str] | None = None) -> Socket:
        url = self.running.url.replace("http", "ws") + "/live/websocket"
        connection = await connect(url, additional_headers=_cookie_header(cookies), proxy=None)
        found = TraefikSocket(connection, cookies or {})
        self._sockets.append(found)
        return found

    async def kill(self, name: str) -> None:
        await self.backends[name].kill()
        await until(lambda: self._is_down(name), f"Traefik sees that {name} is dead")

    async def meddle(self, change: Callable[[Traffic], Traffic]) -> None:
        """Do what somebody with an editor would: the notes stay as they are."""
        before = await self.balancer.observe()
        assert before.traffic is not None
        self.edit(lambda text: _edited(text, before.traffic, change(before.traffic)))
        await until(self._differs, "Traefik takes the edited file")

    def edit(self, change: Callable[[str], str]) -> None:
        new = self.running.file.with_suffix(".edited")
        new.write_text(change(self.running.file.read_text()))
        new.replace(self.running.file)

    async def close(self) -> None:
        for each in self._sockets:
            await each.connection.close()
        await self._http.aclose()

    async def _is_down(self, name: str) -> bool:
        return (await self.balancer.observe()).health.get(name) is Health.DOWN

    async def _differs(self) -> bool:
        lines = (await self.balancer.observe()).difference
        return any(str(self.running.file) not in each for each in lines)


class TraefikSocket:
    def __init__(self, connection: ClientConnection, cookies: Mapping[str, str]) -> None:
        self.connection = connection
        assert connection.response is not None
        self.server: str | None = connection.response.headers["x-instance"]
        new = (each.split(";")[0].split("=", 1) for each in connection.response.headers.get_all("set-cookie"))
        self.cookies: Mapping[str, str] = {**cookies, **dict(new)}

    async def echoes(self) -> bool:
        await self.connection.send("still there?")
        return await self.connection.recv() == "still there?"


async def _holds_nothing(balancer: Balancer) -> bool:
    found = await balancer.observe()
    return found.traffic is None and not found.difference


def _cookie_header(cookies: Mapping[str, str] | None) -> dict[str, str]:
    return {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}


def _edited(text: str, before: Traffic, after: Traffic) -> str:
    document = json.loads(text)
    services = document["http"]["services"]
    for old, new in zip(before.versions, after.versions, strict=True):
        servers = services[f"lvdeploy.shop.version.{old.version}"]["loadBalancer"]
        servers["servers"] = [_line(each) for each in new.servers]
        for each in services["lvdeploy.shop.shares"]["weighted"]["services"]:
            if each["name"].endswith(f".version.{old.version}"):
                each["weight"] = new.share
    if isinstance(after.affinity, Cookie):
        services["lvdeploy.shop.shares"]["weighted"]["sticky"]["cookie"]["name"] = after.affinity.name
    return json.dumps(document)


def _line(server: Server) -> dict[str, object]:
    return {"url": f"http://{server.address}", "weight": server.weight}


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


