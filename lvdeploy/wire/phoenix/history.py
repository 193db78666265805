"""The history of a tab: where Back leads, and how the page that is there gets to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

Step: TypeAlias = Literal["patch", "redirect", "load"]
"""How an address was left: within its view, by live navigation, or by a page load."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One address; ``view`` is the main view it was shown by, live_socket.ts keeps it in history.state."""

    url: str
    view: str = ""
    left_by: Step = "load"


class History:
    """The addresses behind the one that is shown, which is the last."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    @property
    def can_go_back(self) -> bool:
        return len(self._entries) > 1

    def joined(self, view: str) -> None:
        """A main view joined: it is whose page this is, where that is not known yet."""
        if self._entries and not self._entries[-1].view:
            self._entries[-1] = replace(self._entries[-1], view=view)

    def push(self, url: str, *, view: str, by: Step) -> None:
        """Show another address; ``by`` is how the one before is left."""
        if self._entries:
            self._entries[-1] = replace(self._entries[-1], left_by=by)
        self._entries.append(Entry(url, view))

    def replace(self, url: str, *, view: str) -> None:
        """Show another address in place of this one."""
        self._entries[-1:] = [Entry(url, view)]

    def loaded(self, url: str) -> None:
        """A page was loaded: the same address takes its own place, as in a browser."""
        if self._entries and self._entries[-1].url == url:
            self.replace(url, view="")
        else:
            self.push(url, view="", by="load")

    def back(self) -> Entry:
        """Go back; the caller has asked ``can_go_back``."""
        self._entries.pop()
        return self._entries[-1]
