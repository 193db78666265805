"""The page's JavaScript: its views over one socket, navigation and errors, as live_socket.ts and view.ts do them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lvdeploy.model import Kind
from lvdeploy.wire.phoenix import message as frames
from lvdeploy.wire.phoenix.bindings import NEWEST, JavaScript, LoadUrl, NavigateTo, Outcome, PatchTo, PushEvent
from lvdeploy.wire.phoenix.channel import Answered, Closed, Errored, Happening, Joined, JoinFailed, Pushed
from lvdeploy.wire.phoenix.endpoint import Param
from lvdeploy.wire.phoenix.javascript import counts_attempts, sets_reload_status, version_of
from lvdeploy.wire.phoenix.long_poll import LongPoll
from lvdeploy.wire.phoenix.navigation import Navigation, Tab
from lvdeploy.wire.phoenix.page import Page, ViewElement
from lvdeploy.wire.phoenix.rendered import MalformedDiff
from lvdeploy.wire.phoenix.socket import TIMEOUT, Link, Socket
from lvdeploy.wire.phoenix.uploads import Uploads
from lvdeploy.wire.phoenix.view import Sent, View
from lvdeploy.wire.session import CannotAct, Dial, File, Observe

MAX_CHILD_JOIN_ATTEMPTS = 3

RELOAD_STATUS_COOKIE = "__phoenix_reload_status__"

SESSION_ATTRIBUTE = "data-phx-session"


class LiveSocket:
    """
    One loaded page's views and their socket; gone with the page.

    ``pending_link`` is where a live navigation or patch under way leads. ``javascript`` of ``None`` is found out
    by the first join.
    """

    __slots__ = (
        "_javascript", "_mentions_views", "_page", "_params", "_roots", "_socket", "_tab",
        "_unloaded", "_uploads", "main", "navigation",
    )  # fmt: skip

    def __init__(self, tab: Tab, page: Page, *, javascript: JavaScript | None, params: Mapping[str, str]) -> None:
        self._tab = tab
        self._page = page
        self._javascript = javascript
        token = page.csrf_token
        self._params: dict[str, Param] = {**({} if token is None else {"_csrf_token": token}), **params}
        self._socket: Socket[View, Sent] = Socket(
            out=tab.effects, dial=self._dial, poll=self._long_poll, fallback=tab.fallback
        )
        self._roots: dict[str, View] = {}
        self.main: View | None = None
        self._unloaded = False
        self._mentions_views = False
        self.navigation = Navigation(self, tab)
        self._uploads = Uploads(self, tab)

    @property
    def page(self) -> Page:
        return self._page

    @property
    def socket(self) -> Socket[View, Sent]:
        return self._socket

    @property
    def javascript(self) -> JavaScript:
        return self._javascript or NEWEST

    @property
    def has_views(self) -> bool:
        return bool(self._roots)

    @property
    def is_settled(self) -> bool:
        """Return whether every view is joined and nothing is unanswered."""
        views = self._views()
        answered = all(push.context.given_up for push in self._socket.pushes())
        joined = all(view.channel.is_joined and not view.join_pending for view in views)
        return answered and joined and not self.navigation.pending and not self._uploads.is_busy

    def connect(self) -> None:
        """Join the main and the sticky views."""
        self._join_roots(self._page.views)
        if self._roots:
            self._socket.connect(self._tab.now)

    def unload(self) -> None:
        """Leave every view, the body's own "dead" view at last, and close the socket; live_socket.ts unload."""
        if self._unloaded:
            return
        self._unloaded = True
        for view in tuple(self._roots.values()):
            self.destroy(view)
        if self._roots and self._socket.is_connected:
            self._socket.leave_unjoined("lv:")
        self._roots, self.main, self.navigation.pending = {}, None, None
        self._socket.disconnect()

    def hide(self) -> None:
        """Close the socket and leave nothing: the page is left by the address bar, or its tab is closed."""
        # phoenix socket.js: pagehide disconnects; no view leaves
        self._unloaded = True
        self._socket.disconnect()
        self._socket.channels.clear()
        self._roots, self.main, self.navigation.pending = {}, None, None

    def shown(self) -> None:
        """Take in that the user looks at the page again."""
        self._socket.shown(self._tab.now)

    def opened(self) -> None:
        """Take in the open connection."""
        self._socket.opened(self._tab.now)

    def lost(self, code: int) -> None:
        """Take in the end of the connection; a normal closure means a page load, not a reconnect."""
        self._happen(self._socket.lost(self._tab.now))
        if code == 1000 and self.main is not None:
            self._reload_with_jitter("code 1000")

    def refused(self) -> None:
        """Take in that the connection did not open."""
        self._happen(self._socket.refused(self._tab.now))

    def received(self, frame: str | bytes) -> None:
        """Take in a frame; what is none is dropped."""
        if self._socket.link is not Link.OPEN:
            return
        message = frames.decode(frame) if isinstance(frame, str) else frames.decode_binary(frame)
        if message is not None:
            self._mentions_views = self._mentions_views or (isinstance(frame, str) and SESSION_ATTRIBUTE in frame)
            self._happen(self._socket.received(message, self._tab.now))

    def woken(self) -> None:
        """Do what is due."""
        self._happen(self._socket.woken(self._tab.now, hidden=self._tab.is_hidden))

    # Document: what views ask of their page

    def absolute(self, href: str) -> str:
        return self._tab.endpoint.resolve(href, base=self._tab.location)

    def element(self, known: ViewElement) -> ViewElement:
        try:
            return next((each for each in self._page.views if each.id == known.id), known)
        except MalformedDiff:
            return known

    def join_params(self, view: View) -> dict[str, Any]:
        # the app hands LiveSocket an object literal, which view.ts connectParams then changes: the next socket
        # URL shows what the last join said
        statics = self._page.tracked_statics
        if statics:
            self._params["_track_static"] = list(statics)
        self._params["_mounts"] = view.join_count
        if counts_attempts(self.javascript):
            self._params["_mount_attempts"] = view.join_attempts
        else:
            self._params.pop("_mount_attempts", None)
        self._params["_live_referer"] = view.referer
        return {name: value for name, value in self._params.items() if value is not None}

    def observe(self, kind: Kind, value: float | None = None, /, **detail: object) -> None:
        self._tab.effects.append(Observe(kind, value, detail))

    def patched(self, view: View, now: float) -> None:
        # to look costs a parse of the page; without a view's container in the frame there is nothing new to see
        if not (view.children or self._mentions_views):
            return
        self._mentions_views = False
        seen = self._page.views
        self._join_roots(seen)
        elements = {each.id: each for each in seen if each.parent == view.id}
        for name in [name for name in view.children if name not in elements]:
            self.destroy(view.children.pop(name))
        for name, element in elements.items():
            if name not in view.children and element.session:
                child = view.children[name] = View(self, element, parent=view)
                self._socket.join(child.channel, now)

    # User

    def do(self, outcomes: tuple[Outcome, ...]) -> None:
        for outcome in outcomes:
            match outcome:
                case PushEvent():
                    self._push(outcome)
                case PatchTo(_, href, place):
                    self.navigation.patch(href, place)
                case NavigateTo(href, place):
                    if self.navigation.pending != href:
                        self.navigation.navigate(href, flash=None, place=place)
                case LoadUrl(url, method, body):
                    self._tab.navigate(url, "form" if method != "GET" else "link", method=method, body=body)

    def _push(self, event: PushEvent) -> None:
        view = self._view(event.view)
        if view is None or not self._socket.can_push(view.channel):
            raise CannotAct("not connected")
        if event.payload.get("type") == "form" and "uploads" not in event.payload:
            form = self._page.form_in_flight(event.lock)
            if form is not None and self._uploads.submitted(form, event):
                return
        view.push(event, self._tab.now)

    def upload(self, form: str, name: str, files: Sequence[File]) -> None:
        """Choose files in a form's input. Raises ``CannotAct``, having changed nothing."""
        into = self._page.file_input(form, name, javascript=self.javascript)
        view = self._view(into.event.view) if into.event is not None else self.main
        if view is None:
            raise CannotAct("not connected")
        self._uploads.choose(view, into, files)

    def push_or_drop(self, event: PushEvent) -> None:
        view = self._view(event.view)
        if view is not None and self._socket.can_push(view.channel):
            view.push(event, self._tab.now)
        else:
            # a browser keeps what was typed and drops the event; recovery sends the form after the rejoin
            self._page.acknowledge(event.lock)
            name = frames.text(event.payload.get("event"))
            self.observe(Kind.UNANSWERED, event=name, reason="not connected")

    def push_as_hook(self, event: str, value: Mapping[str, object], target: str | None) -> None:
        """Push an event as a hook does; ``target`` selects a component's root element. Raises ``CannotAct``."""
        if self.main is None:
            raise CannotAct("the page has no LiveView")
        payload: dict[str, object] = {"type": "hook", "event": event, "value": dict(value)}
        if target is not None:
            payload["cid"] = self._component(target)
        self._push(PushEvent(self.main.id, payload))

    def _component(self, selector: str) -> int:
        cids = {each.attributes.get("data-phx-component", "") for each in self._page.find(selector)}
        if len(cids) != 1 or not (cid := cids.pop()).isdecimal():
            raise CannotAct(f"{selector!r} is not one component's element")
        return int(cid)

    def _view(self, name: str) -> View | None:
        return next((view for view in self._views() if view.id == name), None)

    # What happens to views

    def _happen(self, happenings: list[Happening[View, Sent]]) -> None:
        for happening in happenings:
            if self._uploads.happened(happening):
                continue
            match happening:
                case Answered(push, status, response):
                    self._answered(push.channel.owner, push.context, status, response, self._tab.now - push.sent_at)
                case Joined(channel, response, took):
                    self._joined(channel.owner, response, took)
                case JoinFailed(channel, response):
                    self._join_failed(channel.owner, response)
                case Pushed(channel, event, payload):
                    self._pushed(channel.owner, event, payload)
                case Errored(channel, reason, transport):
                    self._errored(channel.owner, reason, transport=transport)
                case Closed(channel):
                    self._closed(channel.owner)

    def _joined(self, view: View, response: dict[str, Any], took: float) -> None:
        if view.destroyed:
            return
        version = response.get("liveview_version")
        if self._javascript is None:
            self._javascript = version_of(version) or NEWEST
        self._tab.joined()
        if view.is_main:
            self._tab.history.joined(view.id)
        topic, rejoin = view.channel.topic, view.is_rejoining
        self.observe(Kind.JOINED, took, topic=topic, rejoin=rejoin, liveview_version=frames.text(version))
        if view.is_main and self.navigation.pending and not view.is_rejoining:
            self.navigation.joined(self.navigation.pending)
        view.joined(response, self._tab.now)

    def _join_failed(self, view: View, response: dict[str, Any]) -> None:
        if view.destroyed:
            return
        reason = _failure(response)
        self.observe(Kind.JOIN_FAILED, topic=view.channel.topic, reason=reason, rejoin=view.is_rejoining)
        if reason in ("reload", "stale", "unauthorized"):
            self._load_main(view, reason, token=frames.text(response.get("token")))
        elif reason == frames.REDIRECT:
            self._socket.leave(view.channel)
            self.navigation.redirect(frames.mapping(response[frames.REDIRECT]), "redirect")
        elif reason == frames.LIVE_REDIRECT:
            view.join_pending = False
            self._socket.leave(view.channel)
            self.navigation.live_redirect(frames.mapping(response[frames.LIVE_REDIRECT]))
        elif view.is_main:
            if self._socket.is_connected:
                self._reload_with_jitter(reason)
        elif view.join_attempts >= MAX_CHILD_JOIN_ATTEMPTS and counts_attempts(self.javascript):
            self._give_up(view)

    def _load_main(self, view: View, reason: str, *, token: str) -> None:
        if reason == "reload" and token and sets_reload_status(self.javascript):
            self._tab.set_cookie(RELOAD_STATUS_COOKIE, token)
        if reason != "reload":
            self.navigation.set_flash(view.flash)
        href = self.main.href if self.main is not None else self._tab.location
        url = self.absolute(href or self._tab.location)
        self._tab.navigate(url, reason)

    def _give_up(self, view: View) -> None:
        siblings = view.parent.children if view.parent is not None else self._roots
        siblings.pop(view.id, None)
        self.destroy(view)

    def _pushed(self, view: View, event: str, payload: dict[str, Any]) -> None:
        if view.destroyed:
            return
        match event:
            case frames.DIFF:
                view.receive(payload, self._tab.now)
            case frames.LIVE_PATCH:
                self.navigation.server_patched(view, payload)
            case frames.LIVE_REDIRECT:
                self.navigation.live_redirect(payload)
            case frames.REDIRECT:
                self.navigation.redirect(payload, "redirect")

    def _errored(self, view: View, reason: str, *, transport: bool) -> None:
        if view.destroyed:
            return
        self._give_up_pushes(view, "connection lost" if transport else "crashed")
        if not transport:
            rejoin_at = view.channel.rejoin_at
            rejoin_in = None if rejoin_at is None else rejoin_at - self._tab.now
            self.observe(Kind.CRASHED, topic=view.channel.topic, reason=reason or "phx_error", rejoin_in=rejoin_in)
        self._closed(view)

    def _closed(self, view: View) -> None:
        if view.destroyed:
            return
        if view.is_main and self.navigation.pending:
            self._reload_with_jitter("closed while navigating")
            return
        self._destroy_children(view)

    # Replies

    def _answered(self, view: View, sent: Sent, status: str, response: dict[str, Any], took: float) -> None:
        if view.destroyed:
            return
        if status != frames.OK:
            self._unanswered(view, sent, status, response)
            return
        if sent.is_users:
            self.observe(Kind.ACKNOWLEDGED, took, event=sent.name)
        view.answered(sent, response, self._tab.now)
        self._uploads.answered(sent, response)
        if sent.href:
            self.navigation.patch_answered(view, sent, response)
        if frames.REDIRECT in response:
            self.navigation.redirect(frames.mapping(response[frames.REDIRECT]), "redirect")
        if frames.LIVE_PATCH in response:
            self.navigation.server_patched(view, frames.mapping(response[frames.LIVE_PATCH]))
        if frames.LIVE_REDIRECT in response:
            self.navigation.live_redirect(frames.mapping(response[frames.LIVE_REDIRECT]))

    def _unanswered(self, view: View, sent: Sent, status: str, response: dict[str, Any]) -> None:
        timed_out = status == TIMEOUT
        self._uploads.refused(sent, frames.text(response.get("reason")) or status)
        if sent.is_users and not sent.given_up:
            reason = TIMEOUT if timed_out else frames.text(response.get("reason")) or status
            self.observe(Kind.UNANSWERED, event=sent.name, reason=reason)
        if sent.href:
            # view.ts pushLinkPatch: the page as it is now, not where the link leads
            self._tab.navigate(self._tab.location, "failed_patch")
        elif timed_out and view.join_count == sent.join_count:
            self._reload_with_jitter("push timeout")

    def _give_up_pushes(self, view: View, reason: str) -> None:
        self._uploads.lost(view, reason)
        for push in self._socket.pushes_of(view.channel):
            if not push.context.given_up:
                push.context.given_up = True
                if push.context.is_users:
                    self.observe(Kind.UNANSWERED, event=push.context.name, reason=reason)

    def _reload_with_jitter(self, reason: str) -> None:
        url = self.navigation.pending or self._tab.location
        for happening in self._socket.disconnect():
            if isinstance(happening, Errored) and isinstance(happening.channel.owner, View):
                self._give_up_pushes(happening.channel.owner, "page reload")
        if self.main is not None:
            self._destroy_children(self.main)
        self._tab.reload_later(url, reason, javascript=self.javascript)

    # Private

    def _dial(self) -> Dial:
        return Dial(self._tab.endpoint.socket_url(self._params), self._tab.upgrade_headers())

    def _long_poll(self) -> LongPoll:
        url = self._tab.endpoint.long_poll_url(self._params)
        return LongPoll(url, out=self._tab.effects, request=self._tab.request)

    def new_root(self, element: ViewElement) -> View:
        view = self._roots[element.id] = View(self, element)
        if element.main:
            self.main = view
        return view

    def _join_roots(self, seen: tuple[ViewElement, ...]) -> None:
        # live_socket.ts joinRootViews: also for a sticky view that a patch brought
        for element in seen:
            if element.parent is None and element.session and element.id not in self._roots:
                view = self.new_root(element)
                view.href = "" if element.sticky else self._tab.location
                self._socket.join(view.channel, self._tab.now)

    def destroy(self, view: View) -> None:
        for each in view.descendants():
            each.destroyed = True
            self._socket.leave(each.channel)

    def _destroy_children(self, view: View) -> None:
        for child in tuple(view.children.values()):
            self.destroy(child)
        view.children.clear()

    def _views(self) -> list[View]:
        return [view for root in self._roots.values() for view in root.descendants()]


def _failure(response: Mapping[str, Any]) -> str:
    for key in (frames.REDIRECT, frames.LIVE_REDIRECT):
        if isinstance(response.get(key), dict) and not isinstance(response.get("reason"), str):
            return key
    return frames.text(response.get("reason")) or "unknown"
