"""The fleet as it is: instances, traffic and health read anew, with the journal's facts about who is there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lvdeploy.errors import Changed
from lvdeploy.model import WHOLE, Admission, Cookie, Fleet, Instance, Place, Slot, Traffic
from lvdeploy.rollout.deeds import Parts


async def observe(parts: Parts, slots: Sequence[Slot], *, affinity: Cookie | None) -> Fleet:
    """Look at everything. Raises ``Changed`` where somebody else changed the balancer."""
    seen = await parts.balancer.observe()
    if seen.difference:
        raise Changed(
            tuple(seen.difference),
            hint="put it back as it was, or let `lvdeploy resume --restore` do so (`up --restore` where no rollout is "
            "unfinished)",
        )
    _require_known(parts, seen.traffic)
    running = {instance.slot: instance for instance in await parts.instances.list()}
    places = await asyncio.gather(*(_place(parts, slot, running.get(slot.name)) for slot in slots))
    return Fleet(tuple(places), seen.traffic or Traffic(0, affinity, ()))


def _require_known(parts: Parts, seen: Traffic | None) -> None:
    """Raise where the balancer fell behind the journal: its files were removed, or older ones put back."""
    known = parts.journal.intended(parts.service)
    generation = 0 if seen is None else seen.generation
    # The last change may not have reached it.
    if known is None or generation >= known.generation - 1:
        return
    what = f"holds generation {generation}" if generation else "holds nothing of this service"
    raise Changed(
        (f"it {what}, and lvdeploy's last change was generation {known.generation}",),
        hint="`lvdeploy resume --restore` puts it back as it was (`up --restore` where no rollout is unfinished)",
    )


async def _place(parts: Parts, slot: Slot, instance: Instance | None) -> Place:
    if instance is None:
        return Place(slot)
    health = await parts.health.look(slot, instance.version)
    return Place(slot, instance, health, parts.journal.facts(instance))


def vanished(before: Fleet | None, now: Fleet) -> tuple[Instance, ...]:
    """Return the instances that were there and are not any more, whoever took their slots."""
    if before is None:
        return ()
    there = {place.instance.identity for place in now.places if place.instance is not None}
    return tuple(
        place.instance for place in before.places
        if place.instance is not None and place.instance.identity not in there
    )


def told(fleet: Fleet) -> dict[str, object]:
    """Return a fleet as an event's detail: versions with share and admission, slots with who is there."""
    versions = [
        {"version": part.version, "share": part.share, "admission": part.admission.value}
        for part in fleet.traffic.versions
    ]
    return {"versions": versions, "slots": [_told(fleet, place) for place in fleet.places]}


def shares(traffic: Traffic) -> str:
    """Say who takes new sessions: ``1.0 closed, 2.0 100%``."""
    parts = (
        f"{part.version} {part.share / WHOLE:.0%}" if part.admission is Admission.OPEN
        else f"{part.version} {part.admission.value.replace('_', ' ')}"
        for part in traffic.versions
    )
    return ", ".join(parts)


def _told(fleet: Fleet, place: Place) -> dict[str, object]:
    found = fleet.traffic.server(place.slot.name)
    return {
        "slot": place.slot.name,
        "version": place.instance.version if place.instance else None,
        "pid": place.instance.pid if place.instance else None,
        "health": place.health.value if place.instance else None,
        "mode": found[1].mode.value if found else None,
    }
