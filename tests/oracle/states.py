"""What a LiveView's template may hold at one moment, and random states that follow one another."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

WORDS = ("a", "b&amp;c", "x y", "", "<i>t</i>", "é", "0", " ", "<u>1</u><u>2</u>", "&lt;")
PLAIN = ("a", "b&amp;c", "x y", "", "é", "0", "'", "&gt;")
ATTRIBUTE = '="'


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Template:
    """A template with what stands between its statics; ``root`` if it is one static root tag."""

    statics: tuple[str, ...]
    parts: tuple[Part, ...]
    root: bool = False


@dataclass(frozen=True)
class Rows:
    """A comprehension: (key, parts) in order."""

    statics: tuple[str, ...]
    entries: tuple[tuple[int, tuple[Part, ...]], ...]


@dataclass(frozen=True)
class Insert:
    dom_id: str
    at: int
    limit: int | None
    update_only: bool
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Stream:
    """A stream with what is to be said of it once; ``items`` says which ids it was ever given."""

    ref: str
    statics: tuple[str, ...]
    inserts: tuple[Insert, ...] = ()
    deletes: tuple[str, ...] = ()
    reset: bool = False
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Component:
    cid: int


Part: TypeAlias = Text | Template | Rows | Stream | Component


@dataclass(frozen=True)
class State:
    root: Template
    components: dict[int, Template] = field(default_factory=dict)


def cids(part: Part, components: dict[int, Template]) -> Iterator[int]:
    """The components a part shows, outer ones first."""
    match part:
        case Template(_, parts):
            for each in parts:
                yield from cids(each, components)
        case Rows(_, entries):
            for _, parts in entries:
                for each in parts:
                    yield from cids(each, components)
        case Component(cid):
            yield cid
            yield from cids(components[cid], components)
        case _:
            pass


class Chance:
    """
    Draws states; every one follows from the one before, as a user's page does.

    ``old`` leaves out what LiveView 0.20.1's JavaScript does otherwise than all later ones: it takes away what stands
    before a component's root, keeps the old root beside a new one, and has rules of its own for a stream's limits,
    resets and rows at an index.
    """

    def __init__(self, seed: object, *, old: bool = False) -> None:
        self.rng = random.Random(str(seed))
        # a component that changes by itself leaves what stands before its root as it is, so all have the same there
        self.old = old
        self.lead = self.rng.choice(("", "", "\n  ", "<!-- <X.y> -->\n")) if not old else ""
        self.components: dict[int, Template] = {}
        self._cids = 0
        self._keys = 0
        self._streams = 0

    def states(self, steps: int) -> list[State]:
        root = self.template(3, root=self.rng.random() < 0.5)
        found = [State(root, dict(self.components))]
        for _ in range(steps):
            found.append(self.after(found[-1]))
        return found

    def after(self, state: State) -> State:
        # what a stream said it said once
        self.components = {cid: _spoken(each) for cid, each in state.components.items()}
        root = _spoken(state.root)
        for cid in tuple(dict.fromkeys(cids(root, self.components))):
            if self.rng.random() < 0.4:
                self.components[cid] = self._changed_template(self.components[cid], 1, 0.4)
        if self.rng.random() < 0.7:
            root = self._changed_template(root, 3, 0.35)
        return State(root, dict(self.components))

    # Making

    def template(self, depth: int, *, root: bool, streams: bool = True) -> Template:
        shape = self._shape(root=root)
        return Template(shape, self._parts(shape, depth, streams=streams), root)

    def part(self, depth: int, *, streams: bool = True) -> Part:
        draw = self.rng.random()
        if depth <= 0 or draw < 0.35:
            return Text(self.rng.choice(WORDS))
        if draw < 0.6:
            return self.template(depth - 1, root=self.rng.random() < 0.6, streams=streams)
        if draw < 0.8:
            statics = self._shape(root=self.rng.random() < 0.7)
            many = self.rng.choice((0, 1, 2, 3, 4))
            return Rows(statics, tuple(self._entry(statics, depth - 1) for _ in range(many)))
        if draw < 0.9 or not streams:
            return self._component(depth - 1)
        return self._stream_in_its_list(depth)

    def _parts(self, statics: tuple[str, ...], depth: int, *, streams: bool = True) -> tuple[Part, ...]:
        return tuple(
            Text(self.rng.choice(PLAIN)) if each.endswith(ATTRIBUTE) else self.part(depth, streams=streams)
            for each in statics[:-1]
        )

    def _entry(self, statics: tuple[str, ...], depth: int) -> tuple[int, tuple[Part, ...]]:
        self._keys += 1
        return self._keys, self._parts(statics, depth, streams=False)

    def _component(self, depth: int) -> Component:
        self._cids += 1
        cid = self._cids
        known = list(self.components.values())
        if known and self.rng.random() < 0.6:
            like = self.rng.choice(known)
            made = Template(like.statics, tuple(self._alike(each, depth) for each in like.parts), root=True)
        else:
            made = self.template(depth, root=True)
        self.components[cid] = made
        return Component(cid)

    def _alike(self, part: Part, depth: int) -> Part:
        """Another part of the same shape, as two components of one module have."""
        match part:
            case Template(statics, parts, root):
                return Template(statics, tuple(self._alike(each, depth - 1) for each in parts), root)
            case Rows(statics, entries) if depth >= 0:
                return Rows(statics, tuple(self._entry(statics, depth - 1) for _ in entries))
            case Stream():
                return self._stream()
            case Component():
                return self._component(depth - 1) if depth > 0 else Text("c")
            case Text(text) if text.startswith("list-"):
                self._streams += 1
                return Text(f"list-{self._streams}")
            case _:
                return Text(self.rng.choice(PLAIN))

    def _stream_in_its_list(self, depth: int) -> Template:
        self._streams += 1
        statics = ('<ul id="', '" phx-update="stream">', "</ul>")
        return Template(statics, (Text(f"list-{self._streams}"), self._stream()), root=True)

    def _stream(self) -> Stream:
        self._streams += 1
        statics = self.rng.choice((('<li id="', '">', "</li>"), ('\n<li class="i" id="', '"><b>', "</b></li>\n")))
        return self._said(Stream(str(self._streams), statics), fresh=True)

    def _said(self, stream: Stream, *, fresh: bool = False) -> Stream:
        rng = self.rng
        # phoenix_live_view dom_patch.ts never ends where rows of a stream shown for the first time have an index
        places = (-1, -1, 0) if fresh or self.old else (-1, -1, 0, 1, 2)
        reset = not self.old and rng.random() < 0.15
        items = () if reset else stream.items
        deletes = tuple(each for each in items if rng.random() < 0.2)
        inserts = []
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            again = [each for each in stream.items if each not in deletes]
            self._keys += 1
            dom_id = rng.choice(again) if again and rng.random() < 0.3 else f"item-{stream.ref}-{self._keys}"
            if dom_id not in {each.dom_id for each in inserts}:
                limit = None if self.old else rng.choice((None, None, None, 3, -3))
                part = self.part(1, streams=False)
                parts = (Text(dom_id), part if not isinstance(part, Component) else Text("c"))
                at = -1 if self.old and dom_id in stream.items else rng.choice(places)
                inserts.append(Insert(dom_id, at, limit, not fresh and rng.random() < 0.1, parts))
        known = dict.fromkeys((*items, *(each.dom_id for each in inserts)))
        return replace(stream, inserts=tuple(inserts), deletes=deletes, reset=reset, items=tuple(known))

    def _shape(self, *, root: bool) -> tuple[str, ...]:
        tag = self.rng.choice(("div", "span", "section", "em"))
        inner = [self.rng.choice(("", " ", "|", "<hr>", "<b>!</b>")) for _ in range(self.rng.choice((0, 1, 2, 3)))]
        if not root:
            return (*self.rng.choice((("",), ("t ",), ("<b>1</b>", "<b>2</b>"))), *inner, "")
        if self.rng.random() < 0.3:
            return (f"{self.lead}<{tag} title{ATTRIBUTE}", '">', *inner, f"</{tag}>")
        return (f'{self.lead}<{tag} class="k">', *inner, f"</{tag}>")

    # Changing

    def changed(self, part: Part, depth: int, odds: float, *, streams: bool = True) -> Part:
        rng = self.rng
        if rng.random() < 0.08:
            return self.part(depth, streams=streams)
        match part:
            case Template():
                return self._changed_template(part, depth, odds, streams=streams)
            case Rows(statics, entries):
                return Rows(statics, self._changed_entries(statics, entries, depth, odds))
            case Stream():
                return self._said(part) if rng.random() < 0.6 else part
            case Text() if rng.random() < odds:
                return Text(rng.choice(WORDS)) if rng.random() < 0.8 else self.part(depth, streams=streams)
            case _:
                return part

    def _changed_template(self, template: Template, depth: int, odds: float, *, streams: bool = True) -> Template:
        if depth < 3 and not self.old and self.rng.random() < 0.03:
            return self.template(depth, root=template.root, streams=streams)
        parts = []
        for before, part in zip(template.statics[:-1], template.parts, strict=True):
            if before.endswith(ATTRIBUTE):
                listed = isinstance(part, Text) and part.text.startswith("list-")
                keep = listed or self.rng.random() > odds
                parts.append(part if keep else Text(self.rng.choice(PLAIN)))
            elif isinstance(part, Stream):
                parts.append(self._said(part) if self.rng.random() < 0.6 else part)
            else:
                parts.append(self.changed(part, depth - 1, odds, streams=streams))
        return replace(template, parts=tuple(parts))

    def _changed_entries(
        self, statics: tuple[str, ...], entries: tuple[tuple[int, tuple[Part, ...]], ...], depth: int, odds: float
    ) -> tuple[tuple[int, tuple[Part, ...]], ...]:
        rng = self.rng
        kept = [each for each in entries if rng.random() > 0.2]
        if rng.random() < 0.5:
            rng.shuffle(kept)
        for index, (key, parts) in enumerate(kept):
            if rng.random() < odds:
                kept[index] = (key, self._changed_row(statics, parts, depth))
        while rng.random() < 0.4:
            kept.insert(rng.randint(0, len(kept)), self._entry(statics, depth - 1))
        return tuple(kept)

    def _changed_row(self, statics: tuple[str, ...], parts: tuple[Part, ...], depth: int) -> tuple[Part, ...]:
        return tuple(
            Text(self.rng.choice(PLAIN))
            if before.endswith(ATTRIBUTE)
            else self.changed(part, depth - 1, 0.5, streams=False)
            for before, part in zip(statics[:-1], parts, strict=True)
        )


def _spoken(part: Template) -> Template:
    """The same with every stream's news taken for said."""
    return replace(part, parts=tuple(_spoken_part(each) for each in part.parts))


def _spoken_part(part: Part) -> Part:
    match part:
        case Template():
            return _spoken(part)
        case Rows(statics, entries):
            return Rows(statics, tuple((key, tuple(map(_spoken_part, parts))) for key, parts in entries))
        case Stream():
            return replace(part, inserts=(), deletes=(), reset=False)
        case _:
            return part
