"""The memory balancer breaks on request, in the words and times of a real one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from lvdeploy.balancers.memory import EVERYTHING, Memory
from lvdeploy.errors import BalancerError
from lvdeploy.model import Outcome, Pin, Traffic
from tests.balancers.traffics import server, traffic, version
from tests.fakes import VirtualClock

HELD = traffic(version("1", server("a"), share=10_000))
NEXT = replace(HELD, generation=2)


def observed(memory: Memory) -> Traffic | None:
    return asyncio.run(memory.observe()).traffic


def test_a_refusal_holds_once_and_changes_nothing():
    memory = Memory(HELD)
    memory.refuse("no room")
    with pytest.raises(BalancerError, match="no room"):
        asyncio.run(memory.apply(NEXT, replacing=HELD))
    assert observed(memory) == HELD

    asyncio.run(memory.apply(NEXT, replacing=HELD))
    assert (observed(memory), memory.applied) == (NEXT, [NEXT])


def test_a_lost_balancer_comes_back_with_its_last_traffic():
    memory = Memory(HELD)
    memory.lose()
    with pytest.raises(BalancerError, match="does not run"):
        asyncio.run(memory.observe())
    assert memory.route({}) is None
    assert asyncio.run(memory.preflight())[0].outcome is Outcome.FAIL

    memory.restart()
    assert observed(memory) == HELD


def test_a_frozen_balancer_costs_the_whole_deadline():
    clock = VirtualClock()
    memory = Memory(HELD, clock=clock, deadline=10)
    memory.freeze()
    began = clock.now()
    with pytest.raises(BalancerError, match="deadline"):
        asyncio.run(memory.apply(NEXT, replacing=HELD))
    assert clock.now() - began == 10


def test_a_change_may_be_taken_and_not_acknowledged():
    memory = Memory(HELD, clock=VirtualClock())
    memory.forget_to_acknowledge()
    with pytest.raises(BalancerError, match="did not say"):
        asyncio.run(memory.apply(NEXT, replacing=HELD))
    assert observed(memory) == NEXT
    asyncio.run(memory.apply(NEXT, replacing=HELD))


def test_a_balancer_without_pins_refuses_them():
    memory = Memory(capabilities=replace(EVERYTHING, pins=False))
    with pytest.raises(BalancerError, match="pins"):
        asyncio.run(memory.apply(replace(HELD, pins=(Pin("t", "1"),)), replacing=None))
