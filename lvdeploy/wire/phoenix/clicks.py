"""What a click does: bindings, live links, and what a browser does by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborNode

from lvdeploy.wire.phoenix import controls, forms
from lvdeploy.wire.phoenix.bindings import (
    Command,
    JavaScript,
    LoadUrl,
    NavigateTo,
    Outcome,
    PatchTo,
    PushEvent,
    commands,
    event_payload,
)
from lvdeploy.wire.phoenix.controls import ancestors, attributes
from lvdeploy.wire.phoenix.document import Document, component_of
from lvdeploy.wire.phoenix.encoding import phx_values, urlencode
from lvdeploy.wire.session import CannotAct

_MAX_CHAIN: Final = 5
_CONTROLS: Final = ("input", "select", "textarea", "button")


def click(document: Document, selector: str, *, javascript: JavaScript) -> tuple[Outcome, ...]:
    """Click the one element a selector finds. Raises ``CannotAct``."""
    node = document.one(selector)
    if node.tag in _CONTROLS and document.control(node).disabled:
        raise CannotAct(f"{selector!r} is disabled")
    # a click takes the focus away from where the user typed, so the next diff may overwrite that
    document.inputs.focus = None
    return tuple(_Clicked(document, javascript).click(node, 0))


class _Clicked:
    """One click and all that it sets off, to a bounded depth."""

    def __init__(self, document: Document, javascript: JavaScript) -> None:
        self.document = document
        self.javascript = javascript

    def click(self, node: LexborNode, depth: int) -> Iterator[Outcome]:
        if depth > _MAX_CHAIN:
            return
        link = _bound(node, "data-phx-link")
        if link is not None:
            # live_socket.ts bindNav: the link first, then its own phx-click; other bindings hear nothing
            yield from self._live_link(link)
            yield from self._binding(link, depth)
            return
        bound = _bound(node, "phx-click")
        if bound is not None:
            yield from self._binding(bound, depth)
            if attributes(bound).get("href") == "#":
                return
        yield from self._native(node, depth)

    def _live_link(self, link: LexborNode) -> Iterator[Outcome]:
        given = attributes(link)
        href = urljoin(self.document.url, given.get("href", ""))
        replace = given.get("data-phx-link-state") == "replace"
        if given.get("data-phx-link") == "patch":
            yield from self._patch(href, replace=replace)
        else:
            yield NavigateTo(href, "replace" if replace else "push")

    def _patch(self, href: str, *, replace: bool) -> Iterator[Outcome]:
        # live_socket.ts pushHistoryPatch: always the main view, whoever holds the link
        if self.document.main is not None:
            yield PatchTo(self.document.main, href, "replace" if replace else "push")

    def _binding(self, node: LexborNode, depth: int) -> Iterator[Outcome]:
        for command in commands(attributes(node).get("phx-click", "")):
            yield from self._command(node, command, depth)

    def _command(self, node: LexborNode, command: Command, depth: int) -> Iterator[Outcome]:
        href = urljoin(self.document.url, command.text("href") or "")
        replace = bool(command.arguments.get("replace"))
        match command.kind:
            case "push":
                yield from self._push(node, command)
            case "patch":
                yield from self._patch(href, replace=replace)
            case "navigate":
                yield NavigateTo(href, "replace" if replace else "push")
            case "dispatch":
                for each in self._to(node, command):
                    yield from self._dispatch(each, command.text("event") or "", depth)
            case "exec":
                for each in self._to(node, command):
                    if depth < _MAX_CHAIN:
                        for inner in commands(attributes(each).get(command.text("attr") or "", "[]")):
                            yield from self._command(each, inner, depth + 1)

    def _push(self, node: LexborNode, command: Command) -> Iterator[Outcome]:
        event = command.text("event")
        if not event:
            return
        asked = command.arguments.get("target")
        wanted = asked if asked is not None else attributes(node).get("phx-target")
        more = command.arguments.get("value")
        value = {**_meta(self.document, node), **(more if isinstance(more, Mapping) else {})}
        for view, context in self.document.targets(node, wanted):
            cid = component_of(node, context, asked)
            yield PushEvent(view, event_payload("click", event, value, cid=cid))

    def _to(self, node: LexborNode, command: Command) -> list[LexborNode]:
        """Return what a command is done to: itself, or what its ``to`` finds."""
        to = command.arguments.get("to")
        if to is None:
            return [node]
        if isinstance(to, str):
            return self.document.css(to)
        if isinstance(to, Mapping) and isinstance(to.get("inner"), str):
            return node.css(to["inner"])
        if isinstance(to, Mapping) and isinstance(to.get("closest"), str):
            found = (each for each in ancestors(node) if each.css_matches(to["closest"]))
            return list(found)[:1]
        return []

    def _dispatch(self, node: LexborNode, event: str, depth: int) -> Iterator[Outcome]:
        if event in ("change", "input") and node.tag in _CONTROLS:
            yield from _changed(self.document, node, javascript=self.javascript)
        elif event == "submit" and node.tag == "form":
            yield from forms.submit_by(self.document, node, None, javascript=self.javascript)
        elif event == "click":
            yield from self.click(node, depth + 1)

    def _native(self, node: LexborNode, depth: int) -> Iterator[Outcome]:
        for each in ancestors(node):
            if each.tag == "a" and "href" in each.attributes:
                yield from _follow(self.document, each)
            elif each.tag in ("button", "input"):
                yield from self._press(each)
            elif each.tag == "label":
                control = _labelled(self.document, each)
                if control is not None:
                    yield from self.click(control, depth + 1)
            else:
                continue
            return

    def _press(self, node: LexborNode) -> Iterator[Outcome]:
        control = self.document.control(node)
        form = controls.form_of(self.document.parsed, node)
        if form is None:
            return
        if control.submits:
            yield from forms.submit_by(self.document, form, node, javascript=self.javascript)
        elif control.sort == "box" and not (control.type == "radio" and control.checked):
            ticked = {
                each.value
                for each in self.document.form(form).controls
                if each.sort == "box" and each.name == control.name and each.checked
            }
            wanted = {control.value} if control.type == "radio" else ticked ^ {control.value}
            typed = controls.typed_into(node, "box", tuple(sorted(wanted)))
            self.document.inputs.set(self.document.form_key(form), control.name, typed)
            yield from forms.change_event(self.document, node, javascript=self.javascript)
        elif control.sort == "text":
            self.document.inputs.focus = (self.document.form_key(form), control.name)


def _changed(document: Document, node: LexborNode, *, javascript: JavaScript) -> tuple[Outcome, ...]:
    form = controls.form_of(document.parsed, node)
    if form is None:
        return ()
    document.inputs.used.setdefault(document.form_key(form), set()).add(attributes(node).get("name", ""))
    return forms.change_event(document, node, javascript=javascript)


def _bound(node: LexborNode, attribute: str) -> LexborNode | None:
    """Return the nearest element with a binding, inside the view: live_socket.ts closestPhxBinding."""
    for each in ancestors(node):
        if attribute in each.attributes and "disabled" not in each.attributes:
            return each
        if "data-phx-session" in each.attributes:
            return None
    return None


def _meta(document: Document, node: LexborNode) -> dict[str, object]:
    """phoenix_live_view extractMeta: phx-value-*, then the element's value where the DOM gives it one."""
    given = attributes(node)
    meta: dict[str, object] = dict(phx_values(given))
    if node.tag in _CONTROLS:
        control = document.control(node)
        if control.sort != "box" or control.checked:
            meta["value"] = control.value
        else:
            meta.pop("value", None)
    elif node.tag == "option":
        meta["value"] = controls.option_value(node)
    elif node.tag == "li":
        # HTMLLIElement.value is a number, 0 where there is no attribute
        meta["value"] = int(given["value"]) if given.get("value", "").lstrip("-").isdigit() else 0
    return meta


def _follow(document: Document, link: LexborNode) -> Iterator[Outcome]:
    given = attributes(link)
    url = urljoin(document.url, given["href"])
    if "data-method" in given:
        # phoenix_html.js: a link with data-method submits a form of its own
        pairs = [("_csrf_token", given.get("data-csrf", ""))]
        if given["data-method"] == "get":
            yield LoadUrl(urljoin(document.url, given.get("data-to", "")))
            return
        if given["data-method"] != "post":
            pairs.insert(0, ("_method", given["data-method"]))
        yield LoadUrl(urljoin(document.url, given.get("data-to", "")), "POST", urlencode(pairs).encode())
    elif urlsplit(url).scheme in ("http", "https") and not _is_fragment(document.url, url):
        yield LoadUrl(url)


def _is_fragment(here: str, url: str) -> bool:
    return "#" in url and url.partition("#")[0] == here.partition("#")[0]


def _labelled(document: Document, label: LexborNode) -> LexborNode | None:
    wanted = attributes(label).get("for")
    if wanted:
        return next((each for each in document.parsed.css("input, select, textarea") if each.id == wanted), None)
    return label.css_first("input, select, textarea")
