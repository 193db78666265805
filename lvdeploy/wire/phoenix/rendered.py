"""A view's rendered tree: joins and diffs merged into it, HTML built when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lvdeploy.wire.phoenix.merge import Merge
from lvdeploy.wire.phoenix.tree import MalformedDiff, Path, Tree, Writer, standing

__all__ = ["Changes", "Extracted", "MalformedDiff", "Rendered"]


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a diff carries beside the tree; ``empty`` when it carries no tree at all."""

    title: str | None
    events: tuple[tuple[str, object], ...]
    reply: object | None
    empty: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """Which root nodes were merged into; ``components_only`` if nothing outside components was."""

    roots: frozenset[Path]
    components_only: bool


_NOTHING = Changes(frozenset(), components_only=True)


class Rendered:
    """
    The tree of one joined view, streams included.

    ``joined`` is what the join's ``rendered`` carried beside the tree. Every method raises
    ``MalformedDiff`` for what cannot be read, and nothing else; after that the tree is as before.
    ``names_components`` if a component's root without an id is given one, as LiveView's JavaScript did up to 0.20.1.
    """

    __slots__ = ("_changes", "_components", "_html", "_names_components", "_tree", "joined", "view_id")

    def __init__(
        self, rendered: Mapping[str, object], *, view_id: str = "", names_components: bool = False
    ) -> None:
        self.view_id = view_id
        self._names_components = names_components
        self._tree = Tree(("",), ())
        self._components: dict[int, Tree] = {}
        self._html: str | None = None
        self._changes = _NOTHING
        if not isinstance(rendered, Mapping) or "s" not in rendered:
            raise MalformedDiff("a join's rendered tree has no statics")
        # a join's own r is the root flag, never a reply
        self.joined = replace(self.merge(rendered), reply=None)
        self._changes = _NOTHING

    def merge(self, diff: Mapping[str, object]) -> Extracted:
        """Merge a diff; the mapping is neither kept nor changed."""
        if not isinstance(diff, Mapping):
            raise MalformedDiff(f"a diff is {diff!r:.80}")
        extracted, tree = _extract(diff)
        if not extracted.empty:
            self._merge(tree)
            self._html = None
        return extracted

    def html(self) -> str:
        """Return the whole HTML of the view's body, stream rows included; kept until the next merge."""
        if self._html is None:
            writer = Writer(self._component, self.view_id, self._names_components)
            try:
                writer.node(self._tree, ())
            except RecursionError as problem:
                raise MalformedDiff("the tree is nested too deeply") from problem
            self._html = writer.text()
        return self._html

    def cids(self) -> tuple[int, ...]:
        """Return the components in the HTML, inner ones before those around them."""
        return tuple(standing(self._tree, self._component)) if self._components else ()

    def prune(self, cids: Iterable[int]) -> None:
        """Forget components that the server has destroyed."""
        for cid in cids:
            self._components.pop(cid, None)

    def take_changes(self) -> Changes:
        """Return what changed since this was last asked, or since the join."""
        changes, self._changes = self._changes, _NOTHING
        return changes

    def _merge(self, diff: Mapping[str, object]) -> None:
        new = diff.get("c", {})
        if not isinstance(new, dict):
            raise MalformedDiff("c is no table of components")
        rest = {key: value for key, value in diff.items() if key != "c"}
        known = {} if "s" in rest else self._components
        merge = Merge(new, known)
        try:
            tree = merge.tree(self._tree, rest, None, ()) if rest else self._tree
            components = {cid: merge.component(cid) for cid in map(_cid, new)}
        except RecursionError as problem:
            raise MalformedDiff("the diff is nested too deeply") from problem
        self._tree, self._components = tree, {**known, **components}
        touched = frozenset({*merge.changed, *((f"c{cid}",) for cid in components)})
        earlier = self._changes
        self._changes = Changes(earlier.roots | touched, components_only=earlier.components_only and not rest)

    def _component(self, cid: int) -> Tree:
        component = self._components.get(cid)
        if component is None:
            raise MalformedDiff(f"there is no component {cid}")
        return component


def _extract(diff: Mapping[str, object]) -> tuple[Extracted, dict[str, object]]:
    # rendered.js extract: at the top level r is a reply, so the view's own root flag is lost, as it is there
    tree = {key: value for key, value in diff.items() if key not in ("r", "e", "t")}
    title, events = diff.get("t"), diff.get("e") or []
    if title is not None and not isinstance(title, str):
        raise MalformedDiff("t is no text")
    if not isinstance(events, list):
        raise MalformedDiff("e is no list of events")
    return Extracted(title, tuple(_event(each) for each in events), diff.get("r"), not tree), tree


def _event(raw: object) -> tuple[str, object]:
    # a third element, from LiveView 1.1.18 on, only says when to dispatch it
    if not isinstance(raw, list) or len(raw) < 2 or not isinstance(raw[0], str):
        raise MalformedDiff(f"an event is {raw!r:.80}")
    return raw[0], raw[1]


def _cid(key: object) -> int:
    try:
        return int(str(key))
    except ValueError:
        raise MalformedDiff(f"a component's id is {key!r:.80}") from None
