"""What the README of the package shows is run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lvdeploy.wire
from tests.demo.instance import Instance

README = (Path(lvdeploy.wire.__file__).parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
ADDRESS = "http://127.0.0.1:4000"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    running = Instance(tmp_path, name="web-1", version="1.0", environment={}).answering()
    yield running
    running.kill()


@pytest.mark.real
def test_the_twenty_lines_say_who_came_back(instance: Instance) -> None:
    code = BLOCKS[0]
    assert ADDRESS in code
    assert len(code.splitlines()) <= 20
    command = [sys.executable, "-W", "error", "-c", code.replace(ADDRESS, instance.url)]

    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("Ann came back\n")
    assert "refused" in ran.stdout


@pytest.mark.parametrize("code", BLOCKS[1:], ids=["without asyncio", "without LiveView"])
def test_the_other_blocks_hold(code: str) -> None:
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - the project's own manual


def test_every_block_is_one_of_these() -> None:
    assert len(BLOCKS) == 3
