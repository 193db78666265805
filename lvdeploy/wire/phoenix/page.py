"""One loaded page: the dead render, and what its views and its user made of it since."""

from __future__ import annotations

import html
import re
import weakref
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from selectolax.lexbor import LexborHTMLParser

from lvdeploy.wire.phoenix import clicks, dead_render, forms, recovery
from lvdeploy.wire.phoenix.bindings import JavaScript, Outcome, PushEvent, Recoveries
from lvdeploy.wire.phoenix.dead_render import SESSION, ViewElement
from lvdeploy.wire.phoenix.document import Document
from lvdeploy.wire.phoenix.file_inputs import FileInput, file_input
from lvdeploy.wire.phoenix.inputs import Inputs
from lvdeploy.wire.phoenix.kept import Kept
from lvdeploy.wire.phoenix.recovery import Snapshot
from lvdeploy.wire.phoenix.rendered import MalformedDiff, Rendered
from lvdeploy.wire.session import CannotAct, Found

__all__ = ["Page", "Snapshot", "ViewElement"]

_MAX_PARSED: Final = 32
"""How many pages keep their parse, the latest looked at: one weighs some 250 kB, an idle page ten."""

_parsed: deque[weakref.ref[Page]] = deque()

_TAG: Final = re.compile(r"""<[a-zA-Z](?:[^>"']|"[^"]*"|'[^']*')*>""")
_ID: Final = re.compile(r"""\sid=(?:"([^"]*)"|'([^']*)')""")


class Page:
    """
    A page as its user sees it. HTML is put together and parsed only when somebody looks.

    ``url`` is the address bar; set it where a view patched it.
    """

    __slots__ = (
        "__weakref__",
        "_bodies",
        "_dead",
        "_document",
        "_gone",
        "_inputs",
        "_kept",
        "_nested",
        "_own_title",
        "_rejoined",
        "_wary",
        "url",
    )

    def __init__(self, url: str, text: str) -> None:
        self.url = url
        dead = dead_render.read(url, text)
        # the dead contents live in _bodies alone, where a join lets go of them
        self._dead = replace(dead, bodies={})
        self._bodies: dict[str, str | Rendered] = dict(dead.bodies)
        self._inputs = Inputs()
        self._document: Document | None = None
        self._own_title: str | None = None
        self._kept = Kept()
        self._wary: set[str] = set()
        self._rejoined: set[str] = set()
        self._nested: dict[str, frozenset[str]] = {}
        self._gone: set[str] = set()
        if "phx-update=" in text:
            self._kept.hold(LexborHTMLParser(text))

    @classmethod
    def load(cls, url: str, body: str | bytes) -> Page:
        """Read the HTML of a dead render. Takes any bytes; a page without views has an empty ``views``."""
        return cls(url, body if isinstance(body, str) else body.decode("utf-8", "replace"))

    @property
    def title(self) -> str | None:
        if self._own_title is not None:
            return self._own_title
        return self._dead.title.text if self._dead.title is not None else None

    def set_title(self, title: str) -> None:
        """Set the title that a diff's ``t`` brings, with the page's own prefix, suffix and default."""
        self._own_title = self._dead.title.of(title) if self._dead.title is not None else title
        self._document = None

    @property
    def csrf_token(self) -> str | None:
        return self._dead.csrf_token

    @property
    def tracked_statics(self) -> tuple[str, ...]:
        """The absolute URLs of what carries phx-track-static, in document order."""
        return self._dead.tracked_statics

    @property
    def views(self) -> tuple[ViewElement, ...]:
        """Every view on the page now, parents before their children."""
        return tuple(each for root in self._dead.roots for each in self._within(root, frozenset()))

    @property
    def main(self) -> ViewElement | None:
        return next((each for each in self._dead.roots if each.main), None)

    def children(self, view_id: str, rendered: Rendered) -> tuple[ViewElement, ...]:
        """
        Return the views right inside a view's HTML, which need not be shown yet.

        A child keeps the static token of the dead render until its parent is joined again; a sticky one for
        good. Raises ``MalformedDiff``.
        """
        text = rendered.html()
        if SESSION not in text:
            return ()
        before = {each.id: each for each in self._dead.inside.get(view_id, ())}
        shown = self._bodies.get(view_id)
        again = view_id in self._rejoined or (isinstance(shown, Rendered) and shown is not rendered)
        found = [dead_render.element(node) for node in LexborHTMLParser(text).css(f"[{SESSION}]")]
        if shown is rendered:
            self._nested[view_id] = frozenset(each.id for each in found)
        return tuple(_known(each, before.get(each.id), again=again or each.id in self._gone) for each in found)

    def patch(self, view_id: str, rendered: Rendered, *, join: bool = False) -> None:
        """
        Show what ``rendered`` holds now in the view's element: call after a join and after each merge.

        Cheap: the HTML is asked for later, except on joins and where ``phx-update`` needs each state.
        Raises ``MalformedDiff``.
        """
        if join and "phx-update=" in rendered.html():
            self._wary.add(view_id)
        self._inputs.overwritten(view_id, None if join else rendered.take_changes())
        if join:
            self._kept.joined(view_id)
            if isinstance(self._bodies.get(view_id), Rendered):
                self._rejoined.add(view_id)
        self._bodies[view_id] = rendered
        if self._nested.get(view_id) or (join and SESSION in rendered.html()):
            self._leave_gone(view_id, rendered)
        self._document = None
        if view_id in self._wary:
            self._document = self._build()

    def forget(self, view_id: str) -> None:
        """Drop what the user did in a view that was left: call on live navigation."""
        self._inputs.forget(view_id)
        self._kept = Kept()
        self._wary.discard(view_id)

    def acknowledge(self, lock: int | None) -> None:
        """Let later diffs into the form again: call with a ``PushEvent.lock`` after its reply was applied."""
        if lock is not None:
            self._inputs.unlock(lock)

    def find(self, selector: str) -> tuple[Found, ...]:
        """Return what a CSS selector finds. Raises ``CannotAct`` if it is no selector."""
        document = self._look()
        return tuple(document.found(document.css(selector)))

    def html(self, selector: str) -> str:
        """Return the HTML inside the one element a selector finds. Raises ``CannotAct``."""
        return self._look().one(selector).inner_html or ""

    def click(self, selector: str, *, javascript: JavaScript) -> tuple[Outcome, ...]:
        """Return what a click does, in order; empty when it does nothing. Raises ``CannotAct``."""
        return clicks.click(self._look(), selector, javascript=javascript)

    def change(self, form: str, name: str, value: object, *, javascript: JavaScript) -> PushEvent | None:
        """
        Set an input; return the change event, None where no phx-change listens.

        ``form`` is a selector, ``name`` an input's name. A text takes a string, a box a boolean or the
        value to tick, a select the value or the text of an option; a list sets several.
        Raises ``CannotAct``, having changed nothing.
        """
        sent = forms.change(self._look(), form, name, value, javascript=javascript)
        return next((each for each in sent if isinstance(each, PushEvent)), None)

    def file_input(self, form: str, name: str, *, javascript: JavaScript) -> FileInput:
        """Return a form's file input, with the change event of choosing files there. Raises ``CannotAct``."""
        return file_input(self._look(), form, name, javascript=javascript)

    def form_in_flight(self, lock: int | None) -> str | None:
        """Return which form an event that was just made comes from."""
        return next((form for form, (number, _) in self._inputs.locks.items() if number == lock), None)

    def submit(self, form: str, submitter: str | None, *, javascript: JavaScript) -> tuple[Outcome, ...]:
        """Submit a form; ``submitter`` is a button's name or a selector. Raises ``CannotAct``."""
        return forms.submit(self._look(), form, submitter, javascript=javascript)

    def blur(self) -> None:
        """No input has the focus: the next diff may overwrite what was typed."""
        self._inputs.focus = None

    def snapshot_forms(self, *, javascript: JavaScript, root: str | None = None) -> Snapshot:
        """Copy the forms worth recovering of a root view (the main one): call at its rejoin, before its patch."""
        main = self.main
        wanted = root if root is not None else main.id if main is not None else None
        return recovery.snapshot(self._look(), wanted, javascript=javascript) if wanted is not None else {}

    def recoveries(
        self,
        snapshot: Snapshot,
        rendered: Rendered,
        view_id: str,
        *,
        pending: frozenset[str],
        javascript: JavaScript,
    ) -> Recoveries:
        """
        Say what to send for a rejoined view before ``patch``; ``pending`` are forms given up.

        Raises ``MalformedDiff``.
        """
        if not snapshot:
            return Recoveries((), {})
        text = f'<div id="{html.escape(view_id)}" {SESSION}="">{rendered.html()}</div>'
        document = Document(LexborHTMLParser(text), Inputs(), self.url, None)
        return recovery.recover(snapshot, document, view_id, pending=pending, javascript=javascript)

    # The views and their contents

    def _within(self, view: ViewElement, seen: frozenset[str]) -> Iterator[ViewElement]:
        if view.id in seen:
            return
        yield view
        body = self._bodies.get(view.id)
        inner = self.children(view.id, body) if isinstance(body, Rendered) else self._dead.inside.get(view.id, ())
        for each in inner:
            yield from self._within(each, seen | {view.id})

    def _leave_gone(self, view_id: str, rendered: Rendered) -> None:
        """Forget the nested views that a patch took away; one that comes back is another view."""
        before = self._nested.get(view_id, frozenset())
        now = frozenset(each.id for each in self.children(view_id, rendered))
        for gone in before - now:
            self._bodies.pop(gone, None)
            self._gone.add(gone)
        self._nested[view_id] = now

    # The page put together

    def _look(self) -> Document:
        if self._document is None:
            try:
                self._document = self._build()
            except MalformedDiff as problem:
                raise CannotAct(f"what the server sent for {self.url} cannot be shown: {problem}") from problem
        self._document.url = self.url
        return self._document

    def _build(self) -> Document:
        main = self.main
        parsed = LexborHTMLParser(self._text())
        self._kept.restore(parsed)
        _parsed.append(weakref.ref(self))
        while len(_parsed) > _MAX_PARSED:
            oldest = _parsed.popleft()()
            if oldest is not None and oldest is not self:
                oldest._document = None
        return Document(parsed, self._inputs, self.url, main.id if main is not None else None)

    def _text(self) -> str:
        pieces: list[str] = []
        for index, piece in enumerate(self._dead.around):
            if index % 2 == 0:
                pieces.append(piece)
            elif piece == "":
                pieces.append(html.escape(self.title or "", quote=False))
            else:
                pieces.append(self._body(piece, frozenset()))
        return "".join(pieces)

    def _body(self, view_id: str, seen: frozenset[str]) -> str:
        body = self._bodies.get(view_id, "")
        if isinstance(body, str) or view_id in seen:
            return body if isinstance(body, str) else ""
        text = body.html()
        if SESSION not in text:
            return text
        pieces, at = [], 0
        for tag in _TAG.finditer(text):
            if SESSION in tag.group() and (child := _ID.search(tag.group())) is not None:
                inner = html.unescape(child[1] or child[2] or "")
                pieces += [text[at : tag.end()], self._body(inner, seen | {view_id})]
                at = tag.end()
        return "".join([*pieces, text[at:]])


def _known(now: ViewElement, before: ViewElement | None, *, again: bool) -> ViewElement:
    if before is None or (again and not now.sticky):
        return now
    session, static = now.session or before.session, now.static or before.static
    return ViewElement(now.id, session, static, now.main, now.sticky, now.parent)
