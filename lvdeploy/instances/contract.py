"""What lvdeploy asks of whoever runs the instances of the service."""

from __future__ import annotations

from typing import Protocol

from lvdeploy.model import Instance, Slot, Version


class InstanceDriver(Protocol):
    """Starts and stops copies of the application. Raises ``InstanceError``."""

    async def list(self) -> tuple[Instance, ...]:
        """Return what runs in the slots now, whoever of lvdeploy started it."""
        ...

    async def start(self, slot: Slot, version: Version, *, run: str) -> Instance:
        """Start a version in a slot; where it already runs there, return that instance."""
        ...

    async def stop(self, instance: Instance, *, grace: float) -> None:
        """Ask it to end, wait ``grace`` seconds, end it; nothing happens where it is gone."""
        ...

    def log(self, slot: str) -> str:
        """Say where the output of that slot's instance can be read."""
        ...
