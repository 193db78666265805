import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.operator import Operator


@contextmanager
def service(directory):
    beside = Path(sys.executable).parent
    if shutil.which("traefik", path=f"{beside}:/usr/bin:/usr/local/bin") is None:
        pytest.skip("traefik is not installed")
    operator = Operator(directory)
    try:
        up = operator.run("up", "--to", "1.0")
        assert up.code == 0, up.stderr
        yield operator
    finally:
        down = operator.run("down")
        assert down.code == 0, down.stderr


@pytest.fixture
def operator(tmp_path):
    """The demo service at version 1.0, up; taken down at the end."""
    with service(tmp_path) as operator:
        yield operator


@pytest.fixture(scope="module")
def steady(tmp_path_factory):
    """The same for tests that leave version 1.0 serving as it was."""
    with service(tmp_path_factory.mktemp("steady")) as operator:
        yield operator
