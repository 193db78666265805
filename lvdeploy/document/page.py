"""YAML with the place of every value: what stands where, and what is wrong there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import yaml

from lvdeploy.errors import ConfigurationError, Problem

Key: TypeAlias = tuple[str | int, ...]
"""The way from the document's root to a value: ``("instances", "slots", 0, "port")``."""

_MAX_CHARACTERS = 1_000_000
_MAX_VALUES = 20_000
_MAX_DEPTH = 40


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema: ``yes``, ``12:30`` and ``2026-01-31`` are text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  yaml's own name


_TAG = "tag:yaml.org,2002:"
_KINDS = {"map", "seq", "str", "bool", "int", "float", "null"}
_NUMBER = r"[-+]?(\.[0-9]{1,18}|[0-9]{1,18}(\.[0-9]{0,18})?)([eE][-+]?[0-9]{1,3})?"
for _kind, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]{1,18}", "-+0123456789"),
    ("float", _NUMBER, "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), list(_first))
_Loader.add_implicit_resolver(_TAG + "merge", re.compile(r"<<\Z"), ["<"])


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a value stands, where its key does, and how to show it in a message."""

    mark: yaml.Mark
    key: yaml.Mark
    shown: str


class Page:
    """One document while it is read: its problems so far, where everything stands, how its numbers are written."""

    def __init__(self, file: str, environment: Mapping[str, str]) -> None:
        self.file = file
        self.environment = environment
        self.problems: list[Problem] = []
        self.broken: set[Key] = set()
        self.spots: dict[Key, Spot] = {}
        self.numbers: dict[Key, str] = {}
        self._count = 0

    def read(self, text: str) -> object:
        """Turn YAML into plain values; raises ``ConfigurationError`` where it is none."""
        if len(text) > _MAX_CHARACTERS:
            raise self._fatal(1, 1, f"is longer than {_MAX_CHARACTERS} characters")
        try:
            loader = _Loader(text)
            root = loader.get_single_node()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise self._fatal(line, column, _syntax(error, text)) from error
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            column = error.position - text.rfind("\n", 0, error.position)
            raise self._fatal(line, column, "is not YAML: a character that may not stand in text") from error
        except RecursionError as error:
            raise self._fatal(1, 1, "is nested too deeply") from error
        if root is None:
            raise self._fatal(1, 1, "is empty")
        self.spots[()] = Spot(root.start_mark, root.start_mark, _show(root))
        return self._plain(root, ())

    def complain(self, key: Key, message: str, *, at: yaml.Mark | None = None) -> None:
        """Note a problem at the nearest place in the document that leads to the key."""
        self.broken.add(key)
        mark = at or self._mark(key)
        self.problems.append(Problem(self.file, mark.line + 1, mark.column + 1, path_text(key), message))

    def found(self) -> list[Problem]:
        """The problems in the order of the text; what an anchor repeats is said once."""
        once = {(each.line, each.column, each.message): each for each in reversed(self.problems)}
        return [once[place] for place in sorted(once)]

    def known(self, key: Key) -> Key:
        """The longest part of the key that is in the document; names of union members are left out."""
        found: Key = ()
        for part in key:
            if (*found, part) in self.spots:
                found = (*found, part)
        return found

    def _mark(self, key: Key) -> yaml.Mark:
        while key not in self.spots:
            key = key[:-1]
        return self.spots[key].mark

    def _fatal(self, line: int, column: int, message: str) -> ConfigurationError:
        return ConfigurationError((Problem(self.file, line, column, "", message),))

    def _plain(self, node: yaml.Node, key: Key) -> object:
        self._count += 1
        if self._count > _MAX_VALUES or len(key) > _MAX_DEPTH:
            mark = node.start_mark
            raise self._fatal(mark.line + 1, mark.column + 1, "its anchors and lists unfold to too many values")
        if not node.tag.startswith(_TAG) or node.tag.removeprefix(_TAG) not in _KINDS:
            self.complain(key, f"the tag {node.tag!r} is not known here")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(each, (*key, index)) for index, each in enumerate(node.value)]
        return self._scalar(node, key)

    def _item(self, node: yaml.Node, key: Key) -> object:
        self.spots[key] = Spot(node.start_mark, node.start_mark, _show(node))
        return self._plain(node, key)

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, object]:
        own: dict[str, yaml.ScalarNode] = {}
        values: dict[str, object] = {}
        for value in (value for name, value in node.value if name.tag == _TAG + "merge"):
            values = self._merged(value, key) | values
        for name, value in ((name, value) for name, value in node.value if name.tag != _TAG + "merge"):
            if not isinstance(name, yaml.ScalarNode):
                self.complain(key, "a key should be text", at=name.start_mark)
            elif name.value in own:
                first = own[name.value].start_mark.line + 1
                self.complain((*key, name.value), f"is there twice; first in line {first}", at=name.start_mark)
            else:
                own[name.value] = name
                self.spots[(*key, name.value)] = Spot(value.start_mark, name.start_mark, _show(value))
                values[name.value] = self._plain(value, (*key, name.value))
        return values

    def _merged(self, node: yaml.Node, key: Key) -> dict[str, object]:
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, object] = {}
        for part in parts:
            if not isinstance(part, yaml.MappingNode):
                self.complain(key, "'<<' takes a mapping, or a list of them", at=part.start_mark)
            else:
                merged = self._mapping(part, key) | merged
        return merged

    def _scalar(self, node: yaml.Node, key: Key) -> object:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        match kind:
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" | "float" if re.fullmatch(_NUMBER, text):
                self.numbers[key] = text
                return int(text) if kind == "int" and text.lstrip("+-").isdigit() else float(text)
            case _:
                return self._substitute(text, key)

    def _substitute(self, text: str, key: Key) -> str:
        """Put in ``${NAME}`` and ``${NAME:-default}``; ``$${`` stands for ``${`` itself."""
        return re.sub(r"\$?\$\{([^}]*)\}", lambda match: self._variable(match, key), text)

    def _variable(self, match: re.Match[str], key: Key) -> str:
        if match[0].startswith("$$"):
            return match[0][1:]
        name, has_default, default = match[1].partition(":-")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            self.complain(key, f"{match[0]} should be ${{NAME}} or ${{NAME:-default}}; write $${{ for ${{ itself")
        elif value := self.environment.get(name) or default:
            return value
        elif not has_default and name not in self.environment:
            self.complain(key, f"the environment has no variable {name}")
        return ""


def _syntax(error: yaml.MarkedYAMLError, text: str) -> str:
    problem = error.problem or "it cannot be read"
    if error.problem_mark and text[: error.problem_mark.index + 1].endswith("${"):
        return "is not YAML: between { and } a variable stands in quotes, \"${NAME}\""
    if "\\t" in problem:
        return "is not YAML: a tab; indent with spaces"
    if "another document" in problem:
        return "a second document begins; one file holds one"
    since = f" ({error.context}, line {error.context_mark.line + 1})" if error.context and error.context_mark else ""
    return f"is not YAML: {problem}{since}"


def _show(node: yaml.Node) -> str:
    """How a value is shown in a message; a variable by its name, since it may hold a secret."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if node.tag == _TAG + "null":
        return "nothing"
    text = str(node.value)
    shown = text if len(text) <= 60 else text[:57] + "..."
    return repr(shown) if node.tag == _TAG + "str" else shown


def path_text(key: Key) -> str:
    """``instances.slots[0].port``"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).removeprefix(".")
