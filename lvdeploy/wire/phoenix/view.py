"""One LiveView over its channel: joins, diffs, replies and form recovery, as view.ts does them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from lvdeploy.model import Kind
from lvdeploy.wire.phoenix import message as frames
from lvdeploy.wire.phoenix.bindings import JavaScript, PushEvent, Recoveries
from lvdeploy.wire.phoenix.channel import Channel
from lvdeploy.wire.phoenix.javascript import names_components, sends_null_flash, tells_sticky
from lvdeploy.wire.phoenix.navigation import Navigation
from lvdeploy.wire.phoenix.page import Page, ViewElement
from lvdeploy.wire.phoenix.recovery import Snapshot
from lvdeploy.wire.phoenix.rendered import Extracted, MalformedDiff, Rendered
from lvdeploy.wire.phoenix.socket import Socket
from lvdeploy.wire.session import CannotAct

PUSH_TIMEOUT = 30.0
"""Seconds a LiveView event waits for its reply; view.ts PUSH_TIMEOUT."""


class Document(Protocol):
    """What a view needs of the page it is part of: live_socket.ts, seen from a view."""

    @property
    def page(self) -> Page: ...

    @property
    def socket(self) -> Socket[View, Sent]: ...

    @property
    def javascript(self) -> JavaScript: ...

    @property
    def navigation(self) -> Navigation: ...

    def absolute(self, href: str) -> str: ...

    def element(self, known: ViewElement) -> ViewElement:
        """Return a view's container as it is on the page now."""
        ...

    def join_params(self, view: View) -> dict[str, Any]: ...

    def observe(self, kind: Kind, value: float | None = None, /, **detail: object) -> None: ...

    def patched(self, view: View, now: float) -> None:
        """Look after the children of a view whose content may have changed."""
        ...


@dataclass(slots=True)
class Sent:
    """What is remembered of an event until its answer: ``join_count`` tells whether the view rejoined since."""

    name: str
    join_count: int
    lock: int | None = None
    form: str = ""
    href: str = ""
    link_ref: int = 0
    given_up: bool = False
    cids: tuple[int, ...] = ()
    upload: object = None

    @property
    def is_users(self) -> bool:
        """Return whether a user waits for the answer; no user knows of components, nor of chunks."""
        return not self.cids and self.name not in (frames.ALLOW_UPLOAD, frames.PROGRESS, frames.CHUNK)


class View:
    """
    A view of the page.

    ``join_count`` counts successful joins. ``forms`` is the root's snapshot for recovery, shared with its
    children; ``pending_forms`` are the ones whose recovery was tried and not answered, and are not tried
    again.
    """

    __slots__ = (
        "_buffered", "_cids", "_document", "_recovering", "_rejoined_at", "_response", "channel", "children",
        "destroyed", "element", "flash", "forms", "href", "is_redirect", "join_attempts", "join_count",
        "join_pending", "parent", "pending_forms", "referer", "rendered",
    )  # fmt: skip

    def __init__(self, document: Document, element: ViewElement, *, parent: View | None = None) -> None:
        self._document = document
        self.element = element
        self.parent = parent
        self.channel = Channel(f"lv:{element.id}", owner=self, payload=self._join_payload)
        self.children: dict[str, View] = {}
        self.rendered: Rendered | None = None
        self.href = ""
        self.is_redirect = False
        self.referer: str | None = None
        self.flash: str | None = None
        # view.ts: a child of a rejoined parent counts as joined before
        self.join_count: int = parent.join_count - 1 if parent else 0
        self.join_attempts = 0
        self.join_pending = True
        self.destroyed = False
        self.forms: Snapshot = {}
        self.pending_forms: set[str] = set()
        self._buffered: list[tuple[int, dict[str, Any]]] = []
        self._cids: tuple[int, ...] = ()
        self._recovering: Recoveries | None = None
        self._rejoined_at = 0.0
        self._response: dict[str, Any] = {}

    @property
    def id(self) -> str:
        return self.element.id

    @property
    def root(self) -> View:
        return self.parent.root if self.parent else self

    @property
    def is_main(self) -> bool:
        return self.element.main

    @property
    def is_rejoining(self) -> bool:
        return self.join_count > 0

    def descendants(self) -> list[View]:
        """Return this view and all below it, children before their parents."""
        return [each for child in self.children.values() for each in child.descendants()] + [self]

    # Joining

    def joined(self, response: dict[str, Any], now: float) -> None:
        """Take in the join's reply; with forms to recover, the page changes only after the last is answered."""
        try:
            named = names_components(self._document.javascript)
            tree = frames.mapping(response.get("rendered"))
            rendered = Rendered(tree, view_id=self.id, names_components=named)
            if self.root is self:
                self.forms = self._snapshot() if self.is_rejoining else {}
            rejoined = self.is_rejoining
            self.rendered = rendered
            self.flash = None
            self.join_pending = True
            self.join_count += 1
            self.join_attempts = 0
            self._response = response
            self._rejoined_at = now
            self._recovering = self._recover(rendered, now) if rejoined else None
        except (MalformedDiff, CannotAct) as error:
            self._broken(error)
            return
        if self._recovering is None or not self._recovering.events:
            self._complete_join(now)

    def receive(self, payload: dict[str, Any], now: float) -> Extracted | None:
        """Merge a diff, or keep it until the join or the navigation under way is complete."""
        if self.join_pending or self.rendered is None or (self._document.navigation.pending and self.root.is_main):
            self._buffered.append((self.join_count, payload))
            return None
        try:
            extracted = self.rendered.merge(payload)
            self._show_title(extracted)
            if not extracted.empty:
                self._document.page.patch(self.id, self.rendered)
                self._document.patched(self, now)
                self._let_go(self.rendered.cids(), now)
        except MalformedDiff as error:
            self._broken(error)
            return None
        return extracted

    def release(self, now: float) -> None:
        """Merge what was kept; view.ts 1.2.12 drops what belongs to an earlier join."""
        kept, self._buffered = self._buffered, []
        for join_count, payload in kept:
            if join_count == self.join_count:
                self.receive(payload, now)
        for child in tuple(self.children.values()):
            child.release(now)

    # Pushing

    def push(self, event: PushEvent, now: float, *, form: str = "", upload: object = None) -> None:
        """Send an event; the caller has asked ``Socket.can_push``."""
        payload = dict(event.payload)
        name = frames.text(payload.get("event"))
        sent = Sent(name, self.join_count, lock=event.lock, form=form, upload=upload)
        self._document.socket.push(
            self.channel, frames.EVENT, payload, now=now, timeout=PUSH_TIMEOUT, context=sent
        )  # fmt: skip

    def push_patch(self, href: str, now: float, *, link_ref: int) -> None:
        """Ask for a live patch."""
        sent = Sent(frames.LIVE_PATCH, self.join_count, href=href, link_ref=link_ref)
        payload = {"url": self._document.absolute(href)}
        self._document.socket.push(
            self.channel, frames.LIVE_PATCH, payload, now=now, timeout=PUSH_TIMEOUT, context=sent
        )  # fmt: skip

    def answered(self, sent: Sent, response: dict[str, Any], now: float) -> None:
        """Take in an ok reply: its diff, and whether a form's recovery is done with it."""
        if isinstance(response.get("diff"), dict):
            self.receive(response["diff"], now)
        self._document.page.acknowledge(sent.lock)
        if sent.cids and sent.join_count == self.join_count:
            self._gone(sent, response, now)
        if not sent.form:
            return
        self.pending_forms.discard(sent.form)
        # view.ts maybeRecoverForms: only the last form's reply counts, whatever came of the others
        if self._recovering and self._recovering.events[-1][0] == sent.form and sent.join_count == self.join_count:
            self._complete_join(now)

    # Components that left the page

    def _let_go(self, cids: tuple[int, ...], now: float) -> None:
        # view.ts maybePushComponentsDestroyed: after every patch but a join's
        before, self._cids = self._cids, cids
        self._push_cids(frames.CIDS_WILL_DESTROY, tuple(cid for cid in before if cid not in cids), now)

    def _gone(self, sent: Sent, response: dict[str, Any], now: float) -> None:
        if sent.name == frames.CIDS_WILL_DESTROY:
            # what came back meanwhile stays
            self._push_cids(frames.CIDS_DESTROYED, tuple(cid for cid in sent.cids if cid not in self._cids), now)
        elif self.rendered is not None and isinstance(response.get("cids"), list):
            self.rendered.prune(cid for cid in response["cids"] if isinstance(cid, int) and cid not in self._cids)

    def _push_cids(self, event: str, cids: tuple[int, ...], now: float) -> None:
        socket = self._document.socket
        if cids and socket.can_push(self.channel):
            sent = Sent(event, self.join_count, cids=cids)
            payload = {"cids": list(cids)}
            socket.push(self.channel, event, payload, now=now, timeout=PUSH_TIMEOUT, context=sent)

    # Private

    def _join_payload(self) -> dict[str, Any]:
        document = self._document
        payload: dict[str, Any] = {}
        if self.href:
            payload["redirect" if self.is_redirect else "url"] = document.absolute(self.href)
        payload["params"] = document.join_params(self)
        if self.element.sticky:
            # every render of the main view brings the sticky view's container with fresh tokens
            self.element = document.element(self.element)
        payload["session"] = self.element.session
        payload["static"] = self.element.static or None
        if self.flash is not None or (self.is_rejoining and sends_null_flash(document.javascript)):
            payload["flash"] = self.flash
        if tells_sticky(document.javascript):
            payload["sticky"] = self.element.sticky
        self.join_attempts += 1
        return payload

    def _snapshot(self) -> Snapshot:
        return self._document.page.snapshot_forms(javascript=self._document.javascript, root=self.id)

    def _recover(self, rendered: Rendered, now: float) -> Recoveries:
        document = self._document
        recoveries = document.page.recoveries(
            self.root.forms,
            rendered,
            self.id,
            pending=frozenset(self.pending_forms),
            javascript=document.javascript,
        )
        for form, event in recoveries.events:
            self.pending_forms.add(form)
            self.push(event, now, form=form)
        return recoveries

    def _complete_join(self, now: float) -> None:
        document, recovering = self._document, self._recovering
        rendered = self.rendered
        if rendered is None:
            raise AssertionError("a join is completed after its reply")
        self._recovering = None
        try:
            document.page.patch(self.id, rendered, join=True)
            self._show_title(rendered.joined)
            self.join_pending = False
            self._cids = rendered.cids()
            document.patched(self, now)
        except MalformedDiff as error:
            self._broken(error)
            return
        self.release(now)
        live_patch = frames.mapping(self._response.get("live_patch"))
        self._response = {}
        if live_patch:
            document.navigation.joined_elsewhere(live_patch)
        if recovering is not None and (self.root is self or recovering.events or recovering.skipped):
            forms = [form for form, _ in recovering.events]
            took = now - self._rejoined_at
            document.observe(Kind.RECOVERED, took, forms=forms, skipped=dict(recovering.skipped))

    def _show_title(self, extracted: Extracted) -> None:
        if extracted.title is not None:
            self._document.page.set_title(extracted.title)

    def _broken(self, error: MalformedDiff | CannotAct) -> None:
        # the official client throws here and the view stays as it is
        self._document.observe(Kind.CRASHED, topic=self.channel.topic, reason=f"malformed: {error}", rejoin_in=None)
