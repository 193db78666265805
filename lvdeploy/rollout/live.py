"""Which version serves, and which one a rollout would have to bring back."""

from __future__ import annotations

from lvdeploy.model import Fleet, Version
from lvdeploy.rollout.plan import serving


def live_versions(fleet: Fleet) -> tuple[Version, ...]:
    """Return the versions with ready servers: most servers first, and of as many the one with the larger share."""
    counts: dict[Version, tuple[int, int]] = {}
    for place in serving(fleet):
        if place.instance is not None:
            part = fleet.traffic.version(place.instance.version)
            number = counts.get(place.instance.version, (0, 0))[0]
            counts[place.instance.version] = (number + 1, part.share if part else 0)
    return tuple(sorted(counts, key=lambda version: counts[version], reverse=True))


def live_version(fleet: Fleet) -> Version | None:
    """Return the version that most ready servers serve."""
    return next(iter(live_versions(fleet)), None)


def version_before(fleet: Fleet, target: Version) -> Version | None:
    """Return what a rollout to the target replaces, and would go back to: what most servers but the target's serve."""
    return next((version for version in live_versions(fleet) if version != target), None)
