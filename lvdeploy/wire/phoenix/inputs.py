"""What the user did to a page's inputs, kept apart from its HTML: typed, touched, focused, in flight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lvdeploy.wire.phoenix.controls import Typed
from lvdeploy.wire.phoenix.rendered import Changes
from lvdeploy.wire.phoenix.tree import magic_id


@dataclass(slots=True)
class Inputs:
    """
    The user's own state, by form and name.

    A browser keeps a typed value until the server's next diff reaches the input, unless it has the
    focus; while a form's event is in flight, its diffs wait for the reply.
    """

    typed: dict[str, dict[str, Typed]] = field(default_factory=dict)
    used: dict[str, set[str]] = field(default_factory=dict)
    submitted: set[str] = field(default_factory=set)
    focus: tuple[str, str] | None = None
    locks: dict[str, tuple[int, str]] = field(default_factory=dict)
    serial: int = 0

    def of(self, form: str) -> Mapping[str, Typed]:
        return self.typed.get(form, {})

    def set(self, form: str, name: str, typed: Typed) -> None:
        """The user changed an input: it is used now, and has the focus."""
        self.typed.setdefault(form, {})[name] = typed
        self.used.setdefault(form, set()).add(name)
        self.focus = (form, name)

    def lock(self, form: str, view: str) -> int:
        """An event of the form leaves; return the number its acknowledgement brings back."""
        self.serial += 1
        self.locks[form] = (self.serial, view)
        return self.serial

    def unlock(self, serial: int) -> bool:
        """The event was answered: what came meanwhile takes effect, unless a later event is in flight."""
        form = next((form for form, (number, _) in self.locks.items() if number == serial), None)
        if form is None:
            return False
        del self.locks[form]
        for name, typed in list(self.of(form).items()):
            if typed.stale and self.focus != (form, name):
                del self.typed[form][name]
        return True

    def overwritten(self, view: str, changes: Changes | None) -> None:
        """A view was patched with ``changes``, or joined (None): typed values it reaches are the server's again."""
        if changes is None:
            self.locks = {form: lock for form, lock in self.locks.items() if lock[1] != view}
        reached = frozenset(magic_id(path, view) for path in changes.roots) if changes is not None else None
        for form, names in self.typed.items():
            for name, typed in list(names.items()):
                if typed.view != view or typed.fixed or not _reaches(changes, reached, typed.roots):
                    continue
                if form in self.locks:
                    names[name] = replace(typed, stale=True)
                elif self.focus != (form, name):
                    del names[name]

    def forget(self, view: str) -> None:
        """A view was left: nothing of what was done in it remains."""
        gone = [form for form, names in self.typed.items() if any(typed.view == view for typed in names.values())]
        for form in gone:
            del self.typed[form]
            self.used.pop(form, None)
        self.submitted.clear()
        self.focus = None
        self.locks = {form: lock for form, lock in self.locks.items() if lock[1] != view}


def _reaches(changes: Changes | None, reached: frozenset[str] | None, roots: tuple[str, ...]) -> bool:
    # rendered.js: a root that was not merged into is sent as data-phx-skip, and nothing inside it is patched;
    # a diff of components only patches those components and nothing around them
    if changes is None or reached is None:
        return True
    for root in roots:
        if root not in reached:
            return False
        if changes.components_only and root.startswith("c"):
            return True
    return not changes.components_only
