"""The client does what a real browser did, frame for frame, on recorded sessions of a real application."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wire.phoenix.recording import names, read
from tests.wire.phoenix.replay import Replay


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "recorded" in metafunc.fixturenames:
        folder = Path(metafunc.config.getoption("--recordings"))
        metafunc.parametrize("recorded", [folder / name for name in names(folder)], ids=lambda path: path.name)


def test_client_does_what_the_browser_did(recorded: Path) -> None:
    """Frames, their order and time, addresses, cookies and what the page shows are the browser's."""
    Replay(read(recorded)).run()
