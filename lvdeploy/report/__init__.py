"""How a run is told: on the screen, and as documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from lvdeploy.report.as_json import as_json
from lvdeploy.report.as_junit import as_junit
from lvdeploy.report.run import Run

REPORTS: Mapping[str, Callable[[Run], str]] = MappingProxyType({"json": as_json, "junit": as_junit})
"""What ``--report KIND=FILE`` can be."""


def write(kind: str, run: Run) -> str:
    """Return the document of that kind. Raises ``KeyError`` for a kind that is not in ``REPORTS``."""
    return REPORTS[kind](run)
