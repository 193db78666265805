"""What the validation of a model found, in words for the person who wrote the document."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from lvdeploy.document.page import Key, Page

_EXPECTED = {
    "int_type": "a whole number", "int_parsing": "a whole number", "int_from_float": "a whole number",
    "int_parsing_size": "a whole number", "float_type": "a number", "float_parsing": "a number",
    "finite_number": "a number", "bool_type": "true or false", "bool_parsing": "true or false", "string_type": "text",
    "list_type": "a list", "tuple_type": "a list", "set_type": "a list", "frozen_set_type": "a list",
    "dict_type": "a mapping", "mapping_type": "a mapping", "model_type": "a mapping",
    "model_attributes_type": "a mapping", "dataclass_type": "a mapping", "path_type": "a path",
}  # fmt: skip
_SHOULD = {f"should be {each}" for each in _EXPECTED.values()}


def explain(page: Page, model: type[BaseModel], error: ValidationError) -> None:
    """Note pydantic's findings, those of a union's members as one."""
    found = [(page.known(each["loc"]), each) for each in error.errors(include_url=False, include_input=False)]
    expected: dict[Key, list[str]] = {}
    meant = {(*key[:-1], _meant(model, key)) for key, each in found if each["type"] == "extra_forbidden"}
    for key, each in found:
        inside_union = any(other[: len(key)] == key and len(other) > len(key) for other, _ in found)
        if key in page.broken or (inside_union and each["type"] in _EXPECTED):
            continue
        name = str(each["loc"][-1]) if each["loc"] else ""
        match each["type"]:
            case "missing" if (*key, name) in meant:
                pass
            case "missing":
                page.complain(key, f"missing key {name!r}", at=page.spots[key].key)
            case "extra_forbidden":
                page.complain(key, f"unknown key{did_you_mean(name, _keys(model, key[:-1]))}", at=page.spots[key].key)
            case "none_required":
                pass
            case _:
                expected.setdefault(key, []).append(_words(each))
    for key, words in expected.items():
        first, *others = dict.fromkeys(words)
        rest = "".join(" or " + each.removeprefix("should be ") for each in others)
        page.complain(key, f"{first}{rest}{_instead(page.spots[key].shown, first)}")


def _instead(shown: str, words: str) -> str:
    """What is there, where that says more than the words do."""
    says_more = words.startswith("should ") and (shown not in ("a mapping", "a list", "nothing") or words in _SHOULD)
    return f", not {shown}" if says_more else ""


def _words(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _EXPECTED:
        return f"should be {_EXPECTED[kind]}"
    match kind:
        case "value_error" | "assertion_error":
            return str(context["error"])
        case "literal_error" | "enum":
            return f"should be {context['expected']}"
        case "greater_than":
            return f"should be more than {context['gt']:g}"
        case "greater_than_equal":
            return f"should be {context['ge']:g} or more"
        case "less_than":
            return f"should be less than {context['lt']:g}"
        case "less_than_equal":
            return f"should be {context['le']:g} or less"
        case "string_too_short" | "too_short":
            least = context["min_length"]
            return "should not be empty" if least == 1 else f"should have {least} entries or more"
        case "string_pattern_mismatch" if context["pattern"].startswith("^/"):
            return "should be a path that begins with / and holds no spaces"
        case "string_pattern_mismatch":
            return f"should match {context['pattern']}"
        case _:
            return error["msg"][:1].lower() + error["msg"][1:]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` where a known word is near, else nothing."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _meant(model: type[BaseModel], key: Key) -> str:
    near = difflib.get_close_matches(str(key[-1]), _keys(model, key[:-1]), 1)
    return near[0] if near else ""


def _keys(model: type[BaseModel], key: Key) -> list[str]:
    """The keys that may stand in the mapping at that key."""
    shapes: list[object] = [model]
    for part in key:
        shapes = [below for shape in shapes for below in _below(shape, part)]
    models = [each for shape in shapes for each in members(shape) if isinstance(each, type)]
    return [
        known.alias or name
        for each in models if issubclass(each, BaseModel)
        for name, known in each.model_fields.items()
    ]


def _below(shape: object, part: str | int) -> Iterator[object]:
    for each in members(shape):
        if isinstance(each, type) and issubclass(each, BaseModel):
            yield from (
                known.annotation for name, known in each.model_fields.items() if part == (known.alias or name)
            )
        else:
            yield from (argument for argument in get_args(each)[-1:] if argument is not Ellipsis)
            yield from (argument for argument in get_args(each)[:1] if get_args(each)[-1:] == (Ellipsis,))


def shape_of(field: FieldInfo) -> Any:  # noqa: ANN401  annotations have no common type
    """The type of a field with its constraints, for a ``TypeAdapter``."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def members(shape: Any) -> Iterator[Any]:  # noqa: ANN401  annotations have no common type
    """The types a value of this annotation may have: through ``Annotated`` and unions."""
    if get_origin(shape) is Annotated:
        yield from members(get_args(shape)[0])
    elif get_origin(shape) in (Union, UnionType):
        for each in get_args(shape):
            yield from members(each)
    else:
        yield shape
