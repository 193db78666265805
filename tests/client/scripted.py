"""A session whose turns a test writes, and a pump around it that a test can wait on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager

from lvdeploy.client import Pump, Route, tls_context
from lvdeploy.model import Observation
from lvdeploy.wire.session import Action, CannotAct, Effect, Found, Headers, Input, Leave

Turn = Callable[[Input, float], list[Effect]]
Run = Callable[[Coroutine[None, None, None]], None]
DEADLINE = 20.0


class Scripted:
    """Begins with ``first``, then answers each input as ``turn`` says; remembers what it was handed."""

    def __init__(self, *first: Effect, turn: Turn = lambda event, now: [], leave: Sequence[Effect] = ()) -> None:
        self.first = list(first)
        self.turn = turn
        self.leave = leave
        self.inputs: list[Input] = []
        self.wake_at: float | None = None
        self.idle = True
        self.url = ""

    def begin(self, now: float) -> list[Effect]:
        return self.first

    def act(self, action: Action, now: float) -> list[Effect]:
        if isinstance(action, Leave):
            return list(self.leave)
        raise CannotAct("scripted")

    def handle(self, event: Input, now: float) -> list[Effect]:
        self.inputs.append(event)
        return self.turn(event, now)

    def look(self, selector: str) -> tuple[Found, ...]:
        return ()

    def got(self, *kinds: type) -> list:
        return [event for event in self.inputs if isinstance(event, kinds)]

    async def until(self, *kinds: type, count: int = 1) -> list:
        await until(lambda: len(self.got(*kinds)) >= count, what=f"{count} of {kinds}")
        return self.got(*kinds)


async def until(condition: Callable[[], bool], *, what: str = "the condition") -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def pump(
    observed: list[Observation] | None = None,
    *,
    hosts: Sequence[str] = ("127.0.0.1", "localhost"),
    connect_to: tuple[str, int] | None = None,
    tls_ended: bool = False,
    ca: str | None = None,
    headers: Headers = (),
    dials: int = 200,
) -> AsyncIterator[Pump]:
    made = Pump(
        now=time.monotonic,
        emit=(observed if observed is not None else []).append,
        origin=time.monotonic(),
        route=Route(frozenset(hosts), connect_to, tls_ended),
        tls=tls_context(ca),
        headers=headers,
        dials=dials,
    )
    try:
        yield made
    finally:
        await made.close()
