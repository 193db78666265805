"""A tab kept in the URL: it is back wherever the page is mounted again."""

from __future__ import annotations

from pyview.live_socket import LiveViewSocket

from lvdeploy.demo.pages.page import Assigns, NoSuchEvent, Page

TABS = ("overview", "settings", "billing")


class Dashboard(Page):
    name = "dashboard"

    def fresh(self) -> Assigns:
        return {"clicks": 0}

    async def handle_params(self, socket: LiveViewSocket, params: dict[str, list[str]]) -> None:
        socket.context.update(shown(params.get("tab", [""])[-1]))

    async def handle_event(self, event: str, socket: LiveViewSocket) -> None:
        if event != "click":
            raise NoSuchEvent(event)
        socket.context["clicks"] += 1


def shown(tab: str) -> Assigns:
    """Assigns for a tab, the first one where there is no such tab."""
    chosen = tab if tab in TABS else TABS[0]
    return {"tab": chosen, **{f"{each}_class": "tab active" if each == chosen else "tab" for each in TABS}}
