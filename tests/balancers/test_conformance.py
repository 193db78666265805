"""Every registered balancer keeps every law, and every law catches somebody who does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import pytest

from lvdeploy.balancers import BALANCERS
from lvdeploy.balancers.memory import Memory
from tests.balancers.laws import LAWS
from tests.balancers.mutants import MUTANTS
from tests.balancers.subjects import MemorySubject, Subject

Begin: TypeAlias = Callable[[], AbstractAsyncContextManager[Subject]]

PROVIDERS = {"memory": "memory_begin", "traefik": "traefik_begin"}


@pytest.fixture(scope="module")
def memory_begin() -> Begin:
    @asynccontextmanager
    async def begin() -> AsyncIterator[Subject]:
        yield MemorySubject(Memory())

    return begin


def test_every_registered_balancer_is_tried():
    assert set(PROVIDERS) == set(BALANCERS)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    "provider", [pytest.param(each, marks=[pytest.mark.real] if each != "memory" else []) for each in PROVIDERS]
)
def test_law(provider: str, law: str, request: pytest.FixtureRequest):
    begin: Begin = request.getfixturevalue(PROVIDERS[provider])

    async def tried() -> None:
        async with begin() as subject:
            await LAWS[law](subject)

    asyncio.run(tried())


@pytest.fixture(scope="module")
def caught() -> dict[str, set[str]]:
    """Which laws each mutant breaks."""
    return {name: {law for law in LAWS if _breaks(mutant, law)} for name, mutant in MUTANTS.items()}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_caught(mutant: str, caught: dict[str, set[str]]):
    assert caught[mutant]


@pytest.mark.parametrize("law", sorted(set(LAWS) - {"a_pin_is_hidden_from_the_application"}))
def test_a_law_catches_a_mutant(law: str, caught: dict[str, set[str]]):
    """All but the one about headers, which a balancer of plain data has not."""
    assert any(law in each for name, each in caught.items() if name != "RefusesEverything")


def _breaks(mutant: type[Memory], law: str) -> bool:
    async def tried() -> None:
        async with asyncio.timeout(0.5):
            await LAWS[law](MemorySubject(mutant()))

    try:
        asyncio.run(tried())
    except (Exception, pytest.fail.Exception):  # noqa: BLE001 # a law is broken in whatever way a test can fail
        return True
    return False
