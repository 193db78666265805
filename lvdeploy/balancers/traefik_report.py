"""What Traefik's API reports, held against what was written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from lvdeploy.balancers.routing import ready
from lvdeploy.balancers.traefik_render import Names, Notes, Rendering, read_notes
from lvdeploy.errors import BalancerError
from lvdeploy.model import PIN_HEADER, Health, Mode, Server, Traffic

Parts: TypeAlias = Mapping[str, Mapping[str, object]]

_TELLING = ("sticky", "middlewares", "tls")
"""Keys that change what Traefik does where lvdeploy wrote none; other unknown keys are Traefik's defaults."""

_PROVIDER = "@file"
_LONGEST = 120
_WORDS = {
    "service": "service",
    "rule": "rule",
    "weighted.sticky.cookie.name": "cookie name",
    "weighted.sticky.cookie.maxAge": "cookie lifetime",
    "loadBalancer.sticky.cookie.name": "server cookie name",
    "failover.fallback": "fallback",
}


@dataclass(frozen=True, slots=True)
class Report:
    """The part of ``/api/rawdata`` in lvdeploy's namespace; names of the file provider without its suffix."""

    routers: Parts
    services: Parts
    middlewares: Parts

    @property
    def empty(self) -> bool:
        return not (self.routers or self.services or self.middlewares)

    def notes(self, names: Names) -> Notes | None:
        return read_notes(self.middlewares.get(names.notes))

    def complaints(self) -> tuple[str, ...]:
        """Return what Traefik says is wrong with what was written, in its own words."""
        return tuple(
            f"{name}: {error}"
            for parts in (self.routers, self.services, self.middlewares)
            for name, part in parts.items()
            for error in _texts(part.get("error"))
        )


def read_report(content: bytes, *, names: Names) -> Report:
    """Raises ``BalancerError`` when the content is not what Traefik's API answers."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BalancerError(f"Traefik's /api/rawdata is not JSON: {error}", hint=_HINT) from None
    if not isinstance(value, dict):
        raise BalancerError("Traefik's /api/rawdata is not an object", hint=_HINT)
    return Report(*(_parts(value.get(each), names) for each in ("routers", "services", "middlewares")))


_HINT = "is balancer.traefik.api the address of Traefik's API?"


def health(report: Report, traffic: Traffic, *, names: Names) -> dict[str, Health]:
    """
    Return what Traefik's own checks say of each server.

    Servers of versions that take no traffic are not checked. Traefik calls a new server UP until its
    first check failed: up is no proof.
    """
    found: dict[str, Health] = {}
    for version in traffic.versions:
        status = report.services.get(names.version(version.version), {}).get("serverStatus")
        known = status if isinstance(status, Mapping) else {}
        for server in version.servers:
            word = known.get(_url(server)) if server.mode is Mode.READY else None
            found[server.name] = {"UP": Health.UP, "DOWN": Health.DOWN}.get(str(word), Health.UNKNOWN)
    return found


def difference(report: Report, rendering: Rendering, traffic: Traffic, *, names: Names) -> tuple[str, ...]:
    """Return one line for each thing that Traefik reports otherwise than it was written."""
    labels = _labels(traffic, names)
    servers = _servers_by_service(traffic, names)
    lines: list[str] = []
    for kind, written, reported in (
        ("router", rendering.routers, report.routers),
        ("service", rendering.services, report.services),
        ("middleware", rendering.middlewares, report.middlewares),
    ):
        for name, part in written.items():
            label = labels.get(name) if kind == "service" else None
            there = reported.get(name)
            if there is None:
                lines.append(f"{kind} {name}: is gone")
            elif isinstance(part, Mapping):
                lines += _part(label or f"{kind} {name}", part, there, servers.get(name) if kind == "service" else None)
        lines += [f"{kind} {name}: is in lvdeploy's namespace, but lvdeploy did not write it"
                  for name in reported if name not in written]  # fmt: skip
    return tuple(lines)


def _part(
    label: str, written: Mapping[str, object], reported: Mapping[str, object], servers: Sequence[Server] | None
) -> Iterator[str]:
    before, after = dict(_leaves(written)), dict(_leaves(reported))
    if servers is not None:
        yield from _servers(label, servers, reported)
    if "weighted" in written:
        yield from _shares(written, reported)
    # Compared above, by name; an empty list is not reported at all.
    lists = ("loadBalancer.servers", "weighted.services")
    for path, value in before.items():
        if not path.startswith(lists) and after.get(path) != value:
            yield _line(label, path, value, after.get(path))
    for path, value in after.items():
        telling = path not in before and any(each in path.split(".") for each in _TELLING)
        if telling and not _is_default(path, before):
            yield _line(label, path, None, value)


def _is_default(path: str, before: Mapping[str, object]) -> bool:
    # Beside what was written of a cookie Traefik shows its path; only a cookie where none was written tells.
    parent = path.rpartition(".")[0]
    return any(each.startswith(f"{parent}.") for each in before) and not path.rpartition(".")[2].isdigit()


def _line(label: str, path: str, before: object, after: object) -> str:
    what = _WORDS.get(path, path)
    if "customRequestHeaders" in path:
        return f"{label}: headers were changed"
    if path == "rule" and PIN_HEADER in str(before):
        # Its token opens every server to whoever knows it.
        return f"{label}: rule was changed"
    return f"{label}: {what} {_shown(before)} → {_shown(after)}"


def _servers(label: str, expected: Sequence[Server], reported: Mapping[str, object]) -> Iterator[str]:
    balancer = reported.get("loadBalancer")
    entries = balancer.get("servers") if isinstance(balancer, Mapping) else None
    found = [each for each in entries if isinstance(each, Mapping)] if isinstance(entries, list) else []
    missing: list[Server] = []
    for server in expected:
        there = next((each for each in found if each.get("url") == _url(server)), None)
        if there is None:
            missing.append(server)
            continue
        found.remove(there)
        if (weight := there.get("weight", 1)) != server.weight:
            yield f"server {server.name}: weight {server.weight} → {_shown(weight)}"
    for server, there in zip(missing, found, strict=False):
        yield f"server {server.name}: address {server.address} → {_shown(there.get('url'))}"
    for server in missing[len(found):]:
        yield f"server {server.name}: is gone from {label}"
    for there in found[len(missing):]:
        yield f"server {_shown(there.get('url'))}: was added to {label}"


def _shares(written: Mapping[str, object], reported: Mapping[str, object]) -> Iterator[str]:
    before, after = _weights(written), _weights(reported)
    for name in [*before, *(each for each in after if each not in before)]:
        if before.get(name) != after.get(name):
            yield f"share of {name}: {_shown(before.get(name))} → {_shown(after.get(name))}"


def _weights(service: Mapping[str, object]) -> dict[str, object]:
    weighted = service.get("weighted")
    entries = weighted.get("services") if isinstance(weighted, Mapping) else None
    found = [each for each in entries if isinstance(each, Mapping)] if isinstance(entries, list) else []
    return {str(each.get("name")): each.get("weight", 1) for each in found}


def _labels(traffic: Traffic, names: Names) -> dict[str, str]:
    versions = [each.version for each in traffic.versions]
    return {
        **{names.version(each): f"version {each}" for each in versions},
        **{names.withdrawn(each): f"withdrawn servers of version {each}" for each in versions},
        **{names.pin(number): f"pin {number}" for number in range(len(traffic.pins))},
        names.shares: "shares",
    }


def _servers_by_service(traffic: Traffic, names: Names) -> dict[str, Sequence[Server]]:
    found: dict[str, Sequence[Server]] = {}
    for each in traffic.versions:
        found[names.version(each.version)] = ready(each)
        found[names.withdrawn(each.version)] = [server for server in each.servers if server.mode is Mode.MAINT]
    for number, pin in enumerate(traffic.pins):
        version = traffic.version(pin.version)
        if version is not None:
            server = version.server(pin.server) if pin.server else None
            found[names.pin(number)] = [server] if server else ready(version)
    return found


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for number, each in enumerate(value):
            yield from _leaves(each, f"{path}.{number}")
    else:
        # Traefik shows references by their full name once it has resolved them.
        reference = isinstance(value, str) and (".serversTransport" in path or path.startswith("middlewares."))
        yield path, str(value).removesuffix(_PROVIDER) if reference else value


def _parts(value: object, names: Names) -> dict[str, Mapping[str, object]]:
    items = value.items() if isinstance(value, dict) else ()
    return {
        name.removesuffix(_PROVIDER): part
        for name, part in items
        if name.startswith(names.prefix) and isinstance(part, dict)
    }


def _texts(value: object) -> list[str]:
    return [_shown(each) for each in value] if isinstance(value, list) else []


def _url(server: Server) -> str:
    return f"http://{server.address}"


def _shown(value: object) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
