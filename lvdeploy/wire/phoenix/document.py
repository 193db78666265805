"""The page put together as its user sees it: elements, forms, and whose events go where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from lvdeploy.wire.phoenix import controls
from lvdeploy.wire.phoenix.controls import Control, attributes
from lvdeploy.wire.phoenix.encoding import FormState
from lvdeploy.wire.phoenix.inputs import Inputs
from lvdeploy.wire.session import CannotAct, Found

Context: TypeAlias = int | LexborNode
"""What an event is aimed at: a component by its cid, or an element."""

_CONTROLS: Final = ("input", "select", "textarea", "button")

_CID: Final = re.compile(r"0|[1-9]\d*")


@dataclass(slots=True)
class Document:
    """One parse of the page, with the user's own state laid over it."""

    parsed: LexborHTMLParser
    inputs: Inputs
    url: str
    main: str | None

    def css(self, selector: str) -> list[LexborNode]:
        """Return what a selector finds, in document order. Raises ``CannotAct`` if it is no selector."""
        try:
            return self.parsed.css(selector)
        except SelectolaxError:
            raise CannotAct(f"{selector!r} is not a CSS selector") from None

    def one(self, selector: str) -> LexborNode:
        """Return the one element a selector finds. Raises ``CannotAct`` if it finds none or several."""
        found = self.css(selector)
        if not found:
            raise CannotAct(f"{selector!r} finds nothing on {self.url}")
        if len(found) > 1:
            raise CannotAct(f"{selector!r} finds {len(found)} elements on {self.url}; say which")
        return found[0]

    def found(self, nodes: Iterable[LexborNode]) -> Iterator[Found]:
        """Return elements as a user sees them; each form is read once, however many of its controls there are."""
        forms: dict[int, dict[int, Control]] = {}
        for node in nodes:
            control = self._control_among(node, forms) if node.tag in _CONTROLS else None
            text = " ".join(node.text().split())
            yield Found(text, attributes(node), control.seen if control is not None else None)

    # Forms

    def form_key(self, form: LexborNode) -> str:
        """Name a form by its id, or by its place among the page's forms."""
        if form.id:
            return form.id
        place = next((at for at, each in enumerate(self.parsed.css("form")) if each.mem_id == form.mem_id), 0)
        return f"#{place}"

    def form(self, node: LexborNode) -> FormState:
        key = self.form_key(node)
        nodes = controls.controls_of(self.parsed, node)
        return FormState(
            key,
            attributes(node),
            tuple(controls.read(nodes, self.inputs.of(key))),
            frozenset(self.inputs.used.get(key, ())),
            key in self.inputs.submitted,
        )

    def control(self, node: LexborNode) -> Control:
        """Read one control, with what the user typed if it stands in a form."""
        return self._control_among(node, {})

    def _control_among(self, node: LexborNode, forms: dict[int, dict[int, Control]]) -> Control:
        form = controls.form_of(self.parsed, node)
        if form is None:
            return controls.read([node], {})[0]
        if form.mem_id not in forms:
            nodes = controls.controls_of(self.parsed, form)
            read = controls.read(nodes, self.inputs.of(self.form_key(form)))
            forms[form.mem_id] = {each.mem_id: control for each, control in zip(nodes, read, strict=True)}
        return forms[form.mem_id][node.mem_id]

    # Whose event it is

    def targets(self, source: LexborNode, target: object) -> Iterator[tuple[str, Context]]:
        """
        Say where an event goes: the view, and what it is aimed at there.

        ``target`` is a phx-target: a cid, a selector, or None for the source's own view. A component that
        is not there gets nothing, as in view.ts withinTargets.
        """
        view = controls.view_of(source)
        cid = read_cid(target)
        if target is None:
            if view is not None:
                yield view, source
        elif cid is not None:
            if view is not None and self._has_component(view, cid):
                yield view, cid
        else:
            for node in self.css(str(target)):
                owner = controls.view_of(node)
                if owner is not None:
                    yield owner, node

    def _has_component(self, view: str, cid: int) -> bool:
        return any(controls.view_of(node) == view for node in self.parsed.css(f'[data-phx-component="{cid}"]'))


def read_cid(target: object) -> int | None:
    """Return the cid that a target is, if it is one; phoenix_live_view utils isCid."""
    if isinstance(target, int):
        return target
    return int(target) if isinstance(target, str) and _CID.fullmatch(target) else None


def component_of(element: LexborNode, context: Context, target: object) -> int | None:
    """
    Return the cid that an event carries; view.ts targetComponentID.

    ``target`` is what a command asked for; otherwise the element's own phx-target counts.
    """
    if isinstance(context, int):
        return context
    wanted = target if target is not None else attributes(element).get("phx-target")
    if wanted is None:
        return None
    cid = read_cid(wanted)
    if cid is not None:
        return cid
    component = controls.closest(context, "data-phx-component")
    return read_cid(attributes(component)["data-phx-component"]) if component is not None else None
