"""What differs between two traffics, in lines a person can act on."""

from __future__ import annotations

from collections.abc import Iterator

from lvdeploy.model import Cookie, Pin, Server, Traffic, VersionTraffic


def between(expected: Traffic | None, found: Traffic | None) -> tuple[str, ...]:
    """One line for each thing that is not as expected; empty when both are the same."""
    if expected is None or found is None:
        return () if expected is found else (f"traffic: {_holding(expected)} → {_holding(found)}",)
    return tuple(_lines(expected, found))


def percent(share: int) -> str:
    """Write basis points as people do."""
    return f"{share / 100:g} %"


def _holding(traffic: Traffic | None) -> str:
    return "nothing of lvdeploy's" if traffic is None else f"generation {traffic.generation}"


def _lines(expected: Traffic, found: Traffic) -> Iterator[str]:
    if expected.generation != found.generation:
        yield f"generation: {expected.generation} → {found.generation}"
    yield from _cookie(expected.affinity, found.affinity)
    names = [each.version for each in expected.versions]
    yield from (f"version {each}: is gone" for each in names if found.version(each) is None)
    for each in found.versions:
        before = expected.version(each.version)
        yield from [f"version {each.version}: is new"] if before is None else _version(before, each)
    if (after := [each.version for each in found.versions]) != names and sorted(after) == sorted(names):
        yield f"order of versions: {', '.join(names)} → {', '.join(after)}"
    if expected.pins != found.pins:
        yield from _pins(expected.pins, found.pins)


def _cookie(expected: Cookie | None, found: Cookie | None) -> Iterator[str]:
    if expected is None or found is None:
        if expected is not found:
            yield f"cookie: {expected.name if expected else 'none'} → {found.name if found else 'none'}"
        return
    if expected.name != found.name:
        yield f"cookie name: {expected.name} → {found.name}"
    if expected.scope != found.scope:
        yield f"cookie scope: {expected.scope} → {found.scope}"
    if expected.ttl != found.ttl:
        yield f"cookie lifetime: {_lifetime(expected.ttl)} → {_lifetime(found.ttl)}"


def _lifetime(ttl: float | None) -> str:
    return "the browser session" if ttl is None else f"{ttl:g} s"


def _version(expected: VersionTraffic, found: VersionTraffic) -> Iterator[str]:
    name = f"version {expected.version}"
    if expected.share != found.share:
        yield f"{name}: share {percent(expected.share)} → {percent(found.share)}"
    if expected.admission != found.admission:
        yield f"{name}: admission {expected.admission} → {found.admission}"
    names = [each.name for each in expected.servers]
    yield from (f"server {each}: is no longer in {name}" for each in names if found.server(each) is None)
    for each in found.servers:
        before = expected.server(each.name)
        yield from [f"server {each.name}: is new in {name}"] if before is None else _server(before, each)
    if (after := [each.name for each in found.servers]) != names and sorted(after) == sorted(names):
        yield f"{name}: order of servers {', '.join(names)} → {', '.join(after)}"


def _server(expected: Server, found: Server) -> Iterator[str]:
    if expected.address != found.address:
        yield f"server {expected.name}: address {expected.address} → {found.address}"
    if expected.weight != found.weight:
        yield f"server {expected.name}: weight {expected.weight} → {found.weight}"
    if expected.mode != found.mode:
        yield f"server {expected.name}: mode {expected.mode} → {found.mode}"


def _pins(expected: tuple[Pin, ...], found: tuple[Pin, ...]) -> Iterator[str]:
    # Tokens open every server to whoever knows one, so they are not shown.
    where = [each.server or each.version for each in expected]
    now = [each.server or each.version for each in found]
    yield f"pins: {', '.join(where) or 'none'} → {', '.join(now) or 'none'}{' (other tokens)' if where == now else ''}"
