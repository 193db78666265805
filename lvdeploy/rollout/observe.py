"""The fleet as it is: instances, traffic and health read anew, with the journal's facts about who is there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lvdeploy.errors import Changed
from lvdeploy.model import Cookie, Fleet, Health, Instance, Place, Slot, Traffic
from lvdeploy.rollout.deeds import Parts


async def observe(parts: Parts, slots: Sequence[Slot], *, affinity: Cookie | None) -> Fleet:
    """Look at everything. Raises ``Changed`` where somebody else changed the balancer."""
    seen = await parts.balancer.observe()
    if seen.difference:
        raise Changed(
            tuple(seen.difference),
            hint="put it back as it was, then `lvdeploy resume` or `lvdeploy rollback`",
        )
    running = {instance.slot: instance for instance in await parts.instances.list()}
    places = await asyncio.gather(*(_place(parts, slot, running.get(slot.name)) for slot in slots))
    return Fleet(tuple(places), seen.traffic or Traffic(0, affinity, ()))


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


def word(health: Health) -> str:
    """Say a health in a word for people."""
    return {Health.UP: "healthy", Health.DOWN: "not healthy", Health.UNKNOWN: "unknown"}[health]
