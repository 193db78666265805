"""YAML into a validated model; every problem at once, with its place and what was probably meant."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(value: object) -> object:
    """Turn ``500ms``, ``30s``, ``5m``, ``1h`` into seconds; anything else is left to the validation."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", value.strip())):
        return float(match[1]) * _UNITS[match[2]]
    if isinstance(value, bool) or isinstance(value, str | int | float):
        raise ValueError("should be a duration such as 500ms, 30s or 5m")
    return value


def parse_rate(value: object) -> object:
    """Turn ``20/s`` and ``300/m`` into a number per second."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*/\s*(s|m)", value.strip())):
        return float(match[1]) / _UNITS[match[2]]
    if isinstance(value, bool) or isinstance(value, str | int | float):
        raise ValueError("should be a rate such as 20/s or 300/m")
    return value


Duration = Annotated[float, BeforeValidator(parse_duration)]
"""Seconds, written with their unit. A default is given in seconds as a float."""

Rate = Annotated[float, BeforeValidator(parse_rate)]
"""A number per second, written with its unit."""


class Settings(BaseModel):
    """A part of the deployment file: immutable, every key known."""

    model_config = ConfigDict(extra="forbid", frozen=True)
