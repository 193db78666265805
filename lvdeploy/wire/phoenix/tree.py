"""The immutable nodes of a rendered tree: statics, dynamics, comprehension rows, and their HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

MAX_DEPTH: Final = 100
MAX_WRITES: Final = 500_000
MAX_CHARACTERS: Final = 32_000_000

Path: TypeAlias = tuple[str, ...]
"""Where a node stands; a component's begins with ``c<cid>``. It stands in for the official magic ids."""


class MalformedDiff(ValueError):
    """The server sent a tree that no LiveView client can read."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A template's statics with the dynamics between them; ``root`` if it renders to one static root tag."""

    statics: tuple[str, ...]
    parts: tuple[Part, ...]
    root: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """
    A comprehension. Where it is a stream, ``items`` holds what the browser's DOM would: (DOM id, row).

    The server forgets stream rows once they are sent, so they are remembered here.
    """

    statics: tuple[str, ...]
    rows: tuple[Row, ...]
    items: tuple[tuple[str, Row], ...] | None = None


Part: TypeAlias = str | int | Tree | Rows
"""A dynamic: text, the cid of a component, or a nested node."""

Row: TypeAlias = tuple[Part, ...]

Component: TypeAlias = Callable[[int], Tree]
"""Finds a component by its cid; raises ``MalformedDiff`` where there is none."""

# The tag a node begins with; phoenix_live_view modify_root: /^(\s*(?:<!--.*?-->\s*)*)<([^\s\/>]+)/
FIRST_TAG: Final = re.compile(r"\s*(?:<!--.*?-->\s*)*<[^\s/>]+", re.DOTALL)
_LEADING: Final = re.compile(r"<!--.*?-->|(?:(?<=>)|\A)\s+(?=<)", re.DOTALL)
_ATTRIBUTES: Final = re.compile(r"""(?:[^>"']|"[^"]*"|'[^']*')*""")
_ID: Final = re.compile(r"""(?:^|\s)id\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")


@dataclass(slots=True)
class Writer:
    """Writes nodes as HTML; raises ``MalformedDiff`` for missing components, cycles and sheer size."""

    component: Component
    view_id: str
    names_components: bool = False
    out: list[str] = field(default_factory=list)
    depth: int = 0
    writes: int = 0
    characters: int = 0

    def text(self) -> str:
        return "".join(self.out)

    def part(self, part: Part, path: Path) -> None:
        if isinstance(part, str):
            self._write(part)
        elif isinstance(part, int):
            self._component(part)
        else:
            self.node(part, path)

    def node(self, node: Tree | Rows, path: Path) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise MalformedDiff("the tree is nested too deeply, or a component holds itself")
        if isinstance(node, Rows):
            self._rows(node, path)
        elif node.root:
            self._rooted(node, path, f'data-phx-id="{magic_id(path, self.view_id)}"')
        else:
            self.row(node.statics, node.parts, path)
        self.depth -= 1

    def row(self, statics: tuple[str, ...], parts: Row, path: Path) -> None:
        self._write(statics[0])
        for index, part in enumerate(parts):
            self.part(part, (*path, str(index)))
            self._write(statics[index + 1])

    def _rows(self, node: Rows, path: Path) -> None:
        if node.items is None:
            for index, row in enumerate(node.rows):
                self.row(node.statics, row, (*path, str(index)))
        else:
            for dom_id, row in node.items:
                self.row(node.statics, row, (*path, dom_id))

    def _component(self, cid: int) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise MalformedDiff("the tree is nested too deeply, or a component holds itself")
        path = component_path(cid)
        view = html.escape(self.view_id)
        attributes = f'data-phx-id="{magic_id(path, self.view_id)}" data-phx-component="{cid}" data-phx-view="{view}"'
        name = html.escape(f"{self.view_id}-{cid}-") if self.names_components else ""
        self._rooted(self.component(cid), path, attributes, name=name)
        self.depth -= 1

    def _rooted(self, node: Tree, path: Path, attributes: str, *, name: str = "") -> None:
        outer, self.out = self.out, []
        self.row(node.statics, node.parts, path)
        inner, self.out = "".join(self.out), outer
        tag = FIRST_TAG.match(inner)
        if tag and name and _id(inner, tag.end()) is None:
            # 0.20.1 counts what stands before the root too
            attributes += f' id="{name}{len(_LEADING.findall(inner, 0, tag.end()))}"'
        self.out.append(f"{inner[: tag.end()]} {attributes}{inner[tag.end() :]}" if tag else inner)

    def _write(self, text: str) -> None:
        self.writes += 1
        self.characters += len(text)
        if self.writes > MAX_WRITES or self.characters > MAX_CHARACTERS:
            raise MalformedDiff("the tree renders to more HTML than any page has")
        self.out.append(text)


def standing(part: Part, component: Component) -> dict[int, None]:
    """Return the cids of the components in a part's HTML, inner ones before those around them."""
    found: dict[int, None] = {}
    _gather(part, component, found, frozenset())
    return found


def _gather(part: Part, component: Component, found: dict[int, None], around: frozenset[int]) -> None:
    if isinstance(part, int):
        if part in around or len(around) > MAX_DEPTH:
            raise MalformedDiff("a component holds itself")
        if part not in found:
            _gather(component(part), component, found, around | {part})
            found[part] = None
    elif isinstance(part, Tree):
        for each in part.parts:
            _gather(each, component, found, around)
    elif isinstance(part, Rows):
        rows = part.rows if part.items is None else tuple(row for _, row in part.items)
        for row in rows:
            for each in row:
                _gather(each, component, found, around)


def component_path(cid: int) -> Path:
    return (f"c{cid}",)


def magic_id(path: Path, view_id: str) -> str:
    """Return the ``data-phx-id`` of a root: ``c1-<view>`` for a component as the official client has it."""
    name = path[0] if len(path) == 1 and path[0].startswith("c") else "m" + "_".join(path)
    return html.escape(f"{name}-{view_id}")


def dom_id(statics: tuple[str, ...], row: Row, component: Component) -> str | None:
    """Return the id of the element that a stream's row renders to."""
    writer = Writer(component, "")
    writer.row(statics, row, ())
    text = writer.text()
    tag = FIRST_TAG.match(text)
    return _id(text, tag.end()) if tag else None


def _id(text: str, at: int) -> str | None:
    """Return the id among the attributes that begin there."""
    attributes = _ATTRIBUTES.match(text, at)
    found = _ID.search(attributes.group()) if attributes else None
    if found is None:
        return None
    return html.unescape(next(group for group in found.groups() if group is not None))
