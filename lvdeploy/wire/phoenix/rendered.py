"""A view's rendered tree: joins and diffs merged into it, HTML built when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class MalformedDiff(ValueError):
    """The server sent a tree that no LiveView client can read."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a diff carries beside the tree; ``empty`` when it carries no tree at all."""

    title: str | None
    events: tuple[tuple[str, object], ...]
    reply: object | None
    empty: bool


class Rendered:
    """
    The tree of one joined view, streams included.

    ``joined`` is what the join's ``rendered`` carried beside the tree. Every method raises
    ``MalformedDiff`` for what cannot be read, and nothing else; after that the tree is as before.
    """

    joined: Extracted

    def __init__(self, rendered: Mapping[str, object], *, view_id: str = "") -> None: ...

    def merge(self, diff: Mapping[str, object]) -> Extracted: ...

    def html(self) -> str:
        """Return the whole HTML of the view's body, stream rows included; kept until the next merge."""
        raise NotImplementedError
