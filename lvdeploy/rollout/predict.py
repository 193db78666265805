"""What a plan will do to sessions, before it is done: reconnects, lowest capacity, balancer changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lvdeploy.model import Admission, Fleet, Version
from lvdeploy.rollout.intent import Intent
from lvdeploy.rollout.plan import Admit, Conclude, Drain, Open, Prove, Step, Stop, Withdraw, apply, serving
from lvdeploy.rollout.traffic import ready


@dataclass(frozen=True, slots=True)
class Prediction:
    """
    ``reconnects`` is the mean of the sessions open at the beginning; ``worst`` the share moved most at once.

    ``capacity`` is the lowest number of servers ready at any time.
    """

    reconnects: float
    worst: float
    capacity: int
    changes: int


def predict(intent: Intent, fleet: Fleet, steps: Sequence[Step]) -> Prediction:
    """Follow the sessions through a plan: a moved one goes where the balancer sends new ones."""
    where = _at_the_start(fleet)
    moved, worst, capacity = 0.0, 0.0, len(serving(fleet))
    for step in steps:
        fleet = apply(intent, fleet, step)
        if isinstance(step, Drain | Stop):
            mass = _move(where, step.slot, fleet)
            moved, worst = moved + mass, max(worst, mass)
        capacity = min(capacity, len(serving(fleet)))
    changes = sum(isinstance(step, Open | Prove | Admit | Withdraw | Conclude) for step in steps)
    return Prediction(moved, worst, capacity, changes)


_Sessions = dict[tuple[str, Version], float]
"""How large a part of all sessions sits on a slot, by the version its cookie names."""


def _at_the_start(fleet: Fleet) -> _Sessions:
    where: _Sessions = defaultdict(float)
    _arrive(where, 1.0, None, fleet)
    return where


def _move(where: _Sessions, slot: str, fleet: Fleet) -> float:
    going = {key: mass for key, mass in where.items() if key[0] == slot and mass > 0}
    for (name, version), mass in going.items():
        del where[name, version]
        _arrive(where, mass, version, fleet)
    return sum(going.values())


def _arrive(where: _Sessions, mass: float, cookie: Version | None, fleet: Fleet) -> None:
    """Spread new arrivals over the ready servers: by the cookie's version while that is open, else by share."""
    parts = [part for part in fleet.traffic.versions if part.admission is not Admission.CLOSED and ready(part)]
    sticky = fleet.traffic.affinity is not None
    own = [part for part in parts if sticky and part.version == cookie]
    chosen = {part.version: 1.0 for part in own} or {part.version: float(part.share) for part in parts}
    total = sum(chosen.values())
    for part in parts:
        if part.version not in chosen or total == 0:
            continue
        servers = ready(part)
        weights = sum(server.weight for server in servers)
        for server in servers:
            where[server.name, part.version] += mass * chosen[part.version] / total * server.weight / weights
