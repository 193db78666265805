"""How a form becomes the urlencoded text of an event."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus

from lvdeploy.wire.phoenix.bindings import JavaScript
from lvdeploy.wire.phoenix.controls import Control


@dataclass(frozen=True, slots=True)
class FormState:
    """
    A form as it stands, apart from any page: enough to serialize it, now or after a rejoin.

    ``used`` are the names the user touched; ``submitted`` if it was submitted, which uses them all.
    """

    key: str
    attributes: Mapping[str, str]
    controls: tuple[Control, ...]
    used: frozenset[str]
    submitted: bool

    @property
    def id(self) -> str:
        return self.attributes.get("id", "")

    def values(self) -> dict[str, str]:
        """Return its phx-value-* attributes, the prefix cut off."""
        return phx_values(self.attributes)


def phx_values(attributes: Mapping[str, str]) -> dict[str, str]:
    prefix = "phx-value-"
    return {name.removeprefix(prefix): value for name, value in attributes.items() if name.startswith(prefix)}


def entries(form: FormState, submitter: Control | None = None, *, last: bool = False) -> list[tuple[str, str]]:
    """
    Return the form's data set as FormData has it: (name, value) in tree order, files left out.

    The submitter's pair stands where the button stands, or at the end where ``last``.
    """
    pairs: list[tuple[str, str]] = []
    for control in form.controls:
        if control is submitter:
            if control.name and not last:
                pairs.append((control.name, control.value))
        elif control.name and not control.disabled:
            pairs.extend((control.name, value) for value in _successful(control))
    if submitter is not None and submitter.name and (last or not any(each is submitter for each in form.controls)):
        pairs.append((submitter.name, submitter.value))
    return pairs


def serialize(
    form: FormState,
    *,
    javascript: JavaScript,
    submitter: Control | None = None,
    only: str | None = None,
    meta: Mapping[str, object] | None = None,
) -> str:
    """
    Encode a form as phoenix_live_view's serializeForm does.

    ``only`` keeps the pairs of one name. ``meta`` is appended by versions up to 1.0.5.
    """
    # 0.20.1 appends the submitter; from 1.0 on it is injected at its place in the DOM
    old = javascript < (1, 0, 0)
    unused = frozenset[str]() if old else _unused(form)
    pairs: list[tuple[str, str]] = []
    for name, value in entries(form, submitter, last=old):
        if only is not None and name != only:
            continue
        if name in unused and not (submitter is not None and submitter.name == name):
            pairs.append((unused_key(name), ""))
        pairs.append((name, value))
    if javascript <= (1, 0, 5):
        pairs.extend((name, str(value)) for name, value in (meta or {}).items())
    return urlencode(pairs)


def urlencode(pairs: Iterable[tuple[str, str]]) -> str:
    """Encode as URLSearchParams does: a space is a plus, and only ``*-._`` stay beside letters and digits."""
    return "&".join(f"{_quote(name)}={_quote(value)}" for name, value in pairs)


def unused_key(name: str) -> str:
    """Prefix the last part of a name: ``user[name]`` to ``user[_unused_name]``."""
    base = name.removesuffix("[]")
    return re.sub(r"([^\[\]]+)(\]?$)", r"_unused_\1\2", base, count=1) + name[len(base) :]


def _successful(control: Control) -> Sequence[str]:
    if control.sort == "select":
        return control.chosen
    if control.sort == "box":
        return (control.value,) if control.checked else ()
    return (control.value,) if control.sort == "text" else ()


def _unused(form: FormState) -> frozenset[str]:
    """Names none of whose inputs were used and not all of which are hidden."""
    if form.submitted or "phx-no-unused-field" in form.attributes:
        return frozenset()
    named = [control for control in form.controls if control.name]
    shown = {control.name for control in named if control.type != "hidden"}
    exempt = {control.name for control in named if "phx-no-unused-field" in control.attributes}
    return frozenset(shown - exempt - form.used)


def _quote(text: str) -> str:
    return quote_plus(text, safe="*", errors="replace").replace("~", "%7E")
