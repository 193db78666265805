"""Where a balancer that keeps the contract sends a request: the reference all drivers are held to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lvdeploy.model import Admission, Health, Mode, Scope, Server, Traffic, Version, VersionTraffic

Pick = Callable[[str, Sequence[tuple[str, int]]], str]
"""Choose one of (name, weight); the first argument tells one choice from another."""


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers, and the cookies the answer sets."""

    version: Version
    server: str
    cookies: Mapping[str, str] = field(default_factory=dict)


def server_cookie(name: str) -> str:
    """Name of the second cookie of scope ``server``."""
    return f"{name}_server"


def admits_new(version: VersionTraffic) -> bool:
    """True when new sessions come here: open, with a share, and a server to go to."""
    return version.admission is Admission.OPEN and version.share > 0 and bool(ready(version))


def keeps_sticky(version: VersionTraffic) -> bool:
    """True when sessions that belong here stay; an open version without a share keeps those it has."""
    return version.admission is not Admission.CLOSED and bool(ready(version))


def ready(version: VersionTraffic) -> tuple[Server, ...]:
    return tuple(each for each in version.servers if each.mode is Mode.READY)


def route(
    traffic: Traffic, *, health: Mapping[str, Health], cookies: Mapping[str, str], pin: str | None, pick: Pick
) -> Route | None:
    """Return who answers, or ``None`` where nobody can (503)."""
    pinned = next((each for each in traffic.pins if each.token == pin), None)
    if pinned is not None:
        chosen = traffic.version(pinned.version)
        servers = chosen.servers if chosen and pinned.server else ready(chosen) if chosen else ()
        names = [(each.name, each.weight) for each in servers if pinned.server in (None, each.name)]
        return Route(pinned.version, pick(f"pin {pin}", names)) if names else None
    version = _version(traffic, health, cookies, pick)
    return None if version is None else _server(traffic, version, health, cookies, pick)


def up(version: VersionTraffic, health: Mapping[str, Health]) -> bool:
    return any(health.get(each.name) is not Health.DOWN for each in ready(version))


def _version(
    traffic: Traffic, health: Mapping[str, Health], cookies: Mapping[str, str], pick: Pick
) -> VersionTraffic | None:
    kept = traffic.version(cookies.get(traffic.affinity.name, "")) if traffic.affinity else None
    if kept is not None and keeps_sticky(kept) and up(kept, health):
        return kept
    # A sticky_only version's users whose servers are all down go to the fallback, as everybody without a choice does.
    open_ = [] if kept and keeps_sticky(kept) and not admits_new(kept) and kept is not traffic.versions[0] else [
        (each.version, each.share) for each in traffic.versions if admits_new(each) and up(each, health)
    ]
    if open_:
        return traffic.version(pick("version", open_))
    first = traffic.versions[0] if traffic.versions else None
    return first if first and up(first, health) else None


def _server(
    traffic: Traffic, version: VersionTraffic, health: Mapping[str, Health], cookies: Mapping[str, str], pick: Pick
) -> Route:
    affinity = traffic.affinity
    usable = [(each.name, each.weight) for each in ready(version) if health.get(each.name) is not Health.DOWN]
    kept = cookies.get(server_cookie(affinity.name), "") if affinity and affinity.scope is Scope.SERVER else ""
    name = kept if kept in dict(usable) else pick(f"server of {version.version}", usable)
    return Route(version.version, name, _cookies(traffic, version, name, cookies))


def _cookies(
    traffic: Traffic, version: VersionTraffic, server: str, cookies: Mapping[str, str]
) -> Mapping[str, str]:
    if traffic.affinity is None:
        return {}
    name = traffic.affinity.name
    wanted = {name: version.version} if admits_new(version) else {}
    if traffic.affinity.scope is Scope.SERVER:
        wanted[server_cookie(name)] = server
    return {each: value for each, value in wanted.items() if cookies.get(each) != value}
