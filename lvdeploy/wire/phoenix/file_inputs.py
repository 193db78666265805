"""File inputs: where a page takes files, and what it sends when they are chosen."""

from __future__ import annotations

from dataclasses import dataclass

from lvdeploy.wire.phoenix import controls, forms
from lvdeploy.wire.phoenix.bindings import JavaScript, PushEvent
from lvdeploy.wire.phoenix.controls import attributes
from lvdeploy.wire.phoenix.document import Document
from lvdeploy.wire.session import CannotAct

UPLOAD_REF = "data-phx-upload-ref"


@dataclass(frozen=True, slots=True)
class FileInput:
    """
    A LiveView upload's input.

    ``form`` is what a page knows its form by, ``on_progress`` its phx-progress; ``event`` is the change event of
    choosing files, still without them.
    """

    ref: str
    name: str
    form: str
    on_progress: str | None
    is_auto: bool
    cid: int | None
    event: PushEvent | None


def file_input(document: Document, form: str, name: str, *, javascript: JavaScript) -> FileInput:
    """Find a form's file input by its name. Raises ``CannotAct``."""
    node = document.one(form)
    found = [
        each
        for each in controls.controls_of(document.parsed, node)
        if attributes(each).get("type") == "file" and attributes(each).get("name") == name
    ]
    if len(found) != 1:
        raise CannotAct(f"{form!r} has {len(found)} file inputs named {name!r}; one is needed")
    given = attributes(found[0])
    if UPLOAD_REF not in given:
        raise CannotAct(f"the file input {name!r} of {form!r} is no LiveView upload")
    key = document.form_key(node)
    document.inputs.used.setdefault(key, set()).add(name)
    sent = forms.change_event(document, found[0], javascript=javascript)
    event = next((each for each in sent if isinstance(each, PushEvent)), None)
    cid = event.payload.get("cid") if event is not None else None
    return FileInput(
        given[UPLOAD_REF],
        name,
        key,
        given.get("phx-progress"),
        "data-phx-auto-upload" in given,
        cid if isinstance(cid, int) else None,
        event,
    )
