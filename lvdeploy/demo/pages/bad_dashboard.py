"""The same tab kept only in assigns: the deployment guide's bad example, lost at every deploy."""

from __future__ import annotations

from collections.abc import Mapping

from pyview.live_socket import LiveViewSocket

from lvdeploy.demo.pages.dashboard import TABS, shown
from lvdeploy.demo.pages.page import Assigns, NoSuchEvent, Page


class BadDashboard(Page):
    name = "bad_dashboard"

    def fresh(self) -> Assigns:
        return shown(TABS[0])

    async def handle_event(self, event: str, payload: Mapping[str, str], socket: LiveViewSocket) -> None:
        if event != "select-tab":
            raise NoSuchEvent(event)
        socket.context.update(shown(payload["tab"]))
