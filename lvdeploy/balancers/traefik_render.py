"""Traffic as Traefik's dynamic configuration, and back."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

import msgspec

from lvdeploy.balancers.routing import admits_new, keeps_sticky, ready, server_cookie
from lvdeploy.errors import BalancerError
from lvdeploy.model import PIN_HEADER, Cookie, Mode, Pin, Scope, Server, Traffic, Version, VersionTraffic

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | float | bool | None"

NOTES_HEADER = "X-Lvdeploy-Notes"
_NOTES_FORMAT = 1
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Rendering:
    """The three lists of Traefik's HTTP configuration that it reports back, by name without provider."""

    routers: Mapping[str, Json]
    services: Mapping[str, Json]
    middlewares: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Shape:
    """What beside the traffic decides the configuration; durations in seconds."""

    entry_points: tuple[str, ...] = ("web",)
    rule: str = "PathPrefix(`/`)"
    priority: int | None = None
    middlewares: tuple[str, ...] = ()
    secure_cookie: bool = False
    health_path: str = "/health"
    health_interval: float = 1.0
    health_timeout: float = 1.0
    keep_idle: float = 4.0


@dataclass(frozen=True, slots=True)
class Notes:
    """What lvdeploy keeps in the balancer for itself: enough to render the same again."""

    format: int
    traffic: Traffic
    shape: Shape


@dataclass(frozen=True, slots=True)
class Names:
    """The names lvdeploy writes for one service; all of them begin with ``prefix``."""

    prefix: str

    @classmethod
    def of(cls, service: str) -> Names:
        return cls(f"lvdeploy.{_quoted(service).replace('.', '%2E')}.")

    @property
    def app(self) -> str:
        return f"{self.prefix}app"

    @property
    def shares(self) -> str:
        return f"{self.prefix}shares"

    @property
    def notes(self) -> str:
        return f"{self.prefix}notes"

    @property
    def retry(self) -> str:
        return f"{self.prefix}retry"

    @property
    def hide_pin(self) -> str:
        return f"{self.prefix}hide-pin"

    @property
    def transport(self) -> str:
        return f"{self.prefix}transport"

    def version(self, version: Version) -> str:
        return f"{self.prefix}version.{_quoted(version)}"

    def withdrawn(self, version: Version) -> str:
        return f"{self.prefix}withdrawn.{_quoted(version)}"

    def sticky(self, version: Version) -> str:
        return f"{self.prefix}sticky.{_quoted(version)}"

    def pin(self, number: int) -> str:
        return f"{self.prefix}pin.{number}"


def render(traffic: Traffic, *, names: Names, shape: Shape) -> Rendering:
    """
    Return the configuration that does what the traffic says.

    No weight of 0 is ever written: Traefik 3.7.15 counts a server or service of weight 0 as up when its
    check passes again, then looks for it in a list it is not in, for ever, with the lock held. What is
    withdrawn stands in a service of its own that no router uses.
    """
    _refuse_drain(traffic)
    services: dict[str, Json] = {}
    for version in traffic.versions:
        services[names.version(version.version)] = _checked(ready(version), names, shape, traffic.affinity)
        if withdrawn := [each for each in version.servers if each.mode is Mode.MAINT]:
            services[names.withdrawn(version.version)] = _servers(withdrawn, names)
    routers: dict[str, Json] = {}
    if traffic.versions:
        routers[names.app] = _router(names.app, shape.rule, 0, names, shape)
        services |= _shares(traffic, names, shape)
    for version in _sticky(traffic):
        name = names.sticky(version.version)
        routers[name] = _router(name, _sticky_rule(traffic, version, names, shape), 1, names, shape)
        services[name] = _failover(names.version(version.version), _other_than(version, traffic, names))
    for number, pin in enumerate(traffic.pins):
        name = names.pin(number)
        routers[name] = _router(name, _pin_rule(pin, shape), 2, names, shape)
        services[name] = _servers(_pinned(traffic, pin), names)
    return Rendering(routers, services, _middlewares(traffic, names, shape))


def document(rendering: Rendering, *, names: Names, shape: Shape) -> bytes:
    """Return the file's content: JSON, which is YAML."""
    http = {
        "routers": rendering.routers,
        "services": rendering.services,
        "middlewares": rendering.middlewares,
        # The application may close an idle connection just when a POST is sent on it, and a POST is not sent
        # twice: so idle connections end here first (uvicorn keeps them 5 s, Traefik 90 s).
        "serversTransports": {
            names.transport: {
                "forwardingTimeouts": {"idleConnTimeout": go_duration(shape.keep_idle), "dialTimeout": "3s"}
            }
        },
    }
    text = json.dumps({"http": {each: value for each, value in http.items() if value}}, indent=1, ensure_ascii=True)
    # Traefik runs its files through Go's templates first; in JSON, two braces in a row occur in strings only.
    return text.replace("{{", "{\\u007b").encode() + b"\n"


def read_notes(middleware: object) -> Notes | None:
    """Return what was noted in a headers middleware, ``None`` where it holds nothing that can be read."""
    text = middleware
    for key in ("headers", "customRequestHeaders", NOTES_HEADER):
        text = text.get(key) if isinstance(text, Mapping) else None
    if not isinstance(text, str):
        return None
    try:
        notes = msgspec.json.decode(text, type=Notes)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return notes if notes.format == _NOTES_FORMAT else None


def notes_of(content: bytes, *, names: Names) -> Notes | None:
    """Return what a file of ours notes, ``None`` where it is not one."""
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError):
        return None
    for key in ("http", "middlewares", names.notes):
        value = value.get(key) if isinstance(value, Mapping) else None
    return read_notes(value)


def cookie_value(service: str) -> str:
    """Return what Traefik writes into a sticky cookie: sticky.go of 3.3 and later, sha256Hash."""
    return hashlib.sha256(service.encode()).hexdigest()[:16]


def go_duration(seconds: float) -> str:
    """Write seconds as Go's ``time.Duration.String`` does, so that it is read back as written."""
    milliseconds = max(1, round(seconds * 1000))
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


def _quoted(part: str) -> str:
    # An @ would name another provider; everything else odd is kept out of API addresses and logs.
    return quote(part, safe="+")


def _refuse_drain(traffic: Traffic) -> None:
    draining = [each.name for version in traffic.versions for each in version.servers if each.mode is Mode.DRAIN]
    if draining:
        raise BalancerError(
            f"Traefik cannot drain a server while its sticky users stay ({', '.join(draining)})",
            hint="withdraw it (maint) instead",
        )


def _router(name: str, rule: str, rank: int, names: Names, shape: Shape) -> Json:
    # Traefik's own default is the rule's length; ranks are small, so that a longer rule of the user's still wins.
    priority = (shape.priority or len(shape.rule)) + rank
    return {
        "rule": rule,
        "entryPoints": list(shape.entry_points),
        "service": name,
        "priority": priority,
        "middlewares": [*shape.middlewares, names.hide_pin, names.retry],
    }


def _shares(traffic: Traffic, names: Names, shape: Shape) -> dict[str, Json]:
    first = names.version(traffic.versions[0].version)
    weighted: list[Json] = [
        {"name": names.version(each.version), "weight": each.share} for each in traffic.versions if admits_new(each)
    ]
    if not weighted:
        return {names.app: _failover(first, first)}
    shares: dict[str, Json] = {"services": weighted, "healthCheck": {}}
    if traffic.affinity is not None:
        shares["sticky"] = _cookie(traffic.affinity.name, traffic.affinity, shape)
    return {names.shares: {"weighted": shares}, names.app: _failover(names.shares, first)}


def _failover(service: str, fallback: str) -> Json:
    return {"failover": {"service": service, "fallback": fallback, "healthCheck": {}}}


def _sticky(traffic: Traffic) -> list[VersionTraffic]:
    """Versions whose users stay though nobody new comes."""
    if traffic.affinity is None:
        return []
    return [each for each in traffic.versions if keeps_sticky(each) and not admits_new(each)]


def _sticky_rule(traffic: Traffic, version: VersionTraffic, names: Names, shape: Shape) -> str:
    name = re.escape(traffic.affinity.name) if traffic.affinity else ""
    pattern = rf"(^|;\s*){name}={cookie_value(names.version(version.version))}(;|$)"
    return f"({shape.rule}) && HeaderRegexp(`Cookie`, {json.dumps(pattern)})"


def _pin_rule(pin: Pin, shape: Shape) -> str:
    return f"({shape.rule}) && Header(`{PIN_HEADER}`, {json.dumps(pin.token)})"


def _other_than(version: VersionTraffic, traffic: Traffic, names: Names) -> str:
    if version is not traffic.versions[0]:
        return names.version(traffic.versions[0].version)
    return names.shares if any(admits_new(each) for each in traffic.versions) else names.version(version.version)


def _checked(servers: Sequence[Server], names: Names, shape: Shape, affinity: Cookie | None) -> Json:
    balancer: dict[str, Json] = {
        **_balancer(servers, names),
        "healthCheck": {
            "path": shape.health_path,
            "interval": go_duration(shape.health_interval),
            "timeout": go_duration(shape.health_timeout),
        },
    }
    if affinity is not None and affinity.scope is Scope.SERVER:
        balancer["sticky"] = _cookie(server_cookie(affinity.name), affinity, shape)
    return {"loadBalancer": balancer}


def _servers(servers: Sequence[Server], names: Names) -> Json:
    return {"loadBalancer": _balancer(servers, names)}


def _balancer(servers: Sequence[Server], names: Names) -> dict[str, Json]:
    lines: list[Json] = [{"url": f"http://{each.address}", "weight": each.weight} for each in servers]
    return {"servers": lines, "serversTransport": names.transport}


def _cookie(name: str, affinity: Cookie, shape: Shape) -> Json:
    cookie: dict[str, Json] = {"name": name, "httpOnly": True, "sameSite": "lax"}
    if shape.secure_cookie:
        cookie["secure"] = True
    if affinity.ttl is not None:
        cookie["maxAge"] = max(1, math.ceil(affinity.ttl))
    return {"cookie": cookie}


def _pinned(traffic: Traffic, pin: Pin) -> tuple[Server, ...]:
    version = traffic.version(pin.version)
    if version is None:
        raise BalancerError(f"a pin names version {pin.version}, which is not in the traffic")
    if pin.server is None:
        return ready(version)
    server = version.server(pin.server)
    if server is None:
        raise BalancerError(f"a pin names server {pin.server}, which version {pin.version} has not")
    return (server,)


def _middlewares(traffic: Traffic, names: Names, shape: Shape) -> dict[str, Json]:
    notes = msgspec.json.encode(Notes(_NOTES_FORMAT, traffic, shape)).decode()
    return {
        names.hide_pin: {"headers": {"customRequestHeaders": {PIN_HEADER: ""}}},
        # retry.go: a request is sent again only until its headers were written to a server, so none is done twice.
        names.retry: {"retry": {"attempts": _ATTEMPTS, "initialInterval": "50ms"}},
        names.notes: {"headers": {"customRequestHeaders": {NOTES_HEADER: notes}}},
    }
