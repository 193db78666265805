"""How one message's JSON becomes nodes, and changes those that are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from lvdeploy.wire.phoenix import streams
from lvdeploy.wire.phoenix.tree import MAX_DEPTH, MalformedDiff, Part, Path, Row, Rows, Tree, component_path, dom_id

Json: TypeAlias = Mapping[str, object]
Templates: TypeAlias = Mapping[str, object] | None

_MAX_SHARED: Final = 8192
_MAX_ROWS: Final = 100_000
_shared: dict[tuple[str, ...], tuple[str, ...]] = {}


@dataclass(slots=True)
class Merge:
    """
    One message being read: ``new`` are its components, ``old`` those the view has.

    ``changed`` gathers the paths of the root nodes that it built or merged into. Every method raises
    ``MalformedDiff`` and changes no node.
    """

    new: Json
    old: Mapping[int, Tree]
    changed: set[Path] = field(default_factory=set)
    _done: dict[int, Tree] = field(default_factory=dict)
    _busy: set[int] = field(default_factory=set)
    _depth: int = 0

    def part(self, raw: object, templates: Templates, path: Path) -> Part:
        """Build a dynamic from scratch."""
        if isinstance(raw, str):
            return raw
        if isinstance(raw, int) and not isinstance(raw, bool):
            return raw
        if isinstance(raw, dict):
            return self.merged(None, raw, templates, path)
        raise MalformedDiff(f"a dynamic is {raw!r:.80}")

    def merged(self, old: Part | None, raw: object, templates: Templates, path: Path) -> Part:
        """Merge a dynamic's diff into what stood there."""
        if not isinstance(raw, dict):
            return self.part(raw, templates, path)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise MalformedDiff("the diff is nested too deeply")
        node = self._rows(old, raw, templates, path) if _is_rows(old, raw) else self._tree(old, raw, templates, path)
        self._depth -= 1
        return node

    def tree(self, old: Tree | None, raw: Json, templates: Templates, path: Path) -> Tree:
        """Merge where only a plain template can stand: at the top and as a component."""
        node = self.merged(old, raw, templates, path)
        if not isinstance(node, Tree):
            raise MalformedDiff("a comprehension stands where a template must")
        return node

    def component(self, cid: int) -> Tree:
        """Return a component as it is after this message."""
        if cid in self._done:
            return self._done[cid]
        raw = self.new.get(str(cid))
        if raw is None:
            if cid not in self.old:
                raise MalformedDiff(f"there is no component {cid}")
            return self.old[cid]
        if not isinstance(raw, dict) or cid in self._busy:
            raise MalformedDiff(f"component {cid} is malformed, or shares its statics with itself")
        self._busy.add(cid)
        self._done[cid] = self._component(cid, raw)
        return self._done[cid]

    def _component(self, cid: int, raw: Json) -> Tree:
        # a component never sees the message's own templates; phoenix_live_view diff.ex renders it on its own
        shared, path = raw.get("s"), component_path(cid)
        if not isinstance(shared, int):
            return self.tree(self.old.get(cid), raw, None, path)
        source = self.component(shared) if shared > 0 else self.old.get(-shared)
        if source is None:
            raise MalformedDiff(f"component {cid} shares the statics of {-shared}, which is not there")
        rest = {key: value for key, value in raw.items() if key != "s"}
        return self.tree(streams.emptied(source), rest, None, path)

    def _tree(self, old: Part | None, raw: Json, templates: Templates, path: Path) -> Tree:
        templates = _templates(raw, templates)
        fresh = "s" in raw
        if fresh:
            statics, before, root = _statics(raw["s"], templates), None, bool(raw.get("r"))
        elif isinstance(old, Tree):
            statics, before, root = old.statics, old.parts, bool(raw.get("r", old.root))
        else:
            raise MalformedDiff("a diff without statics where nothing stands to merge it into")
        if root:
            self.changed.add(path)
        return Tree(statics, self._parts(before, raw, len(statics) - 1, templates, path), root)

    def _parts(self, before: Row | None, raw: object, width: int, templates: Templates, path: Path) -> Row:
        if isinstance(raw, list):
            raw = {str(index): each for index, each in enumerate(raw)}
        if not isinstance(raw, dict):
            raise MalformedDiff(f"a comprehension's row is {raw!r:.80}")
        if before is None:
            return tuple(self._slot(None, raw, index, templates, path) for index in range(width))
        if len(before) != width:
            raise MalformedDiff("a row has another width than its comprehension")
        parts = list(before)
        for key in raw.keys() & _digits(width):
            parts[int(key)] = self._slot(before[int(key)], raw, int(key), templates, path)
        return tuple(parts)

    def _slot(self, old: Part | None, raw: Json, index: int, templates: Templates, path: Path) -> Part:
        key = str(index)
        if key not in raw:
            raise MalformedDiff(f"dynamic {key} is missing")
        return self.merged(old, raw[key], templates, (*path, key))

    def _rows(self, old: Part | None, raw: Json, templates: Templates, path: Path) -> Rows:
        # rendered.js comprehensionToBuffer: `templates || rendered[TEMPLATES]`, the outer ones win
        templates = templates or _templates(raw, None)
        before = old if isinstance(old, Rows) else None
        if "s" in raw:
            statics = _statics(raw["s"], templates)
            earlier: tuple[Row, ...] = ()
        elif before is not None:
            statics, earlier = before.statics, before.rows
        else:
            raise MalformedDiff("a comprehension without statics where none stands")
        width, items = len(statics) - 1, before.items if before else None
        if "stream" not in raw and (items is None or "s" in raw):
            return Rows(statics, self._row_list(earlier, raw, width, templates, path))
        rows = self._row_list((), raw, width, templates, path) if "k" in raw or "d" in raw else ()
        return Rows(statics, (), self._streamed(items or (), statics, rows, raw))

    def _streamed(
        self, items: tuple[tuple[str, Row], ...], statics: tuple[str, ...], rows: tuple[Row, ...], raw: Json
    ) -> tuple[tuple[str, Row], ...]:
        change = streams.read(raw.get("stream", ["", [], []]))
        named = [(dom_id(statics, row, self.component), row) for row in rows]
        return streams.apply(items, change, [(key, row) for key, row in named if key is not None])

    def _row_list(
        self, earlier: tuple[Row, ...], raw: Json, width: int, templates: Templates, path: Path
    ) -> tuple[Row, ...]:
        if "k" in raw:
            return self._keyed(earlier, raw["k"], width, templates, path)
        # up to LiveView 1.0 rows are always complete
        rows = raw.get("d", [])
        if not isinstance(rows, list):
            raise MalformedDiff("d is no list of rows")
        return tuple(self._parts(None, row, width, templates, (*path, str(index))) for index, row in enumerate(rows))

    def _keyed(
        self, earlier: tuple[Row, ...], raw: object, width: int, templates: Templates, path: Path
    ) -> tuple[Row, ...]:
        count = raw.get("kc") if isinstance(raw, dict) else None
        if not isinstance(raw, dict) or not isinstance(count, int) or count > _MAX_ROWS:
            raise MalformedDiff("a keyed comprehension has no kc, or a wild one")
        rows: list[Row] = []
        for index in range(count):
            entry: object = raw.get(str(index), index)
            # an int is the row that stood there, a pair is that row with a diff
            diff: object = entry
            source: object = index
            if isinstance(entry, list) and len(entry) == 2:
                source, diff = entry
            elif isinstance(entry, int):
                source, diff = entry, {}
            known = isinstance(source, int) and 0 <= source < len(earlier)
            before = earlier[source] if known and isinstance(source, int) else None
            rows.append(self._parts(before, diff, width, templates, (*path, str(index))))
        return tuple(rows)


def _is_rows(old: Part | None, raw: Json) -> bool:
    return "k" in raw or "d" in raw or ("s" not in raw and isinstance(old, Rows))


def _templates(raw: Json, otherwise: Templates) -> Templates:
    templates = raw.get("p")
    if templates is None:
        return otherwise
    if not isinstance(templates, dict):
        raise MalformedDiff("p is no table of templates")
    return templates


def _statics(raw: object, templates: Templates) -> tuple[str, ...]:
    if isinstance(raw, int) and templates is not None:
        raw = templates.get(str(raw))
    if not isinstance(raw, list) or not raw or not all(isinstance(each, str) for each in raw):
        raise MalformedDiff(f"statics are {raw!r:.80}")
    return _share(tuple(raw))


def _share(statics: tuple[str, ...]) -> tuple[str, ...]:
    """Return the one copy that all clients hold: a page's statics outweigh its dynamics."""
    if len(_shared) >= _MAX_SHARED:
        _shared.clear()
    return _shared.setdefault(statics, statics)


def _digits(width: int) -> frozenset[str]:
    known = _DIGITS.get(width)
    return known if known is not None else frozenset(str(index) for index in range(width))


_DIGITS: Final = {width: frozenset(str(index) for index in range(width)) for width in range(64)}
