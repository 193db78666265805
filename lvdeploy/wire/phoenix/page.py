"""One loaded page: the dead render, and what its views and its user made of it since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lvdeploy.wire.phoenix.bindings import JavaScript, Outcome, PushEvent, Recoveries
from lvdeploy.wire.phoenix.rendered import Rendered
from lvdeploy.wire.session import Found


@dataclass(frozen=True, slots=True)
class ViewElement:
    """
    The container of a view.

    ``session`` is "" for a nested view of a dead render: its parent's join brings the token.
    ``parent`` is the id of the view it is nested in; None for the main, sticky and other root views.
    """

    id: str
    session: str
    static: str | None
    main: bool = False
    sticky: bool = False
    parent: str | None = None


class Page:
    """A page as its user sees it. HTML is put together and parsed only when somebody looks."""

    url: str

    @classmethod
    def load(cls, url: str, body: str | bytes) -> Page:
        """Read the HTML of a dead render. Takes any bytes; a page without views has an empty ``views``."""
        raise NotImplementedError

    @property
    def title(self) -> str | None: ...

    def set_title(self, title: str) -> None:
        """Set the title that a diff's ``t`` brings, with the page's own prefix, suffix and default."""

    @property
    def csrf_token(self) -> str | None: ...

    @property
    def tracked_statics(self) -> tuple[str, ...]: ...

    @property
    def views(self) -> tuple[ViewElement, ...]:
        """Every view on the page now, in document order; parents before their children."""
        raise NotImplementedError

    @property
    def main(self) -> ViewElement | None: ...

    def patch(self, view_id: str, rendered: Rendered, *, join: bool = False) -> None:
        """
        Show what ``rendered`` holds now in the view's element: call after a join and after each merge.

        Cheap: the HTML is asked for later, except on joins and where ``phx-update`` needs each state.
        Raises ``MalformedDiff``.
        """

    def forget(self, view_id: str) -> None:
        """Drop what the user did in a view that was left: call on live navigation."""

    def acknowledge(self, lock: int | None) -> None:
        """Let later diffs into the form again: call with a ``PushEvent.lock`` after its reply was applied."""

    def find(self, selector: str) -> tuple[Found, ...]:
        """Return what a CSS selector finds. Raises ``CannotAct`` if it is no selector."""
        raise NotImplementedError

    def click(self, selector: str, *, javascript: JavaScript) -> tuple[Outcome, ...]:
        """Return what a click does, in order; empty when it does nothing. Raises ``CannotAct``."""
        raise NotImplementedError

    def change(self, form: str, name: str, value: object, *, javascript: JavaScript) -> PushEvent | None:
        """Set an input; return the change event, None where no phx-change listens. Raises ``CannotAct``."""
        raise NotImplementedError

    def submit(self, form: str, submitter: str | None, *, javascript: JavaScript) -> tuple[Outcome, ...]:
        """Submit a form; ``submitter`` is a selector or a button's name. Raises ``CannotAct``."""
        raise NotImplementedError

    def snapshot_forms(self, *, javascript: JavaScript) -> Mapping[str, object]:
        """Copy the forms worth recovering: call at the root's rejoin, before its patch."""
        raise NotImplementedError

    def recoveries(
        self,
        snapshot: Mapping[str, object],
        rendered: Rendered,
        view_id: str,
        *,
        pending: frozenset[str],
        javascript: JavaScript,
    ) -> Recoveries:
        """Say what to send for a rejoined view before ``patch``; ``pending`` are forms given up."""
        raise NotImplementedError
