"""The Traefik driver: one file in a directory that Traefik watches, acknowledged through its API."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lvdeploy.balancers.contract import Capabilities
from lvdeploy.balancers.difference import between
from lvdeploy.balancers.traefik_api import TraefikApi
from lvdeploy.balancers.traefik_preflight import look
from lvdeploy.balancers.traefik_render import Names, Notes, Rendering, Shape, document, notes_of, render
from lvdeploy.balancers.traefik_report import Report, difference, health
from lvdeploy.clock import Clock
from lvdeploy.errors import BalancerError, Changed, HostError
from lvdeploy.hosts import Host
from lvdeploy.model import ObservedTraffic, Scope, Traffic, Verdict

_POLL = 0.025
CAPABILITIES = Capabilities(
    scopes=frozenset({Scope.VERSION, Scope.SERVER}),
    pins=True,
    drain_server=False,
    sticky_only=True,
    counts_connections=False,
    cuts_connections=False,
    reloads=False,
    # 12 withdrawals under load: no request that began after the acknowledgement reached the server,
    # some that had begun ended 1 ms after it.
    effect_delay=0.1,
)


@dataclass(frozen=True, slots=True)
class _Reading:
    report: Report
    content: bytes | None
    notes: Notes | None
    difference: tuple[str, ...]
    settled: bool


class Traefik:
    """``throttle`` is Traefik's own delay between a change of the file and its effect, in seconds."""

    capabilities = CAPABILITIES

    def __init__(
        self, *, file: Path, names: Names, shape: Shape, api: TraefikApi, host: Host, clock: Clock, deadline: float,
        throttle: float, private: bool,
    ) -> None:
        self._file = file
        self._names = names
        self._shape = shape
        self._api = api
        self._host = host
        self._clock = clock
        self._deadline = deadline
        self._throttle = throttle
        # A Traefik of the operator's runs as somebody else: its group must be able to read.
        self._mode = 0o600 if private else 0o640
        self._private = private

    async def observe(self) -> ObservedTraffic:
        reading = await self._read()
        traffic = reading.notes.traffic if reading.notes else None
        return ObservedTraffic(
            traffic=traffic,
            difference=reading.difference,
            health=health(reading.report, traffic, names=self._names) if traffic else {},
        )

    async def apply(self, desired: Traffic, *, replacing: Traffic | None) -> None:
        rendering = render(desired, names=self._names, shape=self._shape)
        reading = await self._read()
        if reading.difference:
            raise Changed(reading.difference, hint=self._changed_hint())
        held = reading.notes.traffic if reading.notes else None
        if held not in (desired, replacing):
            raise Changed(between(replacing, held), hint=self._changed_hint())
        if held == desired and reading.notes and reading.notes.shape == self._shape:
            return
        await self._replace(desired, rendering, before=reading.content)

    async def restore(self, desired: Traffic) -> None:
        rendering = render(desired, names=self._names, shape=self._shape)
        if self._private:
            await self._host.make_directory(self._file.parent)
        await self._write(document(rendering, names=self._names, shape=self._shape))
        await self._acknowledged(desired, rendering)

    async def cut(self, server: str, connections: int) -> int:
        raise BalancerError(
            f"Traefik cannot cut connections of one server ({connections} of {server} were asked for)",
            hint="let the application close them: drain.close http or signal",
        )

    async def preflight(self) -> tuple[Verdict, ...]:
        return await look(api=self._api, host=self._host, directory=self._file.parent, shape=self._shape)

    async def close(self) -> None:
        await self._api.close()

    async def _replace(self, desired: Traffic, rendering: Rendering, *, before: bytes | None) -> None:
        await self._write(document(rendering, names=self._names, shape=self._shape))
        try:
            await self._acknowledged(desired, rendering)
        except BalancerError:
            await self._put_back(before)
            raise

    async def _acknowledged(self, desired: Traffic, rendering: Rendering) -> None:
        until = self._clock.now() + self._deadline
        last = ""
        while (left := until - self._clock.now()) > 0:
            try:
                report = await self._api.report(timeout=left)
            except BalancerError as error:
                last = error.message
            else:
                if self._took(report, desired) and (words := report.complaints()):
                    raise BalancerError("Traefik refuses the change: " + "; ".join(words))
                lines = difference(report, rendering, desired, names=self._names)
                if not lines:
                    return
                last = "; ".join(lines)
            await self._clock.sleep(_POLL)
        raise BalancerError(
            f"Traefik did not take generation {desired.generation} within {self._deadline:g} s: {last}",
            hint=f"does its file provider watch {self._file.parent}, and may it read the file? its own log says more",
        )

    def _took(self, report: Report, desired: Traffic) -> bool:
        notes = report.notes(self._names)
        return notes is not None and notes.traffic == desired

    async def _read(self) -> _Reading:
        """Read the API and the file, waiting while Traefik has not yet taken a file that is whole."""
        until = self._clock.now() + 2 * self._throttle + 1
        while True:
            reading = await self._read_once()
            if reading.settled or self._clock.now() >= until:
                return reading
            await self._clock.sleep(_POLL)

    async def _read_once(self) -> _Reading:
        report = await self._api.report()
        try:
            content = await self._host.read(self._file)
        except HostError as error:
            raise BalancerError(f"Traefik's file cannot be read: {error.message}", hint=error.hint) from error
        notes = report.notes(self._names)
        written = notes_of(content, names=self._names) if content else None
        lines = self._difference(report, notes, content, written)
        return _Reading(report, content, notes, lines, settled=written is None or written == notes)

    def _difference(
        self, report: Report, notes: Notes | None, content: bytes | None, written: Notes | None
    ) -> tuple[str, ...]:
        if notes is None:
            names = [*report.routers, *report.services, *report.middlewares]
            foreign = tuple(f"{each}: is in lvdeploy's namespace, but without lvdeploy's notes" for each in names)
            pending = written and f"{self._file} holds generation {written.traffic.generation}, but Traefik does not"
            return (*foreign, pending) if pending else foreign
        try:
            rendering = render(notes.traffic, names=self._names, shape=notes.shape)
        except BalancerError as error:
            return (f"lvdeploy's notes cannot be: {error.message}",)
        lines = difference(report, rendering, notes.traffic, names=self._names)
        if content is None:
            return (*lines, f"{self._file}: is gone, and Traefik's next start would forget what it does")
        if content != document(rendering, names=self._names, shape=notes.shape):
            return (*lines, f"{self._file}: is not as lvdeploy wrote it")
        return lines

    async def _write(self, content: bytes) -> None:
        try:
            await self._host.write(self._file, content, mode=self._mode)
        except HostError as error:
            raise BalancerError(
                f"Traefik's file cannot be written: {error.message}",
                hint=error.hint or f"is {self._file.parent} there, and may lvdeploy write to it?",
            ) from error

    async def _put_back(self, content: bytes | None) -> None:
        try:
            if content is None:
                await self._host.remove(self._file)
            else:
                await self._host.write(self._file, content, mode=self._mode)
        except HostError:
            # The first error is the one to tell; what is there shows at the next look.
            return

    def _changed_hint(self) -> str:
        return (
            f"nothing was changed; put {self._file} back as it was, or let `lvdeploy resume --restore` do so "
            "(`up --restore` where no rollout is unfinished)"
        )
