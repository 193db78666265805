"""State that a version wrote and the next one must read: stored by session, with the version of its writer."""

from __future__ import annotations

from pyview.live_socket import LiveViewSocket

from lvdeploy.demo.pages.page import Assigns, Fields, NoSuchEvent, Page, field
from lvdeploy.demo.storage import Profile

EMPTY = {"name": ""}


class Versioned(Page):
    """``data-migration`` is fresh, none, migrated, or unsupported where a newer version wrote the state."""

    name = "versioned"

    def fresh(self) -> Assigns:
        ours = self.services.settings.state_version
        migration, state = migrated(self.services.storage.profile(self.sid), ours)
        return {"state_version": ours, "migration": migration, "vname": state["name"]}

    async def handle_event(self, event: str, payload: Fields, socket: LiveViewSocket) -> None:
        if event != "set":
            raise NoSuchEvent(event)
        ours = self.services.settings.state_version
        name = field(payload, "name")
        state = {"name": name, "greeting": f"Hello {name}"} if ours == "2.0" else {"name": name}
        self.services.storage.save_profile(self.sid, Profile(ours, state))
        socket.context.update(vname=name, migration="none")


def migrated(profile: Profile | None, ours: str) -> tuple[str, dict[str, str]]:
    """
    Return what became of a stored state for our version, and the state.

    A migrated state stays stored as it was until the next change, so that the old version can still
    read it after a rollback.
    """
    match (profile.state_version if profile else None), ours:
        case None, _:
            return "fresh", EMPTY
        case "1.0", "2.0":
            assert profile is not None  # noqa: S101 - the state has a version
            return "migrated", {**profile.state, "greeting": f"Hello {profile.state['name']}"}
        case theirs, _ if theirs == ours and profile is not None:
            return "none", profile.state
    return "unsupported", EMPTY
