"""Where a page goes: live patches, live navigation and redirects, as live_socket.ts and view.ts do them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from lvdeploy.wire.phoenix import message as frames
from lvdeploy.wire.phoenix.bindings import History as Place
from lvdeploy.wire.phoenix.bindings import JavaScript
from lvdeploy.wire.phoenix.endpoint import Endpoint
from lvdeploy.wire.phoenix.history import Entry, History, Step
from lvdeploy.wire.phoenix.transport import Fallback
from lvdeploy.wire.session import Effect, Fetch, Headers

if TYPE_CHECKING:
    from lvdeploy.wire.phoenix.live_socket import LiveSocket
    from lvdeploy.wire.phoenix.view import Sent, View

FLASH_COOKIE = "__phoenix_flash__"


class Tab(Protocol):
    """The browser tab around a page: what outlives a page load, and what starts one."""

    @property
    def now(self) -> float: ...

    @property
    def effects(self) -> list[Effect]: ...

    @property
    def endpoint(self) -> Endpoint: ...

    @property
    def fallback(self) -> Fallback | None: ...

    @property
    def history(self) -> History: ...

    @property
    def is_hidden(self) -> bool: ...

    location: str

    def upgrade_headers(self) -> Headers: ...

    def request(self, method: str, url: str, *, headers: Headers, body: bytes) -> Fetch:
        """Return a request of the page's script."""
        ...

    def navigate(self, url: str, reason: str, *, method: str = "GET", body: bytes = b"") -> None:
        """Leave the page and load another."""
        ...

    def reload_later(self, url: str, reason: str, *, javascript: JavaScript) -> None:
        """Load a page after the jitter, and count it in the path's local storage."""
        ...

    def joined(self) -> None:
        """Forget the consecutive reloads: a join succeeded."""
        ...

    def set_cookie(self, name: str, value: str) -> None:
        """Set a short-lived cookie for the next page load."""
        ...


class Navigation:
    """
    The address of a page and where it is about to go.

    ``pending`` is the link a live navigation or patch under way leads to; only the last one begun commits.
    """

    __slots__ = ("_live", "_place", "_ref", "_tab", "pending")

    def __init__(self, live: LiveSocket, tab: Tab) -> None:
        self._live = live
        self._tab = tab
        self._ref = 0
        self._place: Place | None = None
        self.pending: str | None = None

    def navigate(self, href: str, *, flash: str | None, place: Place = "push") -> None:
        """Go there without a page load where that can be done."""
        # live_socket.ts historyRedirect
        if not self._live.socket.is_connected or self._live.main is None or not self._tab.endpoint.is_ours(href):
            self.set_flash(flash)
            self._tab.navigate(href, "link")
        else:
            self.replace_main(href, flash=flash, place=place)

    def patch(self, href: str, place: Place = "push") -> None:
        """Ask the view for another address of its own."""
        main = self._live.main
        if self.pending == href:
            return
        if main is None or not self._live.socket.is_connected:
            self._tab.navigate(href, "link")
        elif not self._live.socket.can_push(main.channel):
            self._tab.navigate(self._tab.location, "failed_patch")
        else:
            self._push_patch(main, href, place)

    def back(self, to: Entry) -> None:
        """Go where the back button led: its address is shown already."""
        # live_socket.ts popstate
        self._live.page.url = self._tab.location = to.url
        main = self._live.main
        known = main is not None and to.left_by == "patch" and to.view == main.id
        if main is not None and known and self._live.socket.can_push(main.channel):
            self._push_patch(main, to.url, None)
        else:
            self.replace_main(to.url, flash=None, place=None)

    def patch_answered(self, view: View, sent: Sent, response: dict[str, Any]) -> None:
        """Take in the ok reply to a patch: done, or the address is another view's."""
        if response.get("link_redirect"):
            if self._ref == sent.link_ref:
                self.replace_main(sent.href, flash=None, place=self._place)
            return
        if frames.REDIRECT in response or self._ref != sent.link_ref:
            return
        view.href = sent.href
        self._went(sent.href, by="patch", place=self._place)
        self._release()

    def server_patched(self, view: View, to: Mapping[str, Any]) -> None:
        """Take in the server's push_patch: the address changes, nothing is sent."""
        href = frames.text(to.get("to"))
        view.href = self._live.absolute(href)
        self._went(href, by="patch", place=_place(to))
        self._release()

    def redirect(self, to: Mapping[str, Any], reason: str) -> None:
        """Load the page a server's redirect names."""
        self.set_flash(to.get("flash"))
        self._tab.navigate(self._live.absolute(frames.text(to.get("to"))), reason)

    def live_redirect(self, to: Mapping[str, Any]) -> None:
        """Go where a server's push_navigate names."""
        flash = to.get("flash")
        known = flash if isinstance(flash, str) else None
        self.navigate(self._live.absolute(frames.text(to.get("to"))), flash=known, place=_place(to))

    def replace_main(self, href: str, *, flash: str | None, place: Place | None) -> None:
        """Leave the main view and join another in its element, on its topic and with its tokens."""
        old = self._live.main
        if old is None:
            return
        self._ref += 1
        self.pending, self._place = href, place
        self._live.destroy(old)
        self._live.page.forget(old.id)
        view = self._live.new_root(old.element)
        view.is_redirect, view.href, view.referer, view.flash = True, href, self._tab.location, flash
        self._live.socket.join(view.channel, self._tab.now)

    def joined(self, href: str) -> None:
        """Take in that the view of a live navigation is joined."""
        self._went(href, by="redirect", place=self._place)

    def joined_elsewhere(self, to: Mapping[str, Any]) -> None:
        """Take in the patch that a join's reply carries."""
        self._went(frames.text(to.get("to")), by="patch", place=_place(to))

    def set_flash(self, flash: object) -> None:
        """Leave a flash for the next page load, if there is one."""
        if isinstance(flash, str) and flash:
            self._tab.set_cookie(FLASH_COOKIE, flash)

    def _push_patch(self, main: View, href: str, place: Place | None) -> None:
        self._ref += 1
        self.pending, self._place = href, place
        main.push_patch(href, self._tab.now, link_ref=self._ref)

    def _went(self, href: str, *, by: Step, place: Place | None) -> None:
        # history.pushState or replaceState; None where the back button showed it already
        self._ref += 1
        self.pending = None
        url = self._live.absolute(href)
        if url == self._tab.location:
            return
        self._live.page.url = self._tab.location = url
        view = self._live.main.id if self._live.main is not None else ""
        if place == "push":
            self._tab.history.push(url, view=view, by=by)
        else:
            self._tab.history.replace(url, view=view)

    def _release(self) -> None:
        if self._live.main is not None and not self._live.main.join_pending:
            self._live.main.release(self._tab.now)


def _place(to: Mapping[str, Any]) -> Place:
    return "replace" if to.get("kind") == "replace" else "push"
