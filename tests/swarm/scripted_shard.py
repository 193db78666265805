"""A real shard process whose clients play a script instead of a protocol: dial, and be ready once opened."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from lvdeploy.model import Kind
from lvdeploy.swarm import shard
from lvdeploy.swarm.order import SwarmOrder
from lvdeploy.swarm.schedule import Beginning
from lvdeploy.wire.session import Dial, Effect, Input, Lost, Observe, Opened, Refused, Session
from tests.client.scripted import Scripted


def populate(order: SwarmOrder) -> Callable[[Beginning, Random], Session]:
    url = "ws" + order.destination.url.removeprefix("http") + "/live/websocket"

    def turn(event: Input, now: float) -> list[Effect]:
        match event:
            case Opened():
                return [Observe(Kind.JOINED), Observe(Kind.READY, 0.1)]
            case Refused(status, reason):
                return [Observe(Kind.REFUSED, detail={"status": status, "error": reason})]
            case Lost(code, reason):
                return [Observe(Kind.LOST, detail={"code": code, "reason": reason}), Dial(url)]
        return []

    return lambda beginning, rng: Scripted(Dial(url), turn=turn)


if __name__ == "__main__":
    shard.main(populate)
