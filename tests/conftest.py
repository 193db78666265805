"""What all tests share: programs that may be missing, and Hypothesis without a stopwatch."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A slow machine is no failure of a law.
settings.register_profile("lvdeploy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lvdeploy")

NOT_INSTALLED = " is not installed"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--recordings",
        default=str(Path(__file__).parent / "wire" / "phoenix" / "recorded"),
        metavar="DIR",
        help="recorded browser sessions to replay: folders of frames.jsonl and html-N.html, plain or gzipped",
    )
    group = parser.getgroup("oracle", "against the official client under node")
    group.addoption("--oracle-seed", default="1", metavar="SEED", help="what the random pages are drawn from")
    group.addoption("--oracle-count", default=350, type=int, metavar="N", help="how many pages a version shows")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(program, ...): skipped by name where a program is not installed")


def pytest_runtest_setup(item: pytest.Item) -> None:
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    for marker in item.iter_markers("needs"):
        for program in marker.args:
            if shutil.which(program, path=path) is None:
                pytest.skip(f"{program}{NOT_INSTALLED}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say last what was not tested here."""
    reasons = [
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", ())
        if isinstance(report.longrepr, tuple)
    ]
    missing = Counter(each.removesuffix(NOT_INSTALLED) for each in reasons if each.endswith(NOT_INSTALLED))
    if missing:
        names = ", ".join(f"{program} ({count} tests)" for program, count in sorted(missing.items()))
        terminalreporter.write_line(f"Not tested here, for want of: {names}", yellow=True)
