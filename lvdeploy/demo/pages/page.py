"""What every page shares: its frame, the user it belongs to, and the faults of a bad release."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self, TypeAlias

from pyview import LiveView
from pyview.live_socket import LiveViewSocket
from pyview.template import LiveRender, LiveTemplate
from pyview.vendor.ibis import Template

from lvdeploy.demo.rooms import Rooms
from lvdeploy.demo.settings import Break, Settings
from lvdeploy.demo.storage import Storage

Assigns: TypeAlias = dict[str, object]
Fields: TypeAlias = Mapping[str, list[str]]
"""A form as it came: pyview leaves out what is empty, so a missing name is an emptied one."""

_SLOW = 7.0
"""Seconds a connected mount of a slow release takes."""

_TOP = """<header id="hdr"><a href="/" id="home" data-phx-link="redirect" data-phx-link-state="push">home</a></header>
<main id="app" data-app-version="{{ app_version }}" data-instance="{{ app_instance }}" \
data-connected="{{ connected }}" data-sid="{{ sid }}" data-view="{{ view }}">
"""
_BOTTOM = "\n</main>"


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    storage: Storage
    rooms: Rooms


class Page(LiveView):  # type: ignore[misc]  # pyview has no types
    """A page with a template ``<name>.html`` beside it; ``fresh`` gives what a first mount shows."""

    name: ClassVar[str]
    services: ClassVar[Services]

    def __init__(self) -> None:
        super().__init__()
        self.sid = ""

    @classmethod
    def bound(cls, services: Services) -> type[Self]:
        """Return the page for one application; pyview makes instances without arguments."""
        return type(cls.__name__, (cls,), {"services": services, "__module__": cls.__module__})

    def fresh(self) -> Assigns:
        return {}

    async def mount(self, socket: LiveViewSocket, session: dict[str, str]) -> None:
        if socket.connected:
            await self._misbehave()
        self.sid = session["sid"]
        settings = self.services.settings
        socket.context = {
            "app_version": settings.version, "app_instance": settings.instance, "sid": self.sid,
            "connected": "true" if socket.connected else "false", "view": type(self).__name__, **self.fresh(),
        }

    async def render(self, assigns: Assigns, meta: object) -> LiveRender:
        return LiveRender(_template(self.name), assigns, meta)

    async def _misbehave(self) -> None:
        match self.services.settings.breakage:
            case Break.MOUNT:
                raise RuntimeError("this release cannot mount its views")
            case Break.SLOW:
                await asyncio.sleep(_SLOW)


class NoSuchEvent(Exception):
    """The page has no such event; a view that gets one crashes, as in Phoenix."""


def field(fields: Fields, name: str) -> str:
    """Return a form field's last value, empty where the user emptied it."""
    return fields.get(name, [""])[-1]


def _compiled() -> Callable[[str], LiveTemplate]:
    templates: dict[str, LiveTemplate] = {}

    def template(name: str) -> LiveTemplate:
        if name not in templates:
            body = (Path(__file__).parent / f"{name}.html").read_text(encoding="utf-8")
            templates[name] = LiveTemplate(Template(_TOP + body.strip() + _BOTTOM, template_id=name))
        return templates[name]

    return template


_template = _compiled()
