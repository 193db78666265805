"""Observations written short, and a run of a few clients made of them."""

from __future__ import annotations

from collections.abc import Iterable

from lvdeploy.measure.tally import Tally
from lvdeploy.model import Kind, Observation


def seen(at: float, client: str, kind: Kind, value: float | None = None, **detail: object) -> Observation:
    return Observation(at, client, kind, "", value, detail)


def entry(
    found: str | None, *, state_class: str = "form", had: str = "Ann", fresh: str | None = "", accepted: bool = False,
) -> dict[str, object]:  # fmt: skip
    return {"class": state_class, "had": had, "wanted": had, "found": found, "fresh": fresh, "accepted": accepted}


def ready(client: str, at: float = 1.0, **state: dict[str, object]) -> Observation:
    shown = {
        name: {each: value for each, value in held.items() if each not in ("wanted", "found")}
        for name, held in state.items()
    }
    return seen(at, client, Kind.READY, 0.5, state=shown)


def lost(client: str, at: float, *, code: int = 1012, instance: str = "web-1", version: str = "1") -> Observation:
    return seen(at, client, Kind.LOST, code=code, reason="", instance=instance, version=version, transport="websocket")


def joined(client: str, at: float) -> Observation:
    return seen(at, client, Kind.JOINED, 0.1, topic="lv:1", rejoin=True)


def back(
    client: str, at: float, *, gap: float = 0.5, unsettled: bool = False, code: int | None = 1012,
    **state: dict[str, object],
) -> Observation:  # fmt: skip
    return seen(
        at, client, Kind.BACK, gap, lost_at=at - gap, code=code, reason="", losses=1, attempts=1,
        transport="websocket", page_loads=0, from_instance="web-1", from_version="1", to_instance="web-4",
        to_version="2", unsettled=unsettled, state=state,
    )  # fmt: skip


def request(at: float, status: int = 200, *, latency: float = 0.01, error: str = "", write: str = "") -> Observation:
    detail = {"method": "GET", "path": "/", "status": status, "error": error, "instance": "web-1", "id": write}
    return Observation(at, "fresh", Kind.REQUEST, "", latency, detail)


def tally_of(*parts: Observation | Iterable[Observation], first_step: float | None = 5.0) -> Tally:
    tally = Tally()
    for part in parts:
        for each in (part,) if isinstance(part, Observation) else part:
            tally.take(each)
    if first_step is not None:
        tally.mark("first_step", first_step)
    return tally


def moved(client: str, at: float = 10.0, *, gap: float = 0.5, **state: dict[str, object]) -> list[Observation]:
    """A session that reconnects once; ``state`` says what it held and finds."""
    return [
        ready(client, **state),
        lost(client, at),
        joined(client, at + gap / 2),
        back(client, at + gap, gap=gap, **state),
    ]
