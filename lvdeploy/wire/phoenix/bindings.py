"""What a click, a change or a submit makes the page's JavaScript do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

JavaScript: TypeAlias = tuple[int, int, int]
"""The version of phoenix_live_view's JavaScript to imitate, such as ``(1, 2, 10)``."""

NEWEST: JavaScript = (1, 2, 10)

History: TypeAlias = Literal["push", "replace"]


@dataclass(frozen=True, slots=True)
class PushEvent:
    """
    An ``event`` message for the channel of ``view``; ``payload`` has its keys in the official order.

    ``lock`` is what ``Page.acknowledge`` wants back once the reply, with its diff, was applied: until
    then the browser shields the form's inputs from older diffs.
    """

    view: str
    payload: Mapping[str, object]
    lock: int | None = None


@dataclass(frozen=True, slots=True)
class PatchTo:
    """A ``live_patch`` message for the channel of ``view``; ``href`` is absolute."""

    view: str
    href: str
    kind: History


@dataclass(frozen=True, slots=True)
class NavigateTo:
    """A live navigation to the absolute ``href``: leave, and join again with ``redirect``."""

    href: str
    kind: History


@dataclass(frozen=True, slots=True)
class LoadUrl:
    """A full page load of the absolute ``url``; a form's fields travel urlencoded in ``body``."""

    url: str
    method: str = "GET"
    body: bytes = b""


Outcome: TypeAlias = PushEvent | PatchTo | NavigateTo | LoadUrl


@dataclass(frozen=True, slots=True)
class Recoveries:
    """
    What form recovery sends after a rejoin, and which forms it leaves behind.

    ``events`` are (form id, event) in document order; ``skipped`` says in words why a form of the
    snapshot cannot be recovered by this view.
    """

    events: tuple[tuple[str, PushEvent], ...]
    skipped: Mapping[str, str]
