"""What a dead run left behind: half-written files, pins of a proof, instances and servers that nobody wants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from lvdeploy.hosts import Record
from lvdeploy.hosts.launcher import birth
from lvdeploy.hosts.local import group_lives
from lvdeploy.model import Fleet, Instance, Mode, Version


def sweep(state: Path) -> tuple[Path, ...]:
    """
    Remove the temporary files of replacements that never ended, and the records of instances that did.

    Return what was removed. Whoever holds the lease may.
    """
    return tuple(_removed(state))


def _removed(state: Path) -> Iterator[Path]:
    for path in (*sorted(state.rglob(".*.new")), *filter(_has_ended, sorted((state / "instances").glob("*.json")))):
        with suppress(OSError):
            path.unlink()
            yield path


def _has_ended(path: Path) -> bool:
    """True when the recorded process is gone with all it started; what it left behind is known by its record."""
    try:
        record = msgspec.json.decode(path.read_bytes(), type=Record)
    except (OSError, msgspec.MsgspecError):
        return False
    return birth(record.pid) != record.birth and not group_lives(record.pid)


def leftovers(fleet: Fleet, running: Sequence[Instance], live: Version | None) -> tuple[str, ...]:
    """Name what should not be there while no rollout is under way, and the command that mends it."""
    return (*_pins(fleet), *_strangers(fleet, running), *_idle(fleet, live), *_dead_servers(fleet))


def _pins(fleet: Fleet) -> Iterator[str]:
    if fleet.traffic.pins:
        count = len(fleet.traffic.pins)
        yield f"{count} pins of a proof that never ended are in the balancer: `lvdeploy up` removes them"


def _strangers(fleet: Fleet, running: Sequence[Instance]) -> Iterator[str]:
    known = {place.slot.name for place in fleet.places}
    for instance in running:
        if instance.slot not in known:
            yield (
                f"version {instance.version} (pid {instance.pid}) runs in {instance.slot}, a slot that the file no "
                "longer has: `lvdeploy down` stops it too"
            )


def _idle(fleet: Fleet, live: Version | None) -> Iterator[str]:
    for place in fleet.places:
        instance = place.instance
        if live is not None and instance is not None and instance.version != live:
            yield (
                f"version {instance.version} (pid {instance.pid}) runs in {place.slot.name}, and nobody wants it: "
                "`lvdeploy up` stops it"
            )


def _dead_servers(fleet: Fleet) -> Iterator[str]:
    for part in fleet.traffic.versions:
        for server in part.servers:
            gone = all(place.slot.name != server.name or place.instance is None for place in fleet.places)
            if gone and server.mode is Mode.READY:
                yield f"nothing runs in {server.name}, which the balancer sends users to: `lvdeploy up` starts it again"
