"""Steps performed on a session, one after the other, each within its deadline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lvdeploy.model import Kind
from lvdeploy.scenario.keeping import shorten, words
from lvdeploy.scenario.steps import ChangeStep, ExpectStep, InputValue, Names, PushStep, Step, SubmitStep, WaitStep
from lvdeploy.wire.session import (
    Action,
    CannotAct,
    Change,
    Click,
    Effect,
    Found,
    Observe,
    Push,
    Session,
    Submit,
    Visit,
)


class Acting:
    """
    A list of steps under way.

    ``failure`` says why it could go no further; an ``expect`` that is not met is recorded and no failure.
    """

    def __init__(self, steps: Sequence[Step], session: Session, *, names: Names, timeout: float) -> None:
        self._steps = steps
        self._session = session
        self._names = names
        self._timeout = timeout
        self._number = 0
        self._began = 0.0
        self._started = self._acted = False
        self._obstacle = ""
        self.failure = ""

    @property
    def done(self) -> bool:
        return not self.failure and self._number == len(self._steps)

    @property
    def label(self) -> str:
        """The step under way: its number from 1 and its kind."""
        return "" if self.done else f"{self._number + 1} {self._steps[self._number].kind}"

    @property
    def wake_at(self) -> float | None:
        if self.done or self.failure or not self._started:
            return None
        return self._began + self._limit(self._steps[self._number])

    def advance(self, now: float, *, arrived: Callable[[], None]) -> list[Effect]:
        """Go as far as can be gone now; ``arrived`` is called when a step led to another page."""
        effects: list[Effect] = []
        while not self.done and not self.failure:
            step = self._steps[self._number]
            if not self._started:
                self._began, self._started = now, True
            if not self._perform(step, now, effects):
                self._give_up(step, now)
                break
            self._number, self._started, self._acted, self._obstacle = self._number + 1, False, False, ""
            if step.kind in ("visit", "navigate"):
                arrived()
        return effects

    # Private

    def _perform(self, step: Step, now: float, effects: list[Effect]) -> bool:
        """Return True when the step is through."""
        if step.wait is not None:
            return self._waited(step.wait, now)
        if step.expect is not None:
            return self._expected(step, step.expect, now, effects)
        if not self._acted and self._session.idle:
            self._act(step, now, effects)
        return self._acted and self._session.idle

    def _waited(self, wait: WaitStep, now: float) -> bool:
        if wait.selector is None:
            return now >= self._began + (wait.duration or 0.0)
        self._obstacle = f"{wait.selector} is not on the page"
        return self._session.idle and bool(self._session.look(self._names.fill(wait.selector)))

    def _expected(self, step: Step, expect: ExpectStep, now: float, effects: list[Effect]) -> bool:
        selector = self._names.fill(expect.selector)
        wanted = _wanted(expect, self._names)
        found = _seen(expect, self._session.look(selector))
        settled = self._session.idle and found == wanted
        if not settled and now < self._began + self._limit(step):
            return False
        detail = {"name": expect.name or self.label, "class": "", "selector": selector, "wanted": wanted}
        effects.append(Observe(Kind.EXPECTED, now - self._began, {**detail, "found": found}, self.label))
        return True

    def _act(self, step: Step, now: float, effects: list[Effect]) -> None:
        try:
            action = self._action(step)
            effects.extend(self._session.act(action, now))
        except CannotAct as obstacle:
            self._obstacle = str(obstacle)
        else:
            self._acted = True

    def _action(self, step: Step) -> Action:
        fill = self._names.fill
        match step:
            case Step(visit=str(url)):
                return Visit(fill(url))
            case Step(click=str(selector)):
                return Click(fill(selector))
            case Step(patch=str(selector)):
                return self._live_link(fill(selector), "patch")
            case Step(navigate=str(selector)):
                return self._live_link(fill(selector), "redirect")
            case Step(change=ChangeStep() as change):
                values = {name: _filled(value, self._names) for name, value in change.values.items()}
                return Change(fill(change.form), values)
            case Step(submit=SubmitStep() as submit):
                return Submit(fill(submit.form), None if submit.by is None else fill(submit.by))
            case Step(push=PushStep() as push):
                value = {name: fill(each) if isinstance(each, str) else each for name, each in push.value.items()}
                return Push(fill(push.event), value, None if push.target is None else fill(push.target))
        # wait and expect never get here, and a step has exactly one key
        raise AssertionError(step)

    def _live_link(self, selector: str, link: str) -> Click:
        """Without ``writes`` links may be followed, so nothing but such a link may be clicked this way."""
        found = self._session.look(selector)
        if not found:
            raise CannotAct(f"{selector} is not on the page")
        kind = found[0].attributes.get("data-phx-link")
        if kind != link:
            word = {"patch": "patch", "redirect": "navigation"}[link]
            raise CannotAct(f"{selector} is no live {word} link (its data-phx-link is {kind or 'missing'})")
        return Click(selector)

    def _limit(self, step: Step) -> float:
        own = None
        if step.wait is not None:
            own = step.wait.timeout if step.wait.duration is None else step.wait.duration
        elif step.expect is not None:
            own = step.expect.timeout
        return self._timeout if own is None else own

    def _give_up(self, step: Step, now: float) -> None:
        wake_at = self.wake_at
        if wake_at is None or now < wake_at:
            return
        why = self._obstacle or "the service did not answer"
        self.failure = f"step {self.label}: {why}, for {self._limit(step):g} s"


def _wanted(expect: ExpectStep, names: Names) -> str:
    if expect.count is not None:
        return str(expect.count)
    if expect.text is not None:
        return shorten(words(names.fill(expect.text)))
    return "present" if expect.value is None else shorten(names.fill(expect.value))


def _seen(expect: ExpectStep, found: Sequence[Found]) -> str | None:
    if expect.count is not None:
        return str(len(found))
    if not found:
        return None
    first = found[0]
    if expect.text is not None:
        return shorten(words(first.text))
    if expect.value is None:
        return "present"
    value = first.value if expect.attribute is None else first.attributes.get(expect.attribute)
    return None if value is None else shorten(value)


def _filled(value: InputValue, names: Names) -> str | bool | tuple[str, ...]:
    if isinstance(value, bool):
        return value
    return names.fill(value) if isinstance(value, str) else tuple(names.fill(each) for each in value)
