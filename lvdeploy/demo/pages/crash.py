"""A page whose view crashes when asked to."""

from __future__ import annotations

from pyview.live_socket import LiveViewSocket

from lvdeploy.demo.pages.counters import Counter


class Crash(Counter):
    name = "crash"

    async def handle_event(self, event: str, socket: LiveViewSocket) -> None:
        if event == "crash":
            raise RuntimeError("asked to crash")
        await super().handle_event(event, socket)
