"""The kept things of a scenario as they are seen on a page: remembered, fresh, and found again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from lvdeploy.model import StateClass
from lvdeploy.scenario.steps import Keep, Names
from lvdeploy.wire.session import Found, Session

Seen: TypeAlias = Mapping[str, str | None]
"""Each kept thing's value by its name; ``None`` where the page does not show it."""

LONGEST = 200


def look_for(session: Session, keep: Sequence[Keep], names: Names) -> Seen:
    """Look for every kept thing on the page as the user sees it now."""
    return {each.name: _value(each, session.look(names.fill(each.selector))) for each in keep}


def shorten(value: str) -> str:
    """Cut a long value, so that two cut ones are equal only when the whole ones are."""
    if len(value) <= LONGEST:
        return value
    digest = hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()[:12]
    return f"{value[: LONGEST - 50]}… ({len(value)} characters, sha256 {digest})"


def words(text: str) -> str:
    """Collapse white space as a browser shows it."""
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class Memory:
    """What a client holds: its kept things as a fresh mount showed them, and as they were last seen."""

    keep: tuple[Keep, ...]
    fresh: Seen
    had: Seen

    @property
    def held(self) -> frozenset[str]:
        """Return the names of what is there and is not as a fresh mount has it."""
        return frozenset(
            name for name, value in self.had.items() if value is not None and value != self.fresh.get(name)
        )

    def wanted(self, found: Seen, *, crossed: bool) -> Seen:
        """
        Return what must be found; ``crossed`` when another version answers than before.

        Of what grows, the greater number that was ``found`` is as good as the one that was had.
        """
        wanted = {each.name: _migrated(each, self.had.get(each.name), crossed=crossed) for each in self.keep}
        grown = {each.name for each in self.keep if each.grows and _no_less(found.get(each.name), wanted[each.name])}
        return wanted | {name: found[name] for name in grown}

    def missing(self, found: Seen, *, crossed: bool) -> frozenset[str]:
        """Return the names that are held, can be recovered, and are not found as wanted."""
        wanted = self.wanted(found, crossed=crossed)
        recoverable = {each.name for each in self.keep if not each.accept and each.state_class != StateClass.MEMORY}
        return frozenset(name for name in self.held & recoverable if found.get(name) != wanted[name])

    def described(self) -> dict[str, dict[str, object]]:
        """Return it as the detail of a ``ready``."""
        return {
            each.name: {
                "class": each.state_class.value,
                "had": self.had.get(each.name),
                "fresh": self.fresh.get(each.name),
                "accepted": each.accept is not None,
            }
            for each in self.keep
        }

    def compared(self, found: Seen, *, crossed: bool) -> dict[str, dict[str, object]]:
        """Return it as the detail of a ``back``: what was had, wanted and found."""
        wanted = self.wanted(found, crossed=crossed)
        return {
            name: {**entry, "wanted": wanted[name], "found": found.get(name)}
            for name, entry in self.described().items()
        }


# Private


def _value(keep: Keep, found: Sequence[Found]) -> str | None:
    if not found:
        return None
    first = found[0]
    if keep.attribute is not None:
        value = first.attributes.get(keep.attribute)
    else:
        value = first.value if keep.value else words(first.text)
    return None if value is None else shorten(value)


def _no_less(found: str | None, had: str | None) -> bool:
    return found is not None and had is not None and found.isdecimal() and had.isdecimal() and int(found) >= int(had)


def _migrated(keep: Keep, had: str | None, *, crossed: bool) -> str | None:
    if had is None or keep.migrates is None or not crossed:
        return had
    return had.replace(keep.migrates.before, keep.migrates.after)
