"""Typing into forms and submitting them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urljoin, urlsplit, urlunsplit

from selectolax.lexbor import LexborNode

from lvdeploy.wire.phoenix import controls
from lvdeploy.wire.phoenix.bindings import Command, JavaScript, LoadUrl, Outcome, PushEvent, commands, event_payload
from lvdeploy.wire.phoenix.controls import Control, Typed, attributes
from lvdeploy.wire.phoenix.document import Document, component_of
from lvdeploy.wire.phoenix.encoding import FormState, entries, serialize, urlencode
from lvdeploy.wire.session import CannotAct


def change(document: Document, form: str, name: str, value: object, *, javascript: JavaScript) -> tuple[Outcome, ...]:
    """Set the controls of one name in a form and send what listens. Raises ``CannotAct``, having changed nothing."""
    node = _form(document, form)
    nodes = controls.controls_of(document.parsed, node)
    state = document.form(node)
    places = _places(state, name, form)
    typed = _typed([nodes[place] for place in places], [state.controls[place] for place in places], value)
    document.inputs.set(state.key, name, typed)
    return change_event(document, nodes[_touched(document, node, places, value)], javascript=javascript)


def change_event(document: Document, source: LexborNode, *, javascript: JavaScript) -> tuple[Outcome, ...]:
    """Return what a change of one control sends: by its own phx-change, else its form's."""
    form = controls.form_of(document.parsed, source)
    own = attributes(source).get("phx-change")
    if form is None or not (own or attributes(form).get("phx-change")):
        return ()
    listener = source if own else form
    sent: list[Outcome] = []
    for command in commands(own or attributes(form)["phx-change"]):
        if command.kind == "push":
            sent.extend(_change_pushes(document, source, form, listener, command, javascript=javascript))
    return tuple(sent)


def submit(document: Document, form: str, submitter: str | None, *, javascript: JavaScript) -> tuple[Outcome, ...]:
    """Submit a form by a button's name or selector, else by its first one. Raises ``CannotAct``."""
    node = _form(document, form)
    nodes = controls.controls_of(document.parsed, node)
    read = document.form(node).controls
    buttons = [(each, control) for each, control in zip(nodes, read, strict=True) if control.submits]
    # a browser's Enter presses the first submit button, and does nothing if that one is disabled
    chosen = buttons[0] if buttons else None
    if submitter is not None:
        chosen = _submitter(document, buttons, submitter, form)
    if chosen is not None and chosen[1].disabled:
        raise CannotAct(f"the button that submits {form!r} is disabled")
    return submit_by(document, node, chosen[0] if chosen else None, javascript=javascript)


def submit_by(
    document: Document, form: LexborNode, button: LexborNode | None, *, javascript: JavaScript
) -> tuple[Outcome, ...]:
    """Return what submitting a form by a button, or by none, sends."""
    binding = attributes(form).get("phx-submit")
    if not binding:
        return (_plain(document, form, button),)
    document.inputs.submitted.add(document.form_key(form))
    # view.ts submitForm: the focus is taken away until after the reply, so that a form can be emptied
    document.inputs.focus = None
    sent: list[Outcome] = []
    for command in commands(binding):
        if command.kind == "push":
            sent.extend(_submit_pushes(document, form, button, command, javascript=javascript))
    return tuple(sent)


def form_event(
    state: FormState,
    event: str,
    *,
    javascript: JavaScript,
    target: str | None,
    cid: int | None,
    only: str | None = None,
    submitter: Control | None = None,
    value: object = None,
) -> dict[str, object]:
    """
    Return the payload of a form's event: a change where ``target`` names an input, else a submit.

    Up to 1.0.5 the meta data travel inside the urlencoded value, from 1.0.6 on beside it.
    """
    meta: dict[str, object] = {} if target is None else {"_target": target or "undefined"}
    meta.update(state.values())
    if isinstance(value, dict):
        meta.update(value)
    text = serialize(state, javascript=javascript, submitter=submitter, only=only, meta=meta)
    more: dict[str, object] = {"meta": meta} if javascript >= (1, 0, 6) else {}
    if target is not None:
        more["uploads"] = {}
    return dict(event_payload("form", event, text, cid=cid, **more))


def _change_pushes(
    document: Document,
    source: LexborNode,
    form: LexborNode,
    listener: LexborNode,
    command: Command,
    *,
    javascript: JavaScript,
) -> Iterator[PushEvent]:
    state, given = document.form(form), attributes(source)
    button = document.control(source) if source.tag == "button" else None
    event = command.text("event") or ""
    asked = command.arguments.get("target")
    wanted = asked if asked is not None else attributes(listener).get("phx-target")
    for view, context in document.targets(listener, wanted):
        payload = form_event(
            state,
            event,
            javascript=javascript,
            target=given.get("name", ""),
            cid=component_of(form, context, asked),
            only=given.get("name", "") if given.get("phx-change") else None,
            submitter=_same(state, button),
            value=command.arguments.get("value"),
        )
        yield PushEvent(view, payload, document.inputs.lock(state.key, view))


def _submit_pushes(
    document: Document, form: LexborNode, button: LexborNode | None, command: Command, *, javascript: JavaScript
) -> Iterator[PushEvent]:
    state = document.form(form)
    submitter = _same(state, document.control(button)) if button is not None else None
    asked = command.arguments.get("target")
    wanted = asked if asked is not None else attributes(form).get("phx-target")
    for view, context in document.targets(form, wanted):
        payload = form_event(
            state,
            command.text("event") or "",
            javascript=javascript,
            target=None,
            cid=component_of(form, context, None),
            submitter=submitter,
            value=command.arguments.get("value"),
        )
        yield PushEvent(view, payload, document.inputs.lock(state.key, view))


def _plain(document: Document, form: LexborNode, button: LexborNode | None) -> LoadUrl:
    """What a form without phx-submit does: the browser's own submission."""
    given, state = attributes(form), document.form(form)
    pressed = attributes(button) if button is not None else {}
    action = pressed.get("formaction") or given.get("action") or document.url
    method = (pressed.get("formmethod") or given.get("method") or "get").upper()
    submitter = _same(state, document.control(button)) if button is not None else None
    data, url = urlencode(entries(state, submitter)), urljoin(document.url, action)
    if method == "POST":
        return LoadUrl(url, "POST", data.encode())
    return LoadUrl(urlunsplit(urlsplit(url)._replace(query=data)))


def _same(state: FormState, button: Control | None) -> Control | None:
    """Return the form's own copy of a control that was read apart from it."""
    return next((each for each in state.controls if each == button), button)


def _form(document: Document, selector: str) -> LexborNode:
    node = document.one(selector)
    if node.tag != "form":
        raise CannotAct(f"{selector!r} is a <{node.tag}>, not a form")
    return node


def _places(state: FormState, name: str, form: str) -> list[int]:
    named = [place for place, each in enumerate(state.controls) if each.name == name and each.sort != "button"]
    places = [place for place in named if state.controls[place].type != "hidden"]
    if not places:
        known = sorted({each.name for each in state.controls if each.name and each.type != "hidden"})
        why = "is hidden" if named else f"is not there; it has {', '.join(known) or 'no inputs'}"
        raise CannotAct(f"the input {name!r} of {form!r} {why}")
    if all(state.controls[place].disabled for place in places):
        raise CannotAct(f"the input {name!r} of {form!r} is disabled")
    if any(state.controls[place].sort == "file" for place in places):
        raise CannotAct(f"the input {name!r} of {form!r} takes files, which cannot be given")
    if any("readonly" in state.controls[place].attributes for place in places):
        raise CannotAct(f"the input {name!r} of {form!r} is read-only")
    return places


def _typed(nodes: Sequence[LexborNode], found: Sequence[Control], value: object) -> Typed:
    sort = found[0].sort
    if sort == "text":
        values: tuple[str | None, ...] = _texts(found, value)
    else:
        values = _boxes(found, value) if sort == "box" else _options(nodes[0], found[0], value)
    return controls.typed_into(nodes[0], sort, values)


def _texts(found: Sequence[Control], value: object) -> tuple[str | None, ...]:
    name = found[0].name
    if isinstance(value, bool):
        raise CannotAct(f"the input {name!r} takes text; it cannot be ticked")
    wanted = [value] if isinstance(value, str) else list(value) if isinstance(value, Sequence) else [str(value)]
    if len(wanted) > len(found) or (len(found) > 1 and isinstance(value, str)):
        raise CannotAct(f"{len(found)} inputs are named {name!r}; give a list of as many texts")
    return tuple(_clean(control, str(each)) for control, each in zip(found, wanted, strict=False))


def _clean(control: Control, text: str) -> str:
    # HTML: a textarea keeps its line breaks as LF, a single line has none
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if control.type == "textarea" else text.replace("\n", "")


def _boxes(found: Sequence[Control], value: object) -> tuple[str, ...]:
    known = [control.value for control in found]
    if isinstance(value, bool):
        if len(found) > 1:
            raise CannotAct(f"several boxes are named {found[0].name!r}: {', '.join(known)}; say which")
        return (known[0],) if value else ()
    wanted = [value] if isinstance(value, str) else list(value) if isinstance(value, Sequence) else [str(value)]
    if found[0].type == "radio" and len(wanted) != 1:
        raise CannotAct(f"one of the radio buttons named {found[0].name!r} can be chosen, not {len(wanted)}")
    return _among(found[0].name, known, wanted)


def _options(select: LexborNode, control: Control, value: object) -> tuple[str, ...]:
    options = select.css("option")
    by_text = {" ".join(each.text().split()): controls.option_value(each) for each in options}
    known = [controls.option_value(each) for each in options]
    wanted = [value] if isinstance(value, str) else list(value) if isinstance(value, Sequence) else [str(value)]
    if control.type != "select-multiple" and len(wanted) != 1:
        raise CannotAct(f"one option of {control.name!r} can be chosen, not {len(wanted)}")
    chosen = [each if each in known else by_text.get(str(each), each) for each in wanted]
    return _among(control.name, known, chosen)


def _among(name: str, known: Sequence[str], wanted: Sequence[object]) -> tuple[str, ...]:
    strange = [str(each) for each in wanted if each not in known]
    if strange:
        raise CannotAct(f"{name!r} has no choice {', '.join(strange)}; it has {', '.join(known)}")
    return tuple(str(each) for each in wanted)


def _touched(document: Document, form: LexborNode, places: Sequence[int], value: object) -> int:
    """Return the place of the control a user's hand is on: the box just ticked, else the first of the name."""
    read = document.form(form).controls
    wanted = value if isinstance(value, str) else None
    return next((place for place in places if read[place].sort == "box" and read[place].value == wanted), places[0])


def _submitter(
    document: Document, buttons: Sequence[tuple[LexborNode, Control]], wanted: str, form: str
) -> tuple[LexborNode, Control]:
    named = [each for each in buttons if each[1].name == wanted]
    if not named:
        matches = {node.mem_id for node in document.css(wanted)}
        named = [each for each in buttons if each[0].mem_id in matches]
    if len(named) != 1:
        raise CannotAct(f"{len(named)} submit buttons of {form!r} are named or found by {wanted!r}; one is needed")
    return named[0]
