from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import pytest

from tests.client.scripted import Run


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on each of the loops that a shard may use."""
    factory = pytest.importorskip("uvloop").new_event_loop if request.param == "uvloop" else None

    def run_on_loop(story: Coroutine[None, None, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(story)

    return run_on_loop
