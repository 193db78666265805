"""Form recovery: which forms of the old page a rejoined view gets back, and what is sent for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from selectolax.lexbor import LexborNode

from lvdeploy.wire.phoenix import controls
from lvdeploy.wire.phoenix.bindings import JavaScript, PushEvent, Recoveries, commands
from lvdeploy.wire.phoenix.controls import Control, attributes
from lvdeploy.wire.phoenix.document import Document, component_of
from lvdeploy.wire.phoenix.encoding import FormState
from lvdeploy.wire.phoenix.forms import form_event


@dataclass(frozen=True, slots=True)
class OldForm:
    """A form as it stood when its view came back, and the view it stood in."""

    state: FormState
    view: str


Snapshot: TypeAlias = Mapping[str, OldForm]
"""The forms worth recovering, by id."""


def snapshot(document: Document, root: str, *, javascript: JavaScript) -> Snapshot:
    """
    Copy the forms of a root view that recovery considers; view.ts getFormsForRecovery.

    With an id, a phx-change and inputs, and not phx-auto-recover="ignore"; nested views' too from 0.20.15 on.
    """
    old: dict[str, OldForm] = {}
    for form in document.parsed.css("form[phx-change][id]"):
        given, view = attributes(form), controls.view_of(form)
        owners = {each.id for each in controls.ancestors(form) if "data-phx-session" in each.attributes}
        nested = javascript >= (0, 20, 15)
        if not given["id"] or view is None or given.get("phx-auto-recover") == "ignore":
            continue
        state = _as_cloned(document.form(form), javascript)
        if state.controls and (root in owners if nested else view == root):
            old[given["id"]] = OldForm(state, view)
    return old


def recover(
    old: Snapshot, document: Document, view: str, *, pending: frozenset[str], javascript: JavaScript
) -> Recoveries:
    """
    Say what to send for a view whose new HTML, not yet shown, is ``document``; view.ts maybeRecoverForms.

    ``pending`` are the forms whose recovery was tried and never answered: those are abandoned.
    """
    events: list[tuple[str, PushEvent]] = []
    skipped: dict[str, str] = {}
    new = {str(form.id): form for form in document.parsed.css("form[id]") if controls.view_of(form) == view}
    for key, before in old.items():
        why = _obstacle(before, new.get(key), key, pending)
        if why is not None and (before.view == view or key in new):
            skipped[key] = why
    for key, form in new.items():
        if key in old and key not in skipped:
            events.extend((key, each) for each in _events(old[key].state, form, document, javascript=javascript))
    return Recoveries(tuple(events), skipped)


def _as_cloned(state: FormState, javascript: JavaScript) -> FormState:
    if javascript < (1, 0, 14):
        # LiveView #3809: up to 1.0.13 the clone lost which inputs were used
        return replace(state, used=frozenset(), submitted=False)
    if javascript <= (1, 0, 16):
        # LiveView #3831: 1.0.14 to 1.0.16 lost the selects
        return replace(state, controls=tuple(each for each in state.controls if each.sort != "select"))
    return state


def _obstacle(before: OldForm, now: LexborNode | None, key: str, pending: frozenset[str]) -> str | None:
    if now is None:
        return f"the new page has no form with the id {key!r}"
    old, new = before.state.attributes.get("phx-change"), attributes(now).get("phx-change")
    if old != new:
        return f"its phx-change was {old!r} and is {new!r} now" if new else f"it has lost its phx-change {old!r}"
    if not _sources(before.state):
        return "it has no named inputs"
    if key in pending:
        return "an earlier recovery of it was never answered"
    return None


def _sources(state: FormState) -> list[Control]:
    return [each for each in state.controls if each.name and "phx-change" not in each.attributes]


def _events(old: FormState, form: LexborNode, document: Document, *, javascript: JavaScript) -> Iterator[PushEvent]:
    given, sources = attributes(form), _sources(old)
    source = next((each for each in sources if each.type != "hidden"), sources[0])
    for command in commands(given.get("phx-auto-recover") or given["phx-change"]):
        if command.kind != "push":
            continue
        for view, context in document.targets(form, given.get("phx-target") or None):
            payload = form_event(
                old,
                command.text("event") or "",
                javascript=javascript,
                target=source.name,
                cid=component_of(form, context, None),
                value=command.arguments.get("value"),
            )
            yield PushEvent(view, payload)
