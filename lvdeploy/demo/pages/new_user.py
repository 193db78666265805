"""A long form and a two-step wizard: what was typed is in the browser, and comes back by form recovery."""

from __future__ import annotations

from pyview.live_socket import LiveViewSocket

from lvdeploy.demo.pages.page import Assigns, Fields, NoSuchEvent, Page, field
from lvdeploy.demo.settings import Break

ROLES = ("viewer", "editor", "admin")
PLANS = ("free", "pro")


class NewUser(Page):
    """Version 2 has a new field, the phone. The third form says that it is not to be recovered."""

    name = "new_user"

    def fresh(self) -> Assigns:
        breakage = self.services.settings.breakage
        return {
            "form_id": "new-user-form" if breakage is Break.FORM_ID else "user-form",
            "change": "check" if breakage is Break.FORM else "validate",
            "has_phone": self.services.settings.major >= 2,
            "validates": 0, "saved": "", "step": "1", "recovered": "false", "a": "", "b": "", "ignored": "",
            **_user({}),
        }

    async def handle_event(self, event: str, payload: Fields, socket: LiveViewSocket) -> None:
        assigns: Assigns = socket.context
        match event:
            case "validate" | "check":
                assigns.update(_user(payload), validates=int(str(assigns["validates"])) + 1)
            case "save":
                self._save(payload, assigns)
            case "validate_wizard":
                assigns.update(a=field(payload, "wizard[a]"), b=field(payload, "wizard[b]"))
            case "wizard_next":
                assigns.update(step="2")
            case "recover_wizard":
                step = "2" if field(payload, "wizard[step]") == "2" else "1"
                assigns.update(
                    step=step, recovered="true", a=field(payload, "wizard[a]"), b=field(payload, "wizard[b]")
                )
            case "validate_ignored":
                assigns.update(ignored=field(payload, "ignored[text]"))
            case _:
                raise NoSuchEvent(event)

    def _save(self, fields: Fields, assigns: Assigns) -> None:
        user = {name: field(fields, f"user[{name}]") for name in ("name", "email", "bio", "role", "plan", "phone")}
        assigns.update(_user(fields))
        if user["email"]:
            self.services.storage.save_user(user["email"], user)
            assigns.update(saved=user["email"])


def _user(fields: Fields) -> Assigns:
    """What the form shows: every value is rendered back, or the next rejoin would recover an empty one."""
    role = field(fields, "user[role]") or ROLES[0]
    plan = field(fields, "user[plan]") or PLANS[0]
    return {
        "user_name": field(fields, "user[name]"),
        "email": field(fields, "user[email]"),
        "bio": field(fields, "user[bio]"),
        "phone": field(fields, "user[phone]"),
        "newsletter": field(fields, "user[newsletter]") == "true",
        **{f"role_{each}": role == each for each in ROLES},
        **{f"plan_{each}": plan == each for each in PLANS},
    }
