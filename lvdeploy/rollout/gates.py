"""What the engine asks of the world besides balancer and instances: handed in, so that it need not know who answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from lvdeploy.model import Health, Instance, Outcome, Slot, Verdict, Version

Tell: TypeAlias = Callable[[str], None]
"""Takes what is to be shown as it happens: a failing check's reason, how many sockets are left."""


class HealthGate(Protocol):
    """The application's own word on its health."""

    async def look(self, slot: Slot, version: Version) -> Health:
        """Return the health now, by the configured thresholds."""
        ...

    async def await_healthy(self, slot: Slot, version: Version, *, tell: Tell) -> str:
        """Wait until healthy for ``min_healthy_time``; return why not at the deadline, or nothing."""
        ...


class Drainer(Protocol):
    """Moves an instance's sockets away."""

    async def drain(self, instance: Instance, slot: Slot, *, rate: float, tell: Tell) -> str:
        """Close at most ``rate`` sockets a second until none is left; return what was left, or nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Alarm:
    """
    Something that ends the step in hand.

    fatal: the engine stops where it stands (the balancer died, nobody watches any more); otherwise the
    rollout turns back.
    """

    reason: str
    fatal: bool = False
    hint: str = ""


class Watch(Protocol):
    """The clients and what watches over the rollout's parts."""

    def standing(self) -> Alarm | None:
        """Return the alarm there is now."""
        ...

    async def alarm(self) -> Alarm:
        """Wait until there is one; cancelled when it is no longer wanted."""
        ...

    async def prove(
        self, slot: Slot, version: Version, *, token: str, opened_by: str | None, old: Version | None
    ) -> tuple[Verdict, ...]:
        """
        Let synthetic sessions cross to one server by its pin.

        ``opened_by`` pins where they are opened, on version ``old``; without it they are opened on the new one.
        """
        ...

    async def settle(self) -> tuple[Verdict, ...]:
        """Watch on after the last step for as long as configured; return every check's verdict."""
        ...

    def turning_back(self) -> None:
        """Hear that the rollout goes back: from here on checks are taken and stop nothing."""
        ...


class Nobody:
    """Nobody watches: ``--no-verify``, or a first start."""

    def standing(self) -> Alarm | None:
        return None

    async def alarm(self) -> Alarm:
        await asyncio.Event().wait()
        raise AssertionError("an event that nobody sets")

    async def prove(
        self, slot: Slot, version: Version, *, token: str, opened_by: str | None, old: Version | None
    ) -> tuple[Verdict, ...]:
        del slot, version, token, opened_by, old
        return ()

    async def settle(self) -> tuple[Verdict, ...]:
        return ()

    def turning_back(self) -> None:
        return None


def failures(verdicts: Sequence[Verdict]) -> str:
    """Return the failed checks as a sentence."""
    failed = [each for each in verdicts if each.outcome is Outcome.FAIL]
    return "; ".join(f"{each.name}: {each.evidence or each.measured}" for each in failed)
