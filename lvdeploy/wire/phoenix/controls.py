"""The controls of a form, with the values that the page gives them and the user gave them since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from selectolax.lexbor import LexborHTMLParser, LexborNode

Sort: TypeAlias = Literal["text", "box", "select", "button", "file"]

_BOXES: Final = ("checkbox", "radio")
_BUTTONS: Final = ("submit", "button", "reset", "image")
_CONTROLS: Final = "input, select, textarea, button"


@dataclass(frozen=True, slots=True)
class Control:
    """
    An input, select, textarea or button as it stands.

    ``value`` is the text of a text, what a box stands for, and a select's first choice. ``chosen`` are a
    select's chosen values that may be submitted. ``at`` counts the texts of one name in a form.
    """

    sort: Sort
    type: str
    name: str
    attributes: Mapping[str, str]
    value: str
    checked: bool
    chosen: tuple[str, ...]
    disabled: bool
    at: int

    @property
    def submits(self) -> bool:
        return self.type in ("submit", "image")

    @property
    def seen(self) -> str | None:
        """What a user sees in it; None for a box that is not ticked."""
        if self.sort == "box":
            return self.value if self.checked else None
        return ", ".join(self.chosen) if self.type == "select-multiple" else self.value


@dataclass(frozen=True, slots=True)
class Typed:
    """
    What the user put into the controls of one name: texts by position, or everything ticked or chosen.

    ``roots`` are the ids of the roots around it, innermost first: the page asks whether a diff reaches
    it. ``fixed`` if it stands where no diff reaches. ``stale`` once a diff came while the form was locked.
    """

    sort: Sort
    values: tuple[str | None, ...]
    view: str
    roots: tuple[str, ...]
    fixed: bool = False
    stale: bool = False


def attributes(node: LexborNode) -> dict[str, str]:
    return {name: value or "" for name, value in node.attributes.items()}


def ancestors(node: LexborNode) -> Iterator[LexborNode]:
    """The element itself, then those around it."""
    at: LexborNode | None = node
    while at is not None and at.is_element_node:
        yield at
        at = at.parent


def closest(node: LexborNode, attribute: str) -> LexborNode | None:
    """Return the nearest element, the node included, that has the attribute."""
    return next((each for each in ancestors(node) if attribute in each.attributes), None)


def view_of(node: LexborNode) -> str | None:
    """Return the id of the view that owns an element."""
    container = closest(node, "data-phx-session")
    return container.id if container is not None else None


def controls_of(document: LexborHTMLParser, form: LexborNode) -> list[LexborNode]:
    """Return a form's controls in tree order, those outside it that name it by ``form=`` included."""
    return [node for node in document.css(_CONTROLS) if _is_owner(document, form, node)]


def form_of(document: LexborHTMLParser, control: LexborNode) -> LexborNode | None:
    """Return the form that a control belongs to."""
    named = control.attributes.get("form")
    if named is not None:
        return next((form for form in document.css("form") if form.id == named), None)
    return next((each for each in ancestors(control) if each.tag == "form"), None)


def read(nodes: Sequence[LexborNode], typed: Mapping[str, Typed]) -> list[Control]:
    """Read a form's controls, each with what the user typed under its name."""
    controls: list[Control] = []
    counts: dict[str, int] = {}
    for node in nodes:
        given = attributes(node)
        name, sort = given.get("name", ""), _sort(node, given)
        at = counts.get(name, 0) if sort == "text" else 0
        if sort == "text" and given.get("type", "").lower() != "hidden":
            counts[name] = at + 1
        controls.append(_control(node, given, sort, typed.get(name), at))
    return controls


def typed_into(node: LexborNode, sort: Sort, values: tuple[str | None, ...]) -> Typed:
    """Say that the user gave a control these values, and which diffs will reach it."""
    around = list(ancestors(node))
    roots = tuple(root for each in around if (root := attributes(each).get("data-phx-id")))
    fixed = any(attributes(each).get("phx-update") == "ignore" for each in around)
    return Typed(sort, values, view_of(node) or "", roots, fixed)


def _is_owner(document: LexborHTMLParser, form: LexborNode, node: LexborNode) -> bool:
    owner = form_of(document, node)
    return owner is not None and owner.mem_id == form.mem_id


def _sort(node: LexborNode, given: Mapping[str, str]) -> Sort:
    if node.tag in ("select", "button"):
        return "select" if node.tag == "select" else "button"
    kind = given.get("type", "").lower() if node.tag == "input" else ""
    if kind in _BOXES:
        return "box"
    if kind in _BUTTONS:
        return "button"
    return "file" if kind == "file" else "text"


def _control(node: LexborNode, given: dict[str, str], sort: Sort, typed: Typed | None, at: int) -> Control:
    name, kind = given.get("name", ""), _type(node, given)
    mine = typed if typed is not None and typed.sort == sort and kind != "hidden" else None
    value, checked = _value(node, given, kind), "checked" in given
    chosen: tuple[str, ...] = ()
    if sort == "select":
        chosen = _chosen(node, multiple=kind == "select-multiple", mine=mine)
        value = chosen[0] if chosen else ""
    elif sort == "box" and mine is not None:
        checked = value in mine.values
    elif sort == "text" and mine is not None and at < len(mine.values):
        value = mine.values[at] or "" if mine.values[at] is not None else value
    return Control(sort, kind, name, given, value, checked, chosen, _is_disabled(node), at)


def _type(node: LexborNode, given: Mapping[str, str]) -> str:
    if node.tag == "select":
        return "select-multiple" if "multiple" in given else "select-one"
    if node.tag == "textarea":
        return "textarea"
    kind = given.get("type", "").lower()
    if node.tag == "button":
        return kind if kind in ("button", "reset") else "submit"
    return kind or "text"


def _value(node: LexborNode, given: Mapping[str, str], kind: str) -> str:
    if kind == "textarea":
        return node.text().replace("\r\n", "\n").replace("\r", "\n")
    return given.get("value", "on" if kind in _BOXES else "")


def _chosen(select: LexborNode, *, multiple: bool, mine: Typed | None) -> tuple[str, ...]:
    options = [
        (option_value(option), "selected" in option.attributes, _is_disabled(option)) for option in select.css("option")
    ]
    picked: list[tuple[str, bool]]
    if mine is not None and (multiple or any(value in mine.values for value, _, _ in options)):
        picked = [(value, off) for value, _, off in options if value in mine.values]
    else:
        picked = [(value, off) for value, selected, off in options if selected]
    if not multiple:
        # a browser shows the last one marked selected, else the first that can be chosen
        first = [(value, False) for value, _, off in options if not off]
        picked = picked[-1:] or first[:1]
    return tuple(value for value, off in picked if not off)


def option_value(option: LexborNode) -> str:
    given = attributes(option)
    return given["value"] if "value" in given else " ".join(option.text().split())


def _is_disabled(node: LexborNode) -> bool:
    if "disabled" in node.attributes:
        return True
    return any(each.tag in ("fieldset", "optgroup") and "disabled" in each.attributes for each in ancestors(node))
