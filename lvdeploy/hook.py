"""The points at which lvdeploy may die and go on afterwards, each named as it is passed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Hook: TypeAlias = Callable[[str], None]
"""
Hears the name of each point: ``before`` and ``after`` a record of the journal, ``inside`` an effect.

What it raises ends lvdeploy there; nothing in lvdeploy itself listens.
"""


def nobody(point: str) -> None:
    """Listen to nothing."""
    del point
