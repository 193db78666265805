"""The balancer changes of a rollout, as functions from one whole traffic to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lvdeploy.model import WHOLE, Admission, Mode, Pin, Server, Slot, Traffic, Version, VersionTraffic
from lvdeploy.rollout.intent import Sessions


def ready(part: VersionTraffic) -> tuple[Server, ...]:
    """Return the servers of a version that take sessions."""
    return tuple(server for server in part.servers if server.mode is Mode.READY)


def placed(traffic: Traffic, slot: Slot, version: Version, *, mode: Mode) -> Traffic:
    """Put a slot's server into a version, and out of every other; a version that is new stays closed."""
    server = Server(slot.name, slot.address, mode=mode)
    parts = []
    for part in traffic.versions:
        others = tuple(each for each in part.servers if each.name != slot.name)
        if part.version == version:
            others = tuple(sorted((*others, server), key=lambda each: each.name))
        parts.append(replace(part, servers=others))
    if traffic.version(version) is None:
        parts.append(VersionTraffic(version, 0, Admission.CLOSED, (server,)))
    return replace(traffic, versions=tuple(parts))


def admitted(traffic: Traffic, slot: Slot, version: Version, *, sessions: Sessions) -> Traffic:
    """Let a slot's server take sessions; the first of an updated version closes the others."""
    after = placed(traffic, slot, version, mode=Mode.READY)
    return opened(after, version) if sessions is Sessions.UPDATED else spread(after)


def opened(traffic: Traffic, version: Version) -> Traffic:
    """Send every new session to one version, and close the others."""
    return _shared(traffic, {version: WHOLE})


def withdrawn(traffic: Traffic, server: str, *, sessions: Sessions) -> Traffic:
    """Take a server out: nobody new, nobody sticky; open sockets live on."""
    parts = tuple(
        replace(part, servers=tuple(
            replace(each, mode=Mode.MAINT) if each.name == server else each for each in part.servers
        ))
        for part in traffic.versions
    )
    after = replace(traffic, versions=parts)
    if sessions is Sessions.ANY:
        return spread(after)
    return _never_shut(after)


def spread(traffic: Traffic) -> Traffic:
    """Open every version that has ready servers, each with a share as large as its part of them."""
    counts = {part.version: len(ready(part)) for part in traffic.versions}
    total = sum(counts.values())
    if total == 0:
        return traffic
    shares = {version: WHOLE * count // total for version, count in counts.items() if count}
    largest = max(shares, key=lambda version: counts[version])
    shares[largest] += WHOLE - sum(shares.values())
    return _shared(traffic, shares)


def concluded(traffic: Traffic, version: Version) -> Traffic:
    """The last change: one version alone, open, first and so its own fallback; pins gone."""
    part = traffic.version(version)
    servers = () if part is None else ready(part)
    return replace(traffic, versions=(VersionTraffic(version, WHOLE, Admission.OPEN, servers),), pins=())


def pinned(traffic: Traffic, pins: tuple[Pin, ...]) -> Traffic:
    """Replace the pins."""
    return replace(traffic, pins=pins)


def _shared(traffic: Traffic, shares: Mapping[Version, int]) -> Traffic:
    return replace(traffic, versions=tuple(
        replace(
            part, share=shares.get(part.version, 0),
            admission=Admission.OPEN if part.version in shares else Admission.CLOSED,
        )
        for part in traffic.versions
    ))


def _never_shut(traffic: Traffic) -> Traffic:
    """Open another version when the open one has lost its last ready server."""
    takes = [part for part in traffic.versions if part.admission is Admission.OPEN and ready(part)]
    able = [part for part in traffic.versions if ready(part)]
    if takes or not able:
        return traffic
    return opened(traffic, able[0].version)
