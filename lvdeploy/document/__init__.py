"""YAML into a validated model; every problem at once, with its place and what was probably meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from lvdeploy.document.findings import did_you_mean, explain, members, shape_of
from lvdeploy.document.page import Key, Page, path_text
from lvdeploy.document.values import (
    Context,
    Duration,
    Location,
    Rate,
    Secret,
    Settings,
    Share,
    parse_duration,
    parse_rate,
    parse_share,
)
from lvdeploy.errors import ConfigurationError

__all__ = [
    "Check", "Context", "Duration", "Key", "Location", "Rate", "Secret", "Settings", "Share", "did_you_mean", "load",
    "members", "parse_duration", "parse_rate", "parse_share", "path_text", "shape_of",
]

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Check:
    """
    A law over several sections, looked at as soon as those it ``needs`` are valid, whatever the others are.

    ``find`` takes the sections in that order and yields the key of each misfit with what is wrong there.
    """

    needs: tuple[str, ...]
    find: Callable[..., Iterable[tuple[Key, str]]]


def load(
    source: str | Path, model: type[Model], *, environment: Mapping[str, str], file: str = "",
    directory: Path | None = None, checks: Sequence[Check] = (),
) -> Model:
    """
    Read a document from its text, or from the file at a path, into its model.

    ``file`` names it in problems, and relative paths begin at ``directory``; both default to those of the
    path. Raises ``ConfigurationError`` with every problem.
    """
    if isinstance(source, Path):
        file, directory = file or str(source), directory or source.parent
    text = _read(source) if isinstance(source, Path) else source
    page = Page(file, environment)
    context = Context((directory or Path()).absolute(), environment)
    data = page.read(text)
    value: Model | None = None
    try:
        value = _validate(page, model, data, context=context)
    except ValidationError as error:
        explain(page, model, error)
    if isinstance(data, dict):
        broken = {each[0] for each in page.broken if each}
        for check in (each for each in checks if broken.isdisjoint(each.needs)):
            _look(page, model, data, check=check, context=context)
    if value is None or page.problems or context.problems:
        raise ConfigurationError((*page.found(), *dict.fromkeys(context.problems)))
    return value


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"cannot read {path}: {reason}") from error


def _validate(page: Page, model: type[Model], data: object, *, context: Context) -> Model:
    """Validate; a number where text belongs is that text as it was written, so that version 1.10 is not 1.1."""
    try:
        return model.model_validate(data, context=context)
    except ValidationError as error:
        keys = [page.known(each["loc"]) for each in error.errors() if each["type"] == "string_type"]
        numbers = [key for key in keys if key in page.numbers]
        if not numbers:
            raise
    for key in numbers:
        _put(data, key, page.numbers[key])
    context.problems.clear()
    return model.model_validate(data, context=context)


def _put(data: Any, key: Key, value: str) -> None:  # noqa: ANN401  plain YAML: mappings and lists in one another
    for part in key[:-1]:
        data = data[part]
    data[key[-1]] = value


def _look(
    page: Page, model: type[BaseModel], data: Mapping[str, object], *, check: Check, context: Context
) -> None:
    quiet = Context(context.directory, context.environment)
    shapes = [shape_of(model.model_fields[name]) for name in check.needs]
    given = [data.get(name, {}) for name in check.needs]
    try:
        sections = [
            TypeAdapter(shape).validate_python(each, context=quiet) for shape, each in zip(shapes, given, strict=True)
        ]
    except ValidationError:  # a missing section; it is a problem already
        return
    for key, message in check.find(*sections):
        page.complain(key, message)
