"""A chat whose messages, and the last one each user has read, are in the database that all instances share."""

from __future__ import annotations

from collections.abc import Mapping

from pyview import Stream
from pyview.live_socket import LiveViewSocket

from lvdeploy.demo.pages.page import Assigns, NoSuchEvent, Page, field
from lvdeploy.demo.storage import Message

_LONGEST = 1000


class Chat(Page):
    name = "chat"

    def __init__(self) -> None:
        super().__init__()
        self._room = ""
        self._user = ""
        self._newest = 0

    def fresh(self) -> Assigns:
        return {"messages": Stream(name="messages"), "draft": "", "sent": 0}

    async def handle_params(self, socket: LiveViewSocket, params: dict[str, list[str]], room: str) -> None:
        self._leave()
        self._room, self._user, self._newest = room, params.get("user", [""])[-1] or self.sid, 0
        socket.context.update(room=self._room, user=self._user)
        self._look(socket)
        if socket.connected:
            self.services.rooms.join(self._room, self, lambda: self._changed(socket))

    async def handle_event(self, event: str, payload: Mapping[str, object], socket: LiveViewSocket) -> None:
        match event, payload:
            case "send", {"msg[text]": [str() as text]}:
                self.services.storage.post(self._room, self._user, text[:_LONGEST])
                socket.context.update(draft="", sent=socket.context["sent"] + 1)
            case "typing" | "send", _:
                socket.context.update(draft=field(payload, "msg[text]"))  # type: ignore[arg-type]  # a form's fields
            case "read", {"id": str() as message}:
                self.services.storage.mark_read(self._room, self._user, int(message))
            case _:
                raise NoSuchEvent(event)
        self._look(socket)

    async def disconnect(self, socket: LiveViewSocket) -> None:  # noqa: ARG002 - pyview's signature
        self._leave()

    async def handle_info(self, event: object, socket: LiveViewSocket) -> None:  # noqa: ARG002 - pyview's signature
        self._look(socket)

    async def _changed(self, socket: LiveViewSocket) -> None:
        await socket.send_info(None)

    def _look(self, socket: LiveViewSocket) -> None:
        """Show what the database holds now, whoever put it there."""
        storage = self.services.storage
        messages: list[Message] = storage.messages(self._room, after=self._newest)
        for message in messages:
            socket.context["messages"].insert(message)
            self._newest = message.id
        socket.context.update(
            last_read=storage.last_read(self._room, self._user), unread=storage.unread(self._room, self._user)
        )

    def _leave(self) -> None:
        self.services.rooms.leave(self._room, self)
