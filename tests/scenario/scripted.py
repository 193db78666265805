"""A session without a service: the test says what happens and what is on the page."""

from __future__ import annotations

from dataclasses import dataclass, field

from lvdeploy.model import Kind
from lvdeploy.wire.session import Action, CannotAct, Effect, Found, Input, Observe, Opened


@dataclass
class Scripted:
    """
    ``page`` maps selectors to what they find.

    ``next`` are the effects of the next input; ``idle_next`` and ``forgets`` what becomes of idle and page as it
    is handed in. ``answers`` says whether actions are answered at once.
    """

    page: dict[str, Found] = field(default_factory=dict)
    idle: bool = False
    wake_at: float | None = None
    url: str = "http://127.0.0.1/"
    acted: list[Action] = field(default_factory=list)
    handled: list[Input] = field(default_factory=list)
    answers: bool = True
    next: list[Effect] = field(default_factory=list)
    idle_next: bool | None = None
    forgets: bool = False

    def begin(self, now: float) -> list[Effect]:
        return [Observe(Kind.PAGE_LOADED, 0.1, {"reason": "first", "instance": "web-1", "version": "1"})]

    def act(self, action: Action, now: float) -> list[Effect]:
        if not self.idle:
            raise CannotAct("not connected")
        self.acted.append(action)
        self.idle = self.answers
        return []

    def handle(self, event: Input, now: float) -> list[Effect]:
        self.handled.append(event)
        effects, self.next = self.next, []
        self.idle, self.idle_next = self.idle if self.idle_next is None else self.idle_next, None
        if self.forgets:
            self.page.clear()
        return effects

    def look(self, selector: str) -> tuple[Found, ...]:
        return (self.page[selector],) if selector in self.page else ()

    def show(self, selector: str, text: str = "", *, value: str | None = None, **attributes: str) -> None:
        renamed = {name.replace("_", "-"): each for name, each in attributes.items()}
        self.page[selector] = Found(text, renamed, value)


SOMETHING = Opened(())
"""An input whose own meaning does not matter: the script says what the session makes of it."""
