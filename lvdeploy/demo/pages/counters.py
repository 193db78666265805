"""A counter kept in three places: in memory, by session at every click, by session at the end of the view."""

from __future__ import annotations

from pyview.live_socket import LiveViewSocket

from lvdeploy.demo.pages.page import Assigns, NoSuchEvent, Page


class Counter(Page):
    """Only in memory: lost at every deploy, and so the control."""

    name = "counter"

    def fresh(self) -> Assigns:
        return {"count": 0, "restored": 0}

    async def handle_event(self, event: str, socket: LiveViewSocket) -> None:
        match event:
            case "inc":
                socket.context["count"] += 1
            case "dec":
                socket.context["count"] -= 1
            case _:
                raise NoSuchEvent(event)


class SavedCounter(Counter):
    """Saved by session id at every click."""

    kind = "saved"

    def fresh(self) -> Assigns:
        count = self.services.storage.counter(self.kind, self.sid)
        return {"count": count, "restored": count}

    async def handle_event(self, event: str, socket: LiveViewSocket) -> None:
        await super().handle_event(event, socket)
        self.save(socket)

    def save(self, socket: LiveViewSocket) -> None:
        self.services.storage.save_counter(self.kind, self.sid, socket.context["count"])


class ShutdownCounter(SavedCounter):
    """Saved when the view ends in good order (terminate/2 in Phoenix): a drain keeps it, a kill does not."""

    kind = "shutdown"

    async def handle_event(self, event: str, socket: LiveViewSocket) -> None:
        await Counter.handle_event(self, event, socket)

    async def disconnect(self, socket: LiveViewSocket) -> None:
        # A view that never clicked has nothing to say, and must not undo what another tab saved.
        if socket.context["count"] != socket.context["restored"]:
            self.save(socket)
