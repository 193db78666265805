"""Replace the instances of a service a few at a time, in the slots there are."""

from __future__ import annotations

from collections.abc import Iterator

from lvdeploy.model import WHOLE, Admission, Fact, Fleet, Health, Mode, Place, Server, VersionTraffic
from lvdeploy.rollout.intent import Intent, Sessions
from lvdeploy.rollout.plan import (
    Admit,
    AwaitHealthy,
    AwaitOut,
    Conclude,
    Drain,
    Open,
    Prove,
    Start,
    Step,
    Stop,
    Withdraw,
    is_serving,
    serving,
)
from lvdeploy.rollout.traffic import concluded


def rolling(intent: Intent, fleet: Fleet) -> Step | None:
    """
    Return the next step of what remains, or ``None`` when nothing may be done.

    The order of the rules is the order of a rollout: what is new is brought up and admitted before
    anything old is taken out, as far as ``max_surge`` and the free slots allow.
    """
    return next(_steps(intent, fleet), None)


def _steps(intent: Intent, fleet: Fleet) -> Iterator[Step]:
    leaving, staying = _sorted_out(intent, fleet)
    yield from _open(intent, fleet)
    yield from (Withdraw(place.slot.name) for place in fleet.places if _misplaced(fleet, place))
    yield from _starts(intent, fleet, len(staying))
    yield from (AwaitHealthy(place.slot.name) for place in staying if not _healthy(fleet, place))
    yield from _admissions(intent, fleet, staying)
    yield from _withdrawals(intent, fleet, leaving)
    yield from _goodbyes(intent, fleet, leaving)
    if not leaving and len(staying) == intent.replicas and concluded(fleet.traffic, intent.wanted) != fleet.traffic:
        yield Conclude(intent.wanted)


def _sorted_out(intent: Intent, fleet: Fleet) -> tuple[list[Place], list[Place]]:
    """Return who leaves (another version, spent, or one too many) and who stays."""
    running = [place for place in fleet.places if place.instance is not None]
    fit = [
        place for place in running
        if place.instance is not None and place.instance.version == intent.wanted and Fact.DRAINING not in place.facts
    ]
    fit.sort(key=lambda place: (not is_serving(fleet, place), place.health is not Health.UP))
    staying = sorted(fit[: intent.replicas], key=lambda place: place.slot.name)
    leaving = sorted(
        (place for place in running if place not in staying),
        # What is down serves nobody: it goes first and costs no capacity.
        key=lambda place: (place.health is Health.UP, place.slot.name),
    )
    return leaving, staying


def _open(intent: Intent, fleet: Fleet) -> Iterator[Step]:
    """The way back begins here: the version that served takes the new sessions again."""
    part = fleet.traffic.version(intent.wanted)
    if part is None or intent.sessions is not Sessions.UPDATED:
        return
    able = any(
        place.instance is not None and place.instance.version == intent.wanted and is_serving(fleet, place)
        for place in fleet.places
    )
    others = [each for each in fleet.traffic.versions if each is not part]
    if able and (not _takes_all(part) or any(each.admission is not Admission.CLOSED for each in others)):
        yield Open(intent.wanted)


def _takes_all(part: VersionTraffic) -> bool:
    return part.admission is Admission.OPEN and part.share == WHOLE


def _misplaced(fleet: Fleet, place: Place) -> bool:
    """True when users are sent to a place where nothing runs, or not what the balancer believes."""
    found = fleet.traffic.server(place.slot.name)
    if found is None or found[1].mode is Mode.MAINT:
        return False
    return place.instance is None or place.instance.version != found[0].version


def _starts(intent: Intent, fleet: Fleet, staying: int) -> Iterator[Step]:
    running = sum(place.instance is not None for place in fleet.places)
    if staying >= intent.replicas or running >= intent.replicas + intent.max_surge:
        return
    free = sorted(place.slot.name for place in fleet.places if place.instance is None)
    if free:
        yield Start(free[0], intent.wanted)


def _healthy(fleet: Fleet, place: Place) -> bool:
    """What serves was waited for once; what is to be admitted must have been, as this very process."""
    return place.health is Health.UP and (is_serving(fleet, place) or Fact.HEALTHY in place.facts)


def _admissions(intent: Intent, fleet: Fleet, staying: list[Place]) -> Iterator[Step]:
    waiting = [place for place in staying if not is_serving(fleet, place)]
    if intent.prove:
        yield from (Prove(place.slot.name) for place in waiting if Fact.PROVEN not in place.facts)
    yield from (Admit(place.slot.name) for place in waiting)


def _withdrawals(intent: Intent, fleet: Fleet, leaving: list[Place]) -> Iterator[Step]:
    for place in leaving:
        server = _server(fleet, place)
        if server is None or server.mode is Mode.MAINT:
            continue
        if not is_serving(fleet, place) or len(serving(fleet)) - 1 >= intent.floor:
            yield Withdraw(place.slot.name)


def _goodbyes(intent: Intent, fleet: Fleet, leaving: list[Place]) -> Iterator[Step]:
    out = [place for place in leaving if (server := _server(fleet, place)) is None or server.mode is Mode.MAINT]
    known = [place for place in out if _server(fleet, place) is not None]
    yield from (AwaitOut(place.slot.name) for place in known if Fact.SEEN_OUT not in place.facts)
    if intent.drains:
        yield from (Drain(place.slot.name) for place in known if Fact.DRAINED not in place.facts)
    # A server that the balancer never heard of has no users to move.
    yield from (Stop(place.slot.name) for place in out)


def _server(fleet: Fleet, place: Place) -> Server | None:
    found = fleet.traffic.server(place.slot.name)
    return None if found is None else found[1]
