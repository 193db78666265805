"""Memory balancers that are wrong in one way each: the conformance suite must tell them from the right one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lvdeploy.balancers import routing
from lvdeploy.balancers.memory import Memory
from lvdeploy.balancers.routing import Route
from lvdeploy.errors import BalancerError, Changed
from lvdeploy.model import Admission, Health, Mode, ObservedTraffic, Traffic, VersionTraffic


class ForgetsTheGeneration(Memory):
    async def observe(self) -> ObservedTraffic:
        found = await super().observe()
        return replace(found, traffic=found.traffic and replace(found.traffic, generation=1))


class ForgetsWithdrawnServers(Memory):
    async def observe(self) -> ObservedTraffic:
        found = await super().observe()
        return replace(found, traffic=found.traffic and without_withdrawn(found.traffic))


class RefusesToRepeat(Memory):
    async def apply(self, desired: Traffic, *, replacing: Traffic | None) -> None:
        if self._held == desired:
            raise Changed(("again",))
        await super().apply(desired, replacing=replacing)


class OverwritesAnything(Memory):
    async def apply(self, desired: Traffic, *, replacing: Traffic | None) -> None:
        self._held = self._notes = desired


class ComplainsButOverwrites(Memory):
    async def apply(self, desired: Traffic, *, replacing: Traffic | None) -> None:
        try:
            await super().apply(desired, replacing=replacing)
        except Changed:
            self._held = self._notes = desired
            raise


class IgnoresGenerationsWhenComparing(Memory):
    async def apply(self, desired: Traffic, *, replacing: Traffic | None) -> None:
        if replacing and self._notes and replacing.same_but_generation(self._notes):
            replacing = self._notes
        await super().apply(desired, replacing=replacing)


class BlindToMeddling(Memory):
    """Blind to lines that hold ``word``."""

    word = ""

    async def observe(self) -> ObservedTraffic:
        found = await super().observe()
        return replace(found, difference=tuple(each for each in found.difference if self.word not in each))


class BlindToWeights(BlindToMeddling):
    word = "weight"


class BlindToAddresses(BlindToMeddling):
    word = "address"


class BlindToShares(BlindToMeddling):
    word = "share"


class BlindToCookies(BlindToMeddling):
    word = "cookie"


class BlindToNewServers(BlindToMeddling):
    word = "is new"


class BlindToLostServers(BlindToMeddling):
    word = "no longer"


class OverwritesMeddling(Memory):
    async def apply(self, desired: Traffic, *, replacing: Traffic | None) -> None:
        self._held = self._notes
        await super().apply(desired, replacing=replacing)


class SeesNoHealth(Memory):
    async def observe(self) -> ObservedTraffic:
        return replace(await super().observe(), health={})


class TakesDrainWithoutKeepingIt(Memory):
    def _require(self, desired: Traffic) -> None:
        return


class CutsNothing(Memory):
    async def cut(self, server: str, connections: int) -> int:
        return 0


class SplitsEvenly(Memory):
    def _pick(self, choice: str, options: Sequence[tuple[str, int]]) -> str:
        return super()._pick(choice, [(name, 1) for name, _ in options])


class SplitsServersEvenly(Memory):
    def _pick(self, choice: str, options: Sequence[tuple[str, int]]) -> str:
        return super()._pick(choice, options if choice == "version" else [(name, 1) for name, _ in options])


class OneServerOnly(Memory):
    def _pick(self, choice: str, options: Sequence[tuple[str, int]]) -> str:
        return super()._pick(choice, options if choice == "version" else options[:1])


class Routes(Memory):
    """Routes by a traffic, cookies or pin that are not what they should be."""

    def route(self, cookies: Mapping[str, str], pin: str | None = None) -> Route | None:
        return self._routed(self._held, cookies, pin, self.health) if self._held else None

    def _routed(
        self, held: Traffic, cookies: Mapping[str, str], pin: str | None, health: Mapping[str, Health]
    ) -> Route | None:
        return routing.route(held, health=health, cookies=cookies, pin=pin, pick=self._pick)


class IgnoresCookies(Routes):
    def route(self, cookies: Mapping[str, str], pin: str | None = None) -> Route | None:
        return super().route({}, pin)


class IgnoresServerCookies(Routes):
    def route(self, cookies: Mapping[str, str], pin: str | None = None) -> Route | None:
        return super().route({name: value for name, value in cookies.items() if not name.endswith("_server")}, pin)


class AlwaysSetsACookie(Routes):
    def route(self, cookies: Mapping[str, str], pin: str | None = None) -> Route | None:
        found = super().route(cookies, pin)
        return found and replace(found, cookies={"lvdeploy": found.version})


class IgnoresPins(Routes):
    def route(self, cookies: Mapping[str, str], pin: str | None = None) -> Route | None:
        return super().route(cookies)


class PrefersCookiesToPins(Routes):
    def route(self, cookies: Mapping[str, str], pin: str | None = None) -> Route | None:
        return super().route(cookies, None if cookies else pin)


class PinsOnlyWhatIsReady(Routes):
    def _routed(
        self, held: Traffic, cookies: Mapping[str, str], pin: str | None, health: Mapping[str, Health]
    ) -> Route | None:
        return super()._routed(without_withdrawn(held) if pin else held, cookies, pin, health)


class PinsAVersionToWithdrawnServersToo(Routes):
    def _routed(
        self, held: Traffic, cookies: Mapping[str, str], pin: str | None, health: Mapping[str, Health]
    ) -> Route | None:
        return super()._routed(all_ready(held) if pin else held, cookies, pin, health)


class KeepsTheStickyOfClosedVersions(Routes):
    def _routed(
        self, held: Traffic, cookies: Mapping[str, str], pin: str | None, health: Mapping[str, Health]
    ) -> Route | None:
        return super()._routed(readmitted(held, Admission.CLOSED, Admission.STICKY_ONLY), cookies, pin, health)


class MovesTheStickyOfStickyOnly(Routes):
    def _routed(
        self, held: Traffic, cookies: Mapping[str, str], pin: str | None, health: Mapping[str, Health]
    ) -> Route | None:
        return super()._routed(readmitted(held, Admission.STICKY_ONLY, Admission.CLOSED), cookies, pin, health)


class MovesTheStickyOfAShareOfNothing(Routes):
    def _routed(
        self, held: Traffic, cookies: Mapping[str, str], pin: str | None, health: Mapping[str, Health]
    ) -> Route | None:
        parts = tuple(each if each.share else replace(each, admission=Admission.CLOSED) for each in held.versions)
        return super()._routed(replace(held, versions=parts), cookies, pin, health)


class SendsToWithdrawnServers(Routes):
    def _routed(
        self, held: Traffic, cookies: Mapping[str, str], pin: str | None, health: Mapping[str, Health]
    ) -> Route | None:
        return super()._routed(held if pin else all_ready(held), cookies, pin, health)


class SendsToDeadServers(Routes):
    def _routed(
        self, held: Traffic, cookies: Mapping[str, str], pin: str | None, health: Mapping[str, Health]
    ) -> Route | None:
        return super()._routed(held, cookies, pin, {})


class HasNoFallback(Routes):
    def _routed(
        self, held: Traffic, cookies: Mapping[str, str], pin: str | None, health: Mapping[str, Health]
    ) -> Route | None:
        found = super()._routed(held, cookies, pin, health)
        part = held.version(found.version) if found else None
        return found if pin or (part and part.admission is not Admission.CLOSED) else None


class HasNoFallbackForTheSticky(Routes):
    def _routed(
        self, held: Traffic, cookies: Mapping[str, str], pin: str | None, health: Mapping[str, Health]
    ) -> Route | None:
        found = super()._routed(held, cookies, pin, health)
        kept = held.version(cookies.get("lvdeploy", ""))
        moved = found and kept and kept.admission is Admission.STICKY_ONLY and found.version != kept.version
        return None if moved else found


class CutsSocketsWhenWithdrawing(Memory):
    async def apply(self, desired: Traffic, *, replacing: Traffic | None) -> None:
        await super().apply(desired, replacing=replacing)
        for part in desired.versions:
            for each in part.servers:
                if each.mode is Mode.MAINT:
                    self.connections[each.name] = 0


class CutsSocketsWhenClosing(Memory):
    async def apply(self, desired: Traffic, *, replacing: Traffic | None) -> None:
        await super().apply(desired, replacing=replacing)
        for part in desired.versions:
            if part.admission is Admission.CLOSED:
                self.connections |= {each.name: 0 for each in part.servers}


class FindsSomethingInNothing(Memory):
    async def observe(self) -> ObservedTraffic:
        found = await super().observe()
        return replace(found, traffic=found.traffic or Traffic(0, None, ()))


class RefusesEverything(Memory):
    async def apply(self, desired: Traffic, *, replacing: Traffic | None) -> None:
        raise BalancerError("no")


def without_withdrawn(held: Traffic) -> Traffic:
    def ready(part: VersionTraffic) -> VersionTraffic:
        return replace(part, servers=routing.ready(part))

    return replace(held, versions=tuple(ready(each) for each in held.versions))


def all_ready(held: Traffic) -> Traffic:
    def ready(part: VersionTraffic) -> VersionTraffic:
        return replace(part, servers=tuple(replace(each, mode=Mode.READY) for each in part.servers))

    return replace(held, versions=tuple(ready(each) for each in held.versions))


def readmitted(held: Traffic, before: Admission, after: Admission) -> Traffic:
    return replace(held, versions=tuple(
        replace(each, admission=after) if each.admission is before else each for each in held.versions
    ))  # fmt: skip


def _leaves(kind: type[Memory]) -> list[type[Memory]]:
    children = [leaf for child in kind.__subclasses__() for leaf in _leaves(child)]
    return children or [kind]


MUTANTS = {each.__name__: each for each in _leaves(Memory)}
