"""What lvdeploy asks of a load balancer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lvdeploy.model import ObservedTraffic, Scope, Traffic, Verdict


@dataclass(frozen=True, slots=True)
class Capabilities:
    """
    What a balancer can do, so that the planner need not ask who it is.

    ``effect_delay`` is how many seconds after the acknowledgement a change may still be taking effect.
    """

    scopes: frozenset[Scope]
    pins: bool
    drain_server: bool
    sticky_only: bool
    counts_connections: bool
    cuts_connections: bool
    reloads: bool
    effect_delay: float


class Balancer(Protocol):
    """A load balancer lvdeploy writes to. Raises ``BalancerError`` in the balancer's own words."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def observe(self) -> ObservedTraffic:
        """Read back what the balancer does; ``observe()`` after ``apply(t)`` is ``t``."""
        ...

    async def apply(self, desired: Traffic, *, replacing: Traffic | None) -> None:
        """
        Make the balancer do what is desired, and return when it says that it does.

        Reads first: raises ``Changed`` when it holds neither ``replacing`` nor ``desired`` (which is
        how a repeated apply is found to be done already). Raises ``BalancerError`` at its deadline.
        """
        ...

    async def restore(self, desired: Traffic) -> None:
        """Like ``apply``, but over whatever is there: only where a person wants another's change undone."""
        ...

    async def cut(self, server: str, connections: int) -> int:
        """Cut so many open connections of a server; return how many were. Raises where it cannot."""
        ...

    async def preflight(self) -> tuple[Verdict, ...]:
        """Look whether the balancer is there and set up as needed, changing nothing."""
        ...

    async def close(self) -> None:
        """Let go of connections; the balancer itself goes on."""
        ...
