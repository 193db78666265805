"""A session that plays a scenario: it acts, remembers, and after every outage looks for what it held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum, auto

from lvdeploy.model import Kind
from lvdeploy.scenario.acting import Acting
from lvdeploy.scenario.keeping import Memory, Seen, look_for
from lvdeploy.scenario.outage import Answerer, Outage
from lvdeploy.scenario.steps import Names, Part, Step
from lvdeploy.wire.session import Action, Effect, Found, Input, Leave, Lost, Observe, Session, Woken


class Phase(Enum):
    """Where a client is in its scenario."""

    JOINING = auto()
    ACTING = auto()
    SETTLING = auto()  # the steps are through; what they made is still coming
    HOLDING = auto()
    AWAY = auto()
    STARTING_OVER = auto()  # lost before it was ready
    GONE = auto()


ELSEWHERE = ("redirect", "live_redirect")
"""Refusals of a join that lead the user on to another page, as the application means it."""


class Play:
    """
    Plays one part of a scenario on ``inner``, whose first page is the part's ``visit``.

    An *outage* begins with a lost connection, a crashed view, a refused join, or a page about to load again
    by itself. It ends with one ``back``: once the inner session is idle again the kept values are looked for, and
    what is missing is waited for up to ``restore_timeout``; the gap ends when the last of it came (at
    the first look when none came). A loss before that is one more of the same outage: the ``losses``
    of its ``back``; code, reason and from are those of the first one. Who never returns has no ``back``.

    A loss before ``ready`` starts the scenario over. ``back`` gives ``lost_at`` in seconds since ``origin``.
    """

    def __init__(
        self,
        inner: Session,
        part: Part,
        *,
        names: Names,
        step_timeout: float,
        restore_timeout: float,
        origin: float = 0.0,
    ) -> None:
        self._inner = inner
        self._part = part
        self._names = names
        self._step_timeout = step_timeout
        self._restore_timeout = restore_timeout
        self._origin = origin
        self._began = 0.0
        self._deadline: float | None = None
        self._acting: Acting | None = None
        self._fresh: dict[str, str | None] = {}
        self._answerer = Answerer()
        self._outage: Outage | None = None
        self._before: Memory | None = None
        self._settled = True
        self.phase = Phase.JOINING

    @property
    def wake_at(self) -> float | None:
        acting = None if self._acting is None else self._acting.wake_at
        times = [each for each in (self._inner.wake_at, self._deadline, acting) if each is not None]
        return min(times, default=None)

    @property
    def idle(self) -> bool:
        """True when it holds its state, or can go no further, and nothing is unanswered."""
        return self.phase in (Phase.HOLDING, Phase.GONE) and self._acting is None and self._inner.idle

    @property
    def url(self) -> str:
        return self._inner.url

    def begin(self, now: float) -> list[Effect]:
        self._began = now
        return self._follow(self._inner.begin(now), now)

    def act(self, action: Action, now: float) -> list[Effect]:
        """Do something beside the scenario, such as leaving. Raises ``CannotAct``."""
        effects = self._inner.act(action, now)
        if isinstance(action, Leave):
            self._enter(Phase.GONE)
        return self._follow(effects, now)

    def handle(self, event: Input, now: float) -> list[Effect]:
        # the wheel wakes it for its own deadlines too, of which the inner session knows nothing
        if isinstance(event, Woken) and (self._inner.wake_at is None or self._inner.wake_at > now):
            return self._advance(now)
        self._settled = self._acting is None and self._inner.idle
        # the page as it is before its JavaScript hears of the loss
        self._before = self._memory() if isinstance(event, Lost) and self.phase is Phase.HOLDING else None
        return self._follow(self._inner.handle(event, now), now)

    def look(self, selector: str) -> tuple[Found, ...]:
        return self._inner.look(selector)

    # Private: what the inner session tells

    def _follow(self, effects: Sequence[Effect], now: float) -> list[Effect]:
        """Pass the inner session's effects on, learn from what it observed, and go on."""
        return self._take(effects, now) + self._advance(now)

    def _take(self, effects: Sequence[Effect], now: float) -> list[Effect]:
        label = self._label
        for effect in effects:
            if isinstance(effect, Observe):
                self._learn(effect, now)
        return [replace(each, step=each.step or label) if isinstance(each, Observe) else each for each in effects]

    def _learn(self, observe: Observe, now: float) -> None:
        if self._outage is None and self._ends_it(observe):
            self._lose(observe, now)
        if self._outage is not None:
            self._outage.take(observe)
            self._deadline = None if self._outage.found is None else self._deadline
        self._answerer = self._answerer.after(observe)

    def _ends_it(self, observe: Observe) -> bool:
        """True when this observation takes away what the client was doing."""
        if self.phase in (Phase.GONE, Phase.STARTING_OVER):
            return False
        if observe.kind is Kind.JOIN_FAILED:
            return observe.detail.get("reason") not in ELSEWHERE
        return observe.kind in (Kind.LOST, Kind.CRASHED, Kind.RELOAD_SCHEDULED)

    def _lose(self, observe: Observe, now: float) -> None:
        self._acting = self._deadline = None
        if self.phase is not Phase.HOLDING:
            # a first page that could not join yet has nothing to start over
            self.phase = Phase.JOINING if self.phase is Phase.JOINING else Phase.STARTING_OVER
            return
        self.phase = Phase.AWAY
        code, reason = observe.detail.get("code"), observe.detail.get("reason") or ""
        self._outage = Outage(
            lost_at=now,
            code=code if isinstance(code, int) else None,
            reason=str(reason) if observe.kind is Kind.LOST else f"{observe.kind.value}: {reason}",
            before=self._answerer,
            memory=self._before or self._memory(),
            unsettled=not self._settled,
        )

    def _memory(self) -> Memory:
        return Memory(self._part.keep, dict(self._fresh), self._seen())

    def _seen(self) -> Seen:
        return look_for(self._inner, self._part.keep, self._names)

    # Private: the scenario

    @property
    def _label(self) -> str:
        return self._acting.label if self._acting is not None else ""

    def _advance(self, now: float) -> list[Effect]:
        """Go on from phase to phase as far as can be gone now."""
        effects: list[Effect] = []
        while True:
            phase = self.phase
            effects += self._move(now)
            if self.phase is phase:
                return effects

    def _move(self, now: float) -> list[Effect]:
        match self.phase:
            case Phase.JOINING if self._inner.idle:
                self._arrive()
                self._enter(Phase.ACTING, self._act_out(self._part.steps))
            case Phase.STARTING_OVER if self._inner.idle:
                self._fresh = {}
                self._enter(Phase.ACTING, self._act_out((Step(visit=self._part.visit), *self._part.steps)))
            case Phase.ACTING if self._acting is not None:
                return self._go_on(self._acting, now)
            case Phase.SETTLING:
                return self._settle(now)
            case Phase.HOLDING:
                return self._pass_time(now)
            case Phase.AWAY if self._outage is not None:
                return self._return(self._outage, now)
        return []

    def _enter(self, phase: Phase, acting: Acting | None = None, *, deadline: float | None = None) -> None:
        self.phase, self._acting, self._deadline = phase, acting, deadline

    def _due(self, now: float) -> bool:
        return self._deadline is not None and now >= self._deadline

    def _act_out(self, steps: Sequence[Step]) -> Acting:
        return Acting(steps, self._inner, names=self._names, timeout=self._step_timeout)

    def _arrive(self) -> None:
        """On another page: what it shows before anything is done is what a fresh mount has."""
        for name, value in self._seen().items():
            if self._fresh.get(name) is None:
                self._fresh[name] = value

    def _go_on(self, acting: Acting, now: float) -> list[Effect]:
        effects = self._take(acting.advance(now, arrived=self._arrive), now)
        if self._acting is not acting:  # lost by what it did itself
            return effects
        if acting.failure:
            effects += self._give_up(acting.failure)
        elif acting.done:
            self._enter(Phase.SETTLING, deadline=now + self._step_timeout)
        return effects

    def _give_up(self, reason: str) -> list[Effect]:
        label = self._label
        self._enter(Phase.GONE)
        return [Observe(Kind.GONE, None, {"reason": reason}, label)]

    def _settle(self, now: float) -> list[Effect]:
        if not self._inner.idle:
            return self._give_up("the steps are through, but the service did not answer") if self._due(now) else []
        memory = self._memory()
        if len(memory.held) < len(self._part.keep) and not self._due(now):
            return []
        self._enter(Phase.HOLDING, deadline=self._next_pass(now))
        return [Observe(Kind.READY, now - self._began, {"state": memory.described()})]

    def _next_pass(self, now: float) -> float | None:
        return None if self._part.meanwhile is None else now + self._part.meanwhile.every

    def _pass_time(self, now: float) -> list[Effect]:
        if self._part.meanwhile is not None and self._acting is None and self._due(now):
            self._enter(Phase.HOLDING, self._act_out(self._part.meanwhile.steps))
        acting = self._acting
        if acting is None:
            return []
        self._settled, self._before = False, None
        effects = self._take(acting.advance(now, arrived=self._arrive), now)
        if self._acting is not acting:
            return effects
        if acting.failure:
            detail = {"event": f"meanwhile {acting.label}", "reason": acting.failure}
            effects.append(Observe(Kind.UNANSWERED, None, detail, acting.label))
        if acting.failure or acting.done:
            self._enter(Phase.HOLDING, deadline=self._next_pass(now))
        return effects

    def _return(self, outage: Outage, now: float) -> list[Effect]:
        if self._inner.idle:
            missing = outage.look(self._seen(), now, answerer=self._answerer)
            if self._deadline is None:
                self._deadline = now + self._restore_timeout
            if missing and not self._due(now):
                return []
        elif not self._due(now):
            return []
        self._outage = None
        self._enter(Phase.HOLDING, deadline=self._next_pass(now))
        return [outage.back(answerer=self._answerer, origin=self._origin)]
