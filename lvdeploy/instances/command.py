"""The command of an instance: a template filled in for one slot and one version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator

from lvdeploy.model import Slot, Version

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(\w+)\}")
_NAMES = ("version", "port", "host", "name")


def known_placeholders(template: str) -> str:
    """Return the template; raises ``ValueError`` for a placeholder nobody fills in."""
    for match in _PLACEHOLDER.finditer(template):
        if match[1] is not None and match[1] not in _NAMES:
            known = ", ".join(f"{{{name}}}" for name in _NAMES)
            raise ValueError(f"unknown placeholder {match[0]}; known are {known}, and {{{{ for a plain {{")
    if "\0" in template:
        raise ValueError("must not hold a NUL character")
    return template


Template = Annotated[str, AfterValidator(known_placeholders)]
"""Text with ``{version}``, ``{port}``, ``{host}``, ``{name}``; ``{{`` and ``}}`` are plain braces."""


def values(slot: Slot, version: Version) -> Mapping[str, str]:
    """Return what each placeholder stands for."""
    return {"version": version, "port": str(slot.port), "host": slot.host, "name": slot.name}


def fill_in(template: str, values: Mapping[str, str]) -> str:
    """Fill in a template once: braces in a value are left as they are."""

    def filled(match: re.Match[str]) -> str:
        return match[0][0] if match[1] is None else values[match[1]]

    return _PLACEHOLDER.sub(filled, template)
