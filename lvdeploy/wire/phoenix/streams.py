"""What a stream's inserts, deletes and resets do to the rows already on the page."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lvdeploy.wire.phoenix.tree import MalformedDiff, Part, Row, Rows, Tree


@dataclass(frozen=True, slots=True)
class Insert:
    """Where a row goes: ``at`` 0 is first, -1 last; ``limit`` keeps the first n, or the last -n."""

    at: int
    limit: int | None
    update_only: bool


@dataclass(frozen=True, slots=True)
class StreamChange:
    """The ``stream`` of one message."""

    inserts: dict[str, Insert]
    deletes: tuple[str, ...]
    reset: bool


def read(raw: object) -> StreamChange:
    """Read a ``stream`` value of any LiveView from 0.18 on. Raises ``MalformedDiff``."""
    if not isinstance(raw, list) or len(raw) < 2:
        raise MalformedDiff(f"stream is {raw!r:.80}")
    if isinstance(raw[0], dict):
        # 0.18: [{dom_id: at}, delete_ids], no ref and no reset
        inserts, deletes, reset = _listed(raw[0]), raw[1], False
    elif len(raw) < 3:
        raise MalformedDiff(f"stream is {raw!r:.80}")
    else:
        inserts, deletes, reset = _listed(raw[1]), raw[2], len(raw) > 3
    if not isinstance(deletes, list):
        raise MalformedDiff("a stream's deletes are no list")
    read_inserts = dict(_insert(each) for each in inserts)
    return StreamChange(read_inserts, tuple(str(each) for each in deletes), reset)


def apply(
    items: tuple[tuple[str, Row], ...], change: StreamChange, rows: list[tuple[str, Row]]
) -> tuple[tuple[str, Row], ...]:
    """Return the items after ``change`` brought ``rows`` (DOM id, row), in the order they were rendered."""
    # phoenix_live_view dom_patch.ts: reset and deletes first; what comes back in the same patch may be update-only
    known = {key for key, _ in items}
    gone = known if change.reset else set(change.deletes)
    now = [item for item in items if item[0] not in gone]
    shown = {key for key, _ in now}
    for key, row in rows:
        insert = change.inserts.get(key, _APPEND)
        index = next((index for index, item in enumerate(now) if item[0] == key), None)
        if index is not None:
            now[index] = (key, row)
        elif key not in shown and (not insert.update_only or key in known):
            # morphdom looks a row up that the page showed, even where an earlier row's limit took it away meanwhile
            now.insert(len(now) if insert.at < 0 else insert.at, (key, row))
            now = _limited(now, insert.limit)
    return tuple(now)


def emptied(tree: Tree) -> Tree:
    """Return a component's tree for another that shares its statics: rows of streams belong to one element."""
    return replace(tree, parts=tuple(_emptied(part) for part in tree.parts))


def _emptied(part: Part) -> Part:
    if isinstance(part, Tree):
        return emptied(part)
    if isinstance(part, Rows):
        if part.items is not None:
            return replace(part, items=())
        return replace(part, rows=tuple(tuple(_emptied(each) for each in row) for row in part.rows))
    return part


_APPEND = Insert(-1, None, update_only=False)


def _listed(raw: object) -> list[object]:
    if isinstance(raw, dict):
        # 0.19.0 to 0.20.3: {dom_id: [at, limit]}
        return [[key, *value] if isinstance(value, list) else [key, value] for key, value in raw.items()]
    if not isinstance(raw, list):
        raise MalformedDiff("a stream's inserts are no list")
    return raw


def _insert(raw: object) -> tuple[str, Insert]:
    if not isinstance(raw, list) or len(raw) < 2 or not isinstance(raw[0], str) or not isinstance(raw[1], int):
        raise MalformedDiff(f"a stream's insert is {raw!r:.80}")
    limit = raw[2] if len(raw) > 2 else None
    if limit is not None and not isinstance(limit, int):
        raise MalformedDiff(f"a stream's limit is {limit!r:.80}")
    return raw[0], Insert(raw[1], limit, update_only=len(raw) > 3 and bool(raw[3]))


def _limited(items: list[tuple[str, Row]], limit: int | None) -> list[tuple[str, Row]]:
    if limit is None:
        return items
    return items[limit:] if limit < 0 else items[:limit]
