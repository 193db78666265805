"""Small fleets to enumerate laws over."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from lvdeploy.model import (
    WHOLE,
    Admission,
    Cookie,
    Fact,
    Fleet,
    Health,
    Instance,
    Mode,
    Place,
    Server,
    Slot,
    Traffic,
    VersionTraffic,
)
from lvdeploy.rollout.intent import Intent

COOKIE = Cookie("lvdeploy")
OUT = frozenset({Fact.SEEN_OUT})
SPENT = frozenset({Fact.SEEN_OUT, Fact.DRAINING})
DRAINED = frozenset({Fact.SEEN_OUT, Fact.DRAINING, Fact.DRAINED})

# instance's version, its health, its facts, the version its server stands in, the server's mode
KINDS = (
    (None, Health.UNKNOWN, frozenset(), None, None),
    (None, Health.UNKNOWN, frozenset(), "1", Mode.MAINT),
    (None, Health.UNKNOWN, frozenset(), "1", Mode.READY),
    ("1", Health.UP, frozenset(), "1", Mode.READY),
    ("1", Health.DOWN, frozenset(), "1", Mode.READY),
    ("1", Health.UP, frozenset(), "1", Mode.MAINT),
    ("1", Health.UP, OUT, "1", Mode.MAINT),
    ("1", Health.DOWN, SPENT, "1", Mode.MAINT),
    ("1", Health.DOWN, DRAINED, "1", Mode.MAINT),
    ("2", Health.UNKNOWN, frozenset(), None, None),
    ("2", Health.UP, frozenset(), "1", Mode.MAINT),
    ("2", Health.UP, frozenset({Fact.PROVEN}), "2", Mode.MAINT),
    ("2", Health.UP, frozenset(), "2", Mode.READY),
    ("2", Health.DOWN, frozenset(), "2", Mode.READY),
    ("2", Health.UP, frozenset(), "1", Mode.READY),
)


def slot(number: int) -> Slot:
    return Slot(f"web-{number}", "127.0.0.1", 4000 + number)


def fleet(kinds: tuple, open_version: str = "1") -> Fleet:
    places, servers = [], {"1": [], "2": []}
    for number, (version, health, facts, part, mode) in enumerate(kinds, 1):
        where = slot(number)
        instance = None if version is None else Instance(where.name, version, 100 + number, 1.0)
        places.append(Place(where, instance, health, facts))
        if part is not None:
            servers[part].append(Server(where.name, where.address, mode=mode))
    versions = tuple(
        VersionTraffic(
            version, WHOLE if version == open_version else 0,
            Admission.OPEN if version == open_version else Admission.CLOSED, tuple(listed),
        )
        for version, listed in servers.items() if listed
    )
    return Fleet(tuple(places), Traffic(1, COOKIE, versions))


def every_fleet(size: int) -> Iterator[Fleet]:
    for kinds in itertools.product(KINDS, repeat=size):
        for open_version in ("1", "2"):
            yield fleet(kinds, open_version)


def healthy(replicas: int, slots: int) -> Fleet:
    serving = ("1", Health.UP, frozenset(), "1", Mode.READY)
    empty = (None, Health.UNKNOWN, frozenset(), None, None)
    return fleet((serving,) * replicas + (empty,) * (slots - replicas))


def intent(replicas: int, **changes: object) -> Intent:
    plain = Intent("r", "2", "1", replicas, max_surge=1, max_unavailable=0, affinity=COOKIE)
    return replace(plain, **changes)
