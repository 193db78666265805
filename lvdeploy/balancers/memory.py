"""A balancer of plain data, for rehearsals and tests: it keeps the contract exactly, and breaks on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lvdeploy.balancers.contract import Capabilities
from lvdeploy.balancers.difference import between
from lvdeploy.balancers.routing import Route, route
from lvdeploy.clock import Clock, SystemClock
from lvdeploy.document import Settings
from lvdeploy.errors import BalancerError, Changed
from lvdeploy.hook import Hook, nobody
from lvdeploy.model import Cookie, Health, Mode, ObservedTraffic, Outcome, Scope, Traffic, Verdict

EVERYTHING = Capabilities(
    scopes=frozenset({Scope.VERSION, Scope.SERVER}),
    pins=True,
    drain_server=False,
    sticky_only=True,
    counts_connections=True,
    cuts_connections=True,
    reloads=False,
    effect_delay=0.0,
)


class MemorySettings(Settings):
    """A balancer that exists only while lvdeploy runs has nothing to set."""

    def affinity(self) -> Cookie:
        """Return the cookie that traffic is to be kept by."""
        return Cookie("lvdeploy")


class Memory:
    """
    Holds what it was told last, and remembers all of it in ``applied``.

    ``health`` and ``connections`` are the test's to write. Faults: ``refuse``, ``change``, ``lose``,
    ``freeze`` and ``forget_to_acknowledge``; ``restart`` ends ``lose`` and ``freeze``.
    """

    def __init__(
        self, traffic: Traffic | None = None, *, capabilities: Capabilities = EVERYTHING, clock: Clock | None = None,
        delay: float = 0.0, deadline: float = 10.0, hook: Hook = nobody,
    ) -> None:
        self.capabilities = capabilities
        self.health: dict[str, Health] = {}
        self.connections: dict[str, int] = {}
        self.applied: list[Traffic] = []
        self._notes = traffic
        self._held = traffic
        self._clock = clock or SystemClock()
        self._delay = delay
        self._deadline = deadline
        self._hook = hook
        self._refusals: list[str] = []
        self._lost = False
        self._frozen = False
        self._unacknowledged = False
        self._picked: dict[str, dict[str, float]] = {}

    async def observe(self) -> ObservedTraffic:
        await self._reach()
        servers = [each.name for version in (self._held.versions if self._held else ()) for each in version.servers]
        return ObservedTraffic(
            traffic=self._notes,
            difference=between(self._notes, self._held),
            health={each: self.health.get(each, Health.UP) for each in servers},
            connections={each: self.connections.get(each, 0) for each in servers}
            if self.capabilities.counts_connections
            else None,
            stale_processes=0,
        )

    async def apply(self, desired: Traffic, *, replacing: Traffic | None) -> None:
        await self._reach()
        if self._held == self._notes == desired:
            return
        if difference := between(self._notes, self._held) or between(replacing, self._held):
            raise Changed(difference)
        if self._refusals:
            raise BalancerError(self._refusals.pop(0))
        self._require(desired)
        self._notes = self._held = desired
        self.applied.append(desired)
        self._hook("inside apply: not acknowledged")
        if self._delay:
            await self._clock.sleep(self._delay)
        if self._unacknowledged:
            self._unacknowledged = False
            await self._expire("did not say within its deadline that it took the change")

    async def restore(self, desired: Traffic) -> None:
        await self._reach()
        self._require(desired)
        self._notes = self._held = desired
        self.applied.append(desired)

    async def cut(self, server: str, connections: int) -> int:
        await self._reach()
        if not self.capabilities.cuts_connections:
            raise BalancerError("this balancer cannot cut connections")
        count = min(connections, self.connections.get(server, 0))
        self.connections[server] = self.connections.get(server, 0) - count
        return count

    async def preflight(self) -> tuple[Verdict, ...]:
        there = not (self._lost or self._frozen)
        return (Verdict("balancer answers", Outcome.PASS if there else Outcome.FAIL),)

    async def close(self) -> None:
        return

    def route(self, cookies: Mapping[str, str], pin: str | None = None) -> Route | None:
        """Send one request; ``None`` is a 503. Shares and weights come out exactly, in turn."""
        if self._held is None or self._lost or self._frozen:
            return None
        return route(self._held, health=self.health, cookies=cookies, pin=pin, pick=self._pick)

    def refuse(self, message: str) -> None:
        """Refuse the next change, once, in these words."""
        self._refusals.append(message)

    def change(self, by: Callable[[Traffic], Traffic]) -> None:
        """Change what is held, as somebody else would: behind the back of the notes."""
        if self._held is not None:
            self._held = by(self._held)

    def lose(self) -> None:
        """Die: nothing answers until ``restart``."""
        self._lost = True

    def freeze(self) -> None:
        """Hang: everything runs into its deadline until ``restart``."""
        self._frozen = True

    def forget_to_acknowledge(self) -> None:
        """Take the next change, but say nothing until its deadline."""
        self._unacknowledged = True

    def restart(self) -> None:
        """Come back with the last traffic."""
        self._lost = self._frozen = False

    def _require(self, desired: Traffic) -> None:
        servers = [each for version in desired.versions for each in version.servers]
        if not self.capabilities.drain_server and any(each.mode is Mode.DRAIN for each in servers):
            raise BalancerError("this balancer cannot drain a server; withdraw it (maint) instead")
        if not self.capabilities.pins and desired.pins:
            raise BalancerError("this balancer has no pins")

    async def _reach(self) -> None:
        if self._lost:
            raise BalancerError("the balancer does not run", hint="start it again: lvdeploy up")
        if self._frozen:
            await self._expire("did not answer within its deadline")

    async def _expire(self, what: str) -> None:
        await self._clock.sleep(self._deadline)
        raise BalancerError(f"the balancer {what} ({self._deadline:g} s)")

    def _pick(self, choice: str, options: Sequence[tuple[str, int]]) -> str:
        # nginx's smooth weighted round robin: exact over the sum of the weights, and evenly mixed.
        current = self._picked.setdefault(choice, {})
        for name, weight in options:
            current[name] = current.get(name, 0.0) + weight
        chosen = max((name for name, _ in options), key=lambda name: current[name])
        current[chosen] -= sum(weight for _, weight in options)
        return chosen

