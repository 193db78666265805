"""What the application is told by its environment."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Break(StrEnum):
    """
    A way in which a release is bad on purpose.

    mount: every connected mount raises, pages still answer 200. health: never becomes healthy. form: the
    long form's phx-change has another name. form-id: its id has. secret: signs with another secret.
    slow: every connected mount takes seconds. order: its start stops an instance that still has users.
    """

    MOUNT = "mount"
    HEALTH = "health"
    FORM = "form"
    FORM_ID = "form-id"
    SECRET = "secret"
    SLOW = "slow"
    ORDER = "order"


class SettingsError(Exception):
    """The environment does not say what the application needs; the message says what to set."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``drain_pause`` is seconds between the 1012 to everyone and the end of listening."""

    version: str
    instance: str
    database: Path
    secret: str = field(repr=False)
    admin_token: str = field(repr=False)
    drain_pause: float = 0.5
    breakage: Break | None = None

    @property
    def major(self) -> int:
        """The first number of the version; 1 where it has none."""
        number = re.search(r"\d+", self.version)
        return int(number[0]) if number else 1

    @property
    def state_version(self) -> str:
        """The version of what the application stores about a user."""
        return "2.0" if self.major >= 2 else "1.0"


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the settings; raises ``SettingsError``."""
    secret = environment.get("PYVIEW_SECRET") or environment.get("DEMO_SECRET")
    if not secret:
        raise SettingsError("set PYVIEW_SECRET (or DEMO_SECRET) to the same random text for every instance")
    version = environment.get("APP_VERSION") or "1.0"
    breakage = _breakage(environment.get("DEMO_BREAK", ""), version)
    return Settings(
        version=version,
        instance=environment.get("DEMO_INSTANCE") or "demo",
        database=Path(environment.get("DEMO_DATABASE") or "demo.sqlite3"),
        secret=_another(secret, version) if breakage is Break.SECRET else secret,
        admin_token=environment.get("DEMO_TOKEN", ""),
        drain_pause=_seconds("DEMO_DRAIN_PAUSE", environment.get("DEMO_DRAIN_PAUSE") or "0.5"),
        breakage=breakage,
    )


def _breakage(text: str, version: str) -> Break | None:
    """Read ``mount``, or ``2.0:mount`` for that version only, as every version may get one environment."""
    if not text:
        return None
    meant, _, name = text.rpartition(":")
    try:
        breakage = Break(name)
    except ValueError:
        raise SettingsError(
            f"DEMO_BREAK is {text!r}; it may be one of {', '.join(Break)}, for one version only as 2.0:{Break.MOUNT}"
        ) from None
    return breakage if meant in ("", version) else None


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 60:
        raise SettingsError(f"{name} is {text!r}; it should be seconds from 0 to 60")
    return seconds


def _another(secret: str, version: str) -> str:
    return hashlib.sha256(f"{secret} of {version}".encode()).hexdigest()
