"""What differs between versions of LiveView's JavaScript, as far as a server can see it."""

from __future__ import annotations

import re

from lvdeploy.wire.phoenix.bindings import JavaScript


def version_of(text: object) -> JavaScript | None:
    """Return the version in a ``liveview_version``; ``None`` if there is none."""
    match = re.match(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})", text) if isinstance(text, str) else None
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def counts_attempts(version: JavaScript) -> bool:
    """Return whether join params hold ``_mount_attempts``, and a child gives up after three."""
    return version >= (1, 0, 0)


def tells_sticky(version: JavaScript) -> bool:
    """Return whether join payloads say ``sticky``."""
    return version >= (1, 0, 10)


def sends_null_flash(version: JavaScript) -> bool:
    """Return whether a rejoin says ``flash: null``; later versions leave it out."""
    return version < (1, 2, 0)


def sets_reload_status(version: JavaScript) -> bool:
    """Return whether a mount that failed with a 4xx status leaves its token in a cookie."""
    return version >= (1, 0, 0)


def waits_past_limit(version: JavaScript) -> bool:
    """Return whether it takes one consecutive reload more to enter failsafe mode."""
    return version < (1, 0, 0)


def names_components(version: JavaScript) -> bool:
    """Return whether a component's root without an id is given one: ``<view>-<cid>-<place>``."""
    return version <= (0, 20, 1)
