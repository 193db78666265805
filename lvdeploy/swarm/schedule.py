"""When which client begins, and on which shard."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Beginning:
    """Client number ``index`` begins ``at`` seconds after its shard."""

    index: int
    at: float

    @property
    def client(self) -> str:
        return f"client-{self.index + 1:04d}"


def beginnings(clients: int, joins_per_second: float, *, shard: int, of: int) -> tuple[Beginning, ...]:
    """Spread all shards' clients evenly over time; client i belongs to shard i mod ``of``."""
    return tuple(Beginning(index, index / joins_per_second) for index in range(shard, clients, of))
