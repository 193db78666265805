"""What a rollout is to achieve: the journal's truth, from which everything that remains is planned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from lvdeploy.model import Cookie, Version


class Direction(StrEnum):
    FORWARD = "forward"
    BACK = "back"


class Sessions(StrEnum):
    """
    Which version new sessions meet while both are up.

    updated: the first updated server takes them all, so that each session moves once.
    any: both versions take them, for pages that one updated server could not carry.
    """

    UPDATED = "updated"
    ANY = "any"


ASKED = "a rollback was asked for"
"""The reason of a way back that nothing but a person wanted."""


@dataclass(frozen=True, slots=True)
class Intent:
    """
    One rollout's target, the version to go back to, and the limits that hold on the way.

    ``previous`` is ``None`` where nothing served before; such a rollout cannot go back, it can only stop.
    ``drains`` is true where an instance's sockets are moved by a step of their own before it is stopped.
    """

    run: str
    target: Version
    previous: Version | None
    replicas: int
    max_surge: int
    max_unavailable: int
    sessions: Sessions = Sessions.UPDATED
    drains: bool = True
    prove: bool = False
    affinity: Cookie | None = None
    direction: Direction = Direction.FORWARD
    reason: str = ""

    @property
    def wanted(self) -> Version:
        """The version everybody is to be served by in the end."""
        if self.direction is Direction.BACK and self.previous is not None:
            return self.previous
        return self.target

    @property
    def floor(self) -> int:
        """How many servers must be ready at any time, unless fewer are when the rollout begins."""
        return max(0, self.replicas - self.max_unavailable)

    def turned_back(self, reason: str) -> Intent:
        """Return the intent that goes back to the version that served; proofs do not stop a way back."""
        return replace(self, direction=Direction.BACK, prove=False, reason=reason)
