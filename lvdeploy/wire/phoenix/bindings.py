"""What a click, a change or a submit makes the page's JavaScript do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

JavaScript: TypeAlias = tuple[int, int, int]
"""The version of phoenix_live_view's JavaScript to imitate, such as ``(1, 2, 10)``."""

NEWEST: Final[JavaScript] = (1, 2, 10)

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


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a binding: a plain event name is a ``push`` of that event."""

    kind: str
    arguments: Mapping[str, object]

    def text(self, name: str) -> str | None:
        value = self.arguments.get(name)
        return value if isinstance(value, str) else None


def commands(binding: str) -> Iterator[Command]:
    """Read a phx-* attribute: an event's name or the JSON of JS commands; what is no command is passed over."""
    if not binding.startswith("["):
        yield Command("push", {"event": binding})
        return
    try:
        read = json.loads(binding)
    except (ValueError, RecursionError):
        return
    for each in read:
        if isinstance(each, list) and len(each) == 2 and isinstance(each[0], str) and isinstance(each[1], dict):
            yield Command(each[0], each[1])


def event_payload(
    kind: str, event: str, value: object, *, cid: int | None = None, **more: object
) -> Mapping[str, object]:
    """Return an event's payload with its keys in the official order; ``cid`` is last, and only if there is one."""
    payload: dict[str, object] = {"type": kind, "event": event, "value": value, **more}
    if cid is not None:
        payload["cid"] = cid
    return payload
