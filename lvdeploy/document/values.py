"""The types of a document's values, and the model of its sections."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    model_validator,
)

from lvdeploy.errors import Problem

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MAX_SECRET_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Context:
    """
    What a validator may ask for as ``info.context``.

    ``problems`` takes what a validator finds in another document than the one at hand.
    """

    directory: Path
    environment: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)


def parse_duration(value: object) -> float:
    """Turn ``500ms``, ``30s``, ``5m``, ``1m30s`` into seconds."""
    if isinstance(value, str) and re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h|d))+", value.strip()):
        parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", value)
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    raise ValueError("should be a duration such as 500ms, 30s or 5m")


def parse_rate(value: object) -> float:
    """Turn ``20/s`` and ``300/m`` into a number per second."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*/\s*(s|m)", value.strip())):
        return float(match[1]) / _UNITS[match[2]]
    raise ValueError("should be a rate such as 20/s or 300/m")


def parse_share(value: object) -> int:
    """Turn ``10%`` and ``2.5%`` into basis points."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,3})(?:\.(\d{1,2}))?\s*%", value.strip())):
        share = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
        if share <= 100 * 100:
            return share
    raise ValueError("should be a share such as 10% or 2.5%")


def _written(parse: Callable[[object], float]) -> Callable[[object, ValidationInfo], object]:
    """A document writes the unit; a number is taken from a program only, where there is no document."""

    def validate(value: object, info: ValidationInfo) -> object:
        if info.context is None and isinstance(value, int | float) and not isinstance(value, bool):
            return value
        return parse(value)

    return validate


def _read_secret(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str) or not value.startswith("file:") or not isinstance(info.context, Context):
        return value
    path = info.context.directory / Path(value.removeprefix("file:")).expanduser()
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_SECRET_BYTES + 1)
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"cannot read the secret in {path}: {reason}") from error
    if len(content) > _MAX_SECRET_BYTES:
        raise ValueError(f"the secret in {path} is larger than {_MAX_SECRET_BYTES} bytes")
    return text.rstrip("\r\n")


def _locate(value: Path, info: ValidationInfo) -> Path:
    value = value.expanduser()
    return info.context.directory / value if isinstance(info.context, Context) else value


Duration = Annotated[
    float, BeforeValidator(_written(parse_duration)), PlainSerializer(lambda seconds: f"{seconds!r}s", when_used="json")
]
"""Seconds, written with their unit; programs give and keep them as a float."""

Rate = Annotated[
    float, BeforeValidator(_written(parse_rate)), PlainSerializer(lambda rate: f"{rate!r}/s", when_used="json")
]
"""A number per second, written with its unit."""

Share = Annotated[int, BeforeValidator(_written(parse_share))]
"""Basis points, written as per cent."""

Secret = Annotated[SecretStr, BeforeValidator(_read_secret)]
"""Text that prints masked; ``file:PATH`` stands for the content of a file, without its last line end."""

Location = Annotated[Path, AfterValidator(_locate)]
"""A path; relative ones, defaults too, begin at the directory of the document they stand in."""


class Settings(BaseModel):
    """A part of a document: immutable, every key known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_defaults(cls, value: object) -> object:
        """Put in the sections that are left out or empty, and default paths, so that these see the document too."""
        if value is None:
            value = {}
        if not isinstance(value, dict):
            return value
        filled: dict[str, object] = {}
        for name, known in cls.model_fields.items():
            shape = known.annotation
            if isinstance(known.default, Path):
                filled[known.alias or name] = str(known.default)
            elif not known.is_required() and isinstance(shape, type) and issubclass(shape, Settings):
                filled[known.alias or name] = {}
        return filled | value
