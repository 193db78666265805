"""Live pages as a pytest fixture: open one, use it, take its connection away, and look what came back."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lvdeploy.client import Live

# Every pytest run of an environment that has lvdeploy imports this module: what it needs, it imports when asked.

MISSING = (
    "give live() a whole URL or base_url=, or say where the service is by --lvdeploy-url, LVDEPLOY_URL or "
    "lvdeploy_url in pytest's configuration, or override the fixture lvdeploy_url"
)

_opened: pytest.StashKey[Live] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lvdeploy", "live pages")
    group.addoption("--lvdeploy-url", metavar="URL", help="where the fixture live finds the service")
    parser.addini("lvdeploy_url", "where the fixture live finds the service")


@pytest.fixture(scope="session")
def lvdeploy_url(pytestconfig: pytest.Config) -> str:
    """Where the service is; a test suite that starts it overrides this fixture."""
    given = pytestconfig.getoption("lvdeploy_url") or os.environ.get("LVDEPLOY_URL")
    return str(given or pytestconfig.getini("lvdeploy_url") or "")


@pytest.fixture
def live(request: pytest.FixtureRequest, lvdeploy_url: str) -> Live:
    """
    Open a LiveView page: ``view = await live("/users/new")``.

    For async tests, whoever runs them: pytest-asyncio, anyio (on asyncio), or nobody, then asyncio.run.
    Every page ends with the test.
    """
    from lvdeploy.client import Live

    opened = request.node.stash[_opened] = Live(lvdeploy_url, missing=MISSING)
    return opened


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Let the test close its pages itself, on the loop it runs on, before another plugin takes hold of it."""
    opened = item.stash.get(_opened, None)
    if opened is None or not isinstance(item, pytest.Function):
        return (yield)
    test = item.obj
    if not inspect.iscoroutinefunction(test):
        pytest.fail(f"{item.name} asks for the fixture live and is not async: write async def", pytrace=False)
    item.obj = _closing(test, opened)
    try:
        return (yield)
    finally:
        item.obj = test


@pytest.hookimpl
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test that asked for a page and that no other plugin runs."""
    # pytest-asyncio has made it a plain function by now, anyio's hook comes first
    if _opened not in pyfuncitem.stash or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


def _closing(test: Callable[..., Awaitable[object]], opened: Live) -> Callable[..., Awaitable[object]]:
    @functools.wraps(test)
    async def closing(*args: object, **kwargs: object) -> object:
        try:
            return await test(*args, **kwargs)
        finally:
            await opened.close()

    return closing
