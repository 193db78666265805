"""Who the clients are: the session of each, made from the order; the one place that knows which protocol they speak."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from urllib.parse import urljoin

from lvdeploy.scenario.play import Play
from lvdeploy.scenario.steps import Scenario, cast
from lvdeploy.swarm.order import SwarmOrder
from lvdeploy.swarm.schedule import Beginning
from lvdeploy.wire.phoenix import Identify, LiveView
from lvdeploy.wire.session import Session


def populate(order: SwarmOrder) -> Callable[[Beginning, Random], Session]:
    """Read the scenarios once; then client i plays number i mod their number."""
    scenarios = [Scenario.model_validate(raw) for raw in order.scenarios]
    destination = order.destination

    def make(beginning: Beginning, rng: Random) -> Session:
        number, position = divmod(beginning.index, len(scenarios))
        scenario = scenarios[position]
        part, names = cast(scenario, number, client=beginning.client, seed=order.seed)
        page = LiveView(
            urljoin(destination.url, names.fill(part.visit)),
            rng=rng,
            javascript=order.javascript,
            identify=Identify(destination.instance, destination.version),
            user_agent=destination.user_agent,
        )
        return Play(
            page,
            part,
            names=names,
            step_timeout=scenario.step_timeout,
            restore_timeout=scenario.restore_timeout,
            origin=order.origin,
        )

    return make
