"""The application: pyview with its pages, Phoenix's manners around it, and the endpoints for machines beside."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from pyview import PyView, defaultRootTemplate
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from lvdeploy.demo.endpoints import Endpoints
from lvdeploy.demo.pages import PAGES
from lvdeploy.demo.pages.page import Services
from lvdeploy.demo.phoenix_manners import PhoenixManners
from lvdeploy.demo.rooms import Rooms
from lvdeploy.demo.settings import Settings
from lvdeploy.demo.sockets import Sockets
from lvdeploy.demo.storage import Storage

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


def build(settings: Settings, sockets: Sockets) -> PyView:
    """Assemble it; pyview takes its own secret from PYVIEW_SECRET, which must be ``settings.secret``."""
    storage = Storage(settings.database)
    services = Services(settings, storage, Rooms(storage))

    def routed(path: str) -> bool:
        with suppress(ValueError):
            application.view_lookup.get(path)
            return True
        return False

    application = PyView(
        routes=[*Endpoints(services, sockets).routes(), Mount("/static", StaticFiles(packages=[("pyview", "static")]))],
        middleware=[
            Middleware(SessionMiddleware, secret_key=settings.secret, session_cookie="_demo_key"),
            Middleware(Sessions),
            Middleware(PhoenixManners, sockets=sockets, routed=routed),
        ],
        lifespan=_lifespan(services),
    )
    application.rootTemplate = defaultRootTemplate(title="Demo", title_suffix=" · lvdeploy")
    for path, page in PAGES.items():
        application.add_live_view(path, page.bound(services))
    return application


_FOR_MACHINES = re.compile(r"/(health|version|metrics)$|/(api|admin|static)/")


class Sessions:
    """ASGI middleware: gives every browser that asks for a page a session id, which its views then share."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _FOR_MACHINES.match(scope["path"]):
            scope["session"].setdefault("sid", secrets.token_hex(8))
        await self._app(scope, receive, send)


def _lifespan(services: Services) -> Callable[[PyView], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: PyView) -> AsyncIterator[None]:
        polling = asyncio.create_task(services.rooms.run())
        await asyncio.sleep(0)  # the first look, so that pubsub is healthy from the beginning
        yield
        polling.cancel()
        services.storage.close()

    return lifespan
