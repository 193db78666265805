"""What is asked of the application by machines: health, version, notes, metrics, and to drain."""

from __future__ import annotations

import hmac
import json
import sqlite3
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lvdeploy.demo.pages.page import Services
from lvdeploy.demo.settings import Break
from lvdeploy.demo.sockets import SERVICE_RESTART, Sockets

_LARGEST_NOTE = 4096
_MOST_NOTES = 100_000
_LOOPBACK = ("127.0.0.1", "::1")


class Endpoints:
    def __init__(self, services: Services, sockets: Sockets) -> None:
        self._services = services
        self._settings = services.settings
        self._sockets = sockets

    def routes(self) -> list[Route]:
        return [
            Route("/health", self.health),
            Route("/version", self.version),
            Route("/metrics", self.metrics),
            Route("/api/notes", self.notes, methods=["GET"]),
            Route("/api/notes", self.add_note, methods=["POST"]),
            Route("/admin/drain", self.drain, methods=["POST"]),
        ]

    async def health(self, _: Request) -> Response:
        checks = self._checks()
        failing = any(result != "ok" for result in checks.values())
        status = "draining" if self._sockets.draining else "unhealthy" if failing else "healthy"
        body = {"status": status, **self._who(), "checks": checks}
        return JSONResponse(body, status_code=200 if status == "healthy" else 503)

    async def version(self, _: Request) -> Response:
        return JSONResponse(self._who())

    async def metrics(self, _: Request) -> Response:
        return JSONResponse({
            **self._who(), "live_views": self._sockets.views, "sockets": len(self._sockets),
            "sockets_opened_total": self._sockets.opened,
        })

    async def notes(self, request: Request) -> Response:
        """Return the newest notes' ids, oldest first, one for each time they came."""
        after = _number(request.query_params.get("since", "0"))
        if after is None:
            return _refusal(400, "since should be a whole number from 0")
        ids, last = self._services.storage.notes(after=after, limit=_MOST_NOTES)
        return JSONResponse({"ids": ids, "last": last})

    async def add_note(self, request: Request) -> Response:
        body = await _bounded(request, _LARGEST_NOTE)
        if body is None:
            return _refusal(413, f"a note is at most {_LARGEST_NOTE} bytes")
        match _json(body):
            case {"id": str() as note, **rest} if note and isinstance(text := rest.get("text", ""), str):
                times = self._services.storage.add_note(note, text)
                return JSONResponse({"id": note, "times": times}, status_code=201)
        return _refusal(400, 'a note is {"id": text, "text": text}')

    async def drain(self, request: Request) -> Response:
        """Close so many sockets with 1012, each view saved first, and say how many are left."""
        if refusal := self._forbidden(request):
            return refusal
        count = _number(request.query_params.get("count", "0"))
        if count is None:
            return _refusal(400, "count should be a whole number from 0")
        self._sockets.draining = True
        await self._sockets.close(SERVICE_RESTART, count=count)
        return JSONResponse({"left": len(self._sockets)})

    def _forbidden(self, request: Request) -> Response | None:
        # A balancer on this machine would make every user's request come from loopback.
        if request.client is None or request.client.host not in _LOOPBACK or "x-forwarded-for" in request.headers:
            return _refusal(403, "only from this machine, and not through a proxy")
        wanted = f"Bearer {self._settings.admin_token}"
        given = request.headers.get("authorization", "")
        if not self._settings.admin_token or not hmac.compare_digest(given.encode(), wanted.encode()):
            return _refusal(403, "the bearer token is not DEMO_TOKEN")
        return None

    def _who(self) -> dict[str, str]:
        return {"version": self._settings.version, "instance": self._settings.instance}

    def _checks(self) -> Mapping[str, str]:
        return {
            "database": self._database(),
            "pubsub": "ok" if self._services.rooms.working else "no look at the changes for 5 s",
        }

    def _database(self) -> str:
        if self._settings.breakage is Break.HEALTH:
            return f"version {self._settings.version} wants a column users.phone, which is not there"
        try:
            self._services.storage.check()
        except sqlite3.Error as error:
            return str(error)
        return "ok"


def _refusal(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status_code=status)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


async def _bounded(request: Request, limit: int) -> bytes | None:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
