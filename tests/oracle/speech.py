"""How a LiveView server says that a page changed, by version: phoenix_live_view's diff.ex."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.oracle.states import Component, Part, Rows, State, Stream, Template, Text, cids

Wire = dict[str, Any]

NOTHING = object()


@dataclass(frozen=True)
class Grammar:
    """``keyed`` is LiveView 1.1's ``k``, ``moved`` 1.2's ``km``, ``roots`` 0.20.2's ``r``."""

    keyed: bool
    moved: bool
    roots: bool
    inserts: str


GRAMMARS = {
    "0.20": Grammar(keyed=False, moved=False, roots=False, inserts="map"),
    "1.0": Grammar(keyed=False, moved=False, roots=True, inserts="three"),
    "1.1": Grammar(keyed=True, moved=False, roots=True, inserts="four"),
    "1.2": Grammar(keyed=True, moved=True, roots=True, inserts="four"),
}


class Table:
    """The templates of one message: statics said once, then by number."""

    def __init__(self) -> None:
        self.said: dict[tuple[str, ...], int] = {}

    def number(self, statics: tuple[str, ...]) -> int:
        return self.said.setdefault(statics, len(self.said))

    def put(self, wire: Wire) -> Wire:
        table = {str(number): list(statics) for statics, number in self.said.items()}
        return {**wire, "p": table} if table else wire


class Server:
    """Remembers what it said, and says of each state only what is new."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self.root: Part | None = None
        self.components: dict[int, Part] = {}
        self._before: State | None = None
        self._touched: frozenset[int] = frozenset()

    def say(self, state: State) -> Wire:
        table = Table() if self.grammar.keyed else None
        before, self._before = self._before, state
        self._touched = _touched(before, state)
        if before is not None and before.root == state.root and not self._touched:
            # a component that changes by itself leaves the view unrendered
            said = self._components(state)
            return {"c": said} if said else {}
        wire, self.root = self._part(state.root, self.root, table, full=self.root is None)
        message: Wire = {} if wire is NOTHING else wire
        if table is not None:
            message = table.put(message)
        said = self._components(state)
        return {**message, "c": said} if said else message

    def _components(self, state: State) -> Wire:
        before, said = dict(self.components), {}
        for cid in dict.fromkeys(cids(state.root, state.components)):
            now = state.components[cid]
            known = before.get(cid)
            same = isinstance(known, Template) and known.statics == now.statics
            source = None if same else self._like(now, before, cid)
            prints = known if same else None if source is None else before.get(-source, self.components.get(source))
            wire, self.components[cid] = self._part(now, prints, None, full=not same)
            if source is not None:
                wire["s"] = source
                wire.pop("r", None)
            if wire is not NOTHING:
                said[str(cid)] = wire
        return said

    def _like(self, now: Template, before: dict[int, Part], cid: int) -> int | None:
        """Find a component of the same statics: one the client has (negative), or one of this message."""
        for each, known in before.items():
            if isinstance(known, Template) and known.statics == now.statics:
                return -each
        for each, known in self.components.items():
            if each not in before and each != cid and isinstance(known, Template) and known.statics == now.statics:
                return each
        return None

    # A part against what was said of it: the wire, and what is said now

    def _part(self, now: Part, old: Part | None, table: Table | None, *, full: bool) -> tuple[Any, Part]:
        match now:
            case Text(text):
                return (text if full or now != old else NOTHING), now
            case Component(cid):
                return (cid if full or now != old or cid in self._touched else NOTHING), now
            case Template():
                return self._template(now, old, table, full=full)
            case Stream():
                return self._stream(now, old, table, full=full)
            case Rows():
                return self._rows(now, old, table, full=full)

    def _template(self, now: Template, old: Part | None, table: Table | None, *, full: bool) -> tuple[Any, Part]:
        same = isinstance(old, Template) and old.statics == now.statics and old.root == now.root
        # another list in the place of one is another template, unless two components share it
        same = same and (full or not _is_another_list(old, now))
        before = old.parts if same and isinstance(old, Template) else None
        wire, parts = self._parts(now.parts, before, table, full=full or not same)
        if not same:
            wire["s"] = list(now.statics) if table is None else table.number(now.statics)
            if now.root and self.grammar.roots:
                wire["r"] = 1
        elif not wire:
            return NOTHING, Template(now.statics, parts, now.root)
        return wire, Template(now.statics, parts, now.root)

    def _parts(
        self, now: tuple[Part, ...], old: tuple[Part, ...] | None, table: Table | None, *, full: bool
    ) -> tuple[Wire, tuple[Part, ...]]:
        wire: Wire = {}
        said: list[Part] = []
        for index, part in enumerate(now):
            value, shown = self._part(part, old[index] if old is not None else None, table, full=full)
            said.append(shown)
            if value is not NOTHING:
                wire[str(index)] = value
        return wire, tuple(said)

    def _rows(self, now: Rows, old: Part | None, table: Table | None, *, full: bool) -> tuple[Any, Part]:
        printed = isinstance(old, Rows) and old.statics == now.statics
        if not printed and not now.entries:
            return ("" if full or old != Text("") else NOTHING), Text("")
        own = table if table is not None else Table()
        before = old if printed and isinstance(old, Rows) else None
        if self.grammar.keyed:
            rows, said = self._keyed(now, before, own, full=full or not printed)
        else:
            rows, said = self._listed(now, before, own, full=full or not printed)
        if rows is NOTHING:
            return NOTHING, said
        wire: Wire = {("k" if self.grammar.keyed else "d"): rows}
        return self._with_statics(wire, now.statics, table, own, fresh=not printed), said

    def _with_statics(
        self, wire: Wire, statics: tuple[str, ...], table: Table | None, own: Table, *, fresh: bool
    ) -> Wire:
        if fresh:
            wire["s"] = list(statics) if table is None else own.number(statics)
        return wire if table is not None else own.put(wire)

    def _keyed(self, now: Rows, old: Rows | None, table: Table, *, full: bool) -> tuple[Any, Rows]:
        places = {} if full or old is None else {key: (at, parts) for at, (key, parts) in enumerate(old.entries)}
        wire: Wire = {}
        said = []
        for index, (key, parts) in enumerate(now.entries):
            at, before = places.get(key, (index, None))
            diff, shown = self._parts(parts, before, table, full=before is None)
            said.append((key, shown))
            if before is None:
                wire[str(index)] = diff
            elif at != index:
                wire[str(index)] = [at, diff] if diff else at
                if self.grammar.moved:
                    wire["km"] = True
            elif diff:
                wire[str(index)] = diff
        if not wire and now.entries and len(now.entries) == len(places):
            return NOTHING, Rows(now.statics, tuple(said))
        return {**wire, "kc": len(now.entries)}, Rows(now.statics, tuple(said))

    def _listed(self, now: Rows, old: Rows | None, table: Table, *, full: bool) -> tuple[Any, Rows]:
        rows = [self._row(parts, table) for _, parts in now.entries]
        shown = {cid for _, parts in now.entries for part in parts for cid in _direct(part)}
        if not full and old is not None and old.entries == now.entries and not shown & self._touched:
            return NOTHING, now
        return rows, now

    def _row(self, parts: tuple[Part, ...], table: Table) -> list[Any]:
        wire, _ = self._parts(parts, None, table, full=True)
        return [wire[str(index)] for index in range(len(parts))]

    def _stream(self, now: Stream, old: Part | None, table: Table | None, *, full: bool) -> tuple[Any, Part]:
        printed = isinstance(old, Stream) and old.statics == now.statics
        quiet = not (now.inserts or now.deletes or now.reset)
        if printed and quiet and not full:
            return NOTHING, now
        own = table if table is not None else Table()
        wire: Wire = {}
        if self.grammar.keyed:
            rows = {str(at): self._parts(each.parts, None, own, full=True)[0] for at, each in enumerate(now.inserts)}
            wire["k"] = {**rows, "kc": len(now.inserts)}
        else:
            wire["d"] = [self._row(each.parts, own) for each in now.inserts]
        wire["stream"] = [now.ref, self._inserts(now), list(now.deletes), *([True] if now.reset else [])]
        return self._with_statics(wire, now.statics, table, own, fresh=not printed), now

    def _inserts(self, stream: Stream) -> Any:
        match self.grammar.inserts:
            case "map":
                return {each.dom_id: [each.at, each.limit] for each in stream.inserts}
            case "three":
                return [[each.dom_id, each.at, each.limit] for each in reversed(stream.inserts)]
            case _:
                return [[each.dom_id, each.at, each.limit, each.update_only] for each in reversed(stream.inserts)]


def _is_another_list(old: Part | None, now: Template) -> bool:
    was = old.parts[0] if isinstance(old, Template) and old.parts else None
    name = now.parts[0] if now.parts else None
    return isinstance(name, Text) and name.text.startswith("list-") and was != name


def _direct(part: Part) -> frozenset[int]:
    """The components in a part, those inside them left out."""
    match part:
        case Component(cid):
            return frozenset({cid})
        case Template(_, parts):
            return frozenset().union(*map(_direct, parts))
        case Rows(_, entries):
            return frozenset().union(*(_direct(each) for _, parts in entries for each in parts))
        case _:
            return frozenset()


def _touched(before: State | None, now: State) -> frozenset[int]:
    """
    The components that this message reaches through the ones around them.

    Those say where they are, as the server renders them anew; one that changed by itself does not.
    """
    shown = tuple(dict.fromkeys(cids(now.root, now.components)))
    if before is None:
        return frozenset(shown)
    changed = {cid for cid in shown if before.components.get(cid) != now.components[cid]}
    if before.root == now.root and len(changed) == 1:
        return frozenset()
    return frozenset(cid for cid in shown if changed.intersection(cids(Component(cid), now.components)))
