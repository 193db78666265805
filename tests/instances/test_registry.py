"""The registry: each kind is complete, and its driver keeps the contract's form."""

from __future__ import annotations

import pytest

from lvdeploy.document import Settings
from lvdeploy.instances import INSTANCES


@pytest.mark.parametrize("name", sorted(INSTANCES))
def test_kind_is_registered_under_its_name_with_its_settings(name: str) -> None:
    assert INSTANCES[name].name == name
    assert issubclass(INSTANCES[name].settings, Settings)
