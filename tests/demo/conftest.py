"""Instances that end with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.demo.instance import Instance

Launch = Callable[..., Instance]


def _launching(directory: Path) -> Iterator[Launch]:
    launched: list[Instance] = []

    def launch(name: str = "one", *, version: str = "1.0", **environment: str) -> Instance:
        instance = Instance(directory, name=name, version=version, environment=environment)
        launched.append(instance)
        return instance.answering()

    yield launch
    for instance in launched:
        instance.kill()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start instances that share a database; environment variables are given by their names."""
    yield from _launching(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One instance of version 1.0 for tests that leave it running."""
    for launch in _launching(tmp_path_factory.mktemp("shared")):
        yield launch("shared")
