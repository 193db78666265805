"""One run of ``verify``: fault after fault, then the verdict, the reports and the last line."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from lvdeploy import __version__, report
from lvdeploy.cli.console import Console
from lvdeploy.cli.population import swarm_order
from lvdeploy.cli.trial import Trial, forgiving
from lvdeploy.clock import Clock, SystemClock
from lvdeploy.config import Deployment
from lvdeploy.errors import ExitCode, Refused, StateError
from lvdeploy.measure.checkers import overall
from lvdeploy.measure.tally import Tally
from lvdeploy.measure.verification import Fault, judge, limits_of, title
from lvdeploy.model import Event, Observation, Outcome, StepRecord, Verdict
from lvdeploy.report.live import Title
from lvdeploy.report.run import Round, Run, clients_of, requests_of
from lvdeploy.swarm.worker import SwarmFailed

EXIT_CODES = {
    Outcome.PASS: ExitCode.OK,
    Outcome.FAIL: ExitCode.FELL_SHORT,
    Outcome.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
}


@dataclass(slots=True)
class Verification:
    """One run of the command; a round is told once it is over."""

    deployment: Deployment
    faults: tuple[Fault, ...]
    console: Console
    clients: int
    seed: int
    reports: tuple[tuple[str, Path], ...]
    clock: Clock = field(default_factory=SystemClock)
    id: str = field(default_factory=lambda: f"{random.SystemRandom().randrange(16**8):08x}")
    origin: float = 0.0
    started: float = 0.0
    whole: Tally = field(default_factory=Tally)
    rounds: list[Round] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    async def run(self) -> int:
        """Go through the faults; return the exit code."""
        self.origin, self.started = self.clock.now(), self.clock.wall()
        name = self.deployment.service.name
        self.console.title(Title("verify", name, self.id, "", steers=False), origin=self.origin, tally=self.whole)
        self._say("verify_began", f"verify {name} at {self.deployment.service.url} (run {self.id}, seed {self.seed})")
        steps = [{"name": self._title(each), "subject": ""} for each in self.faults]
        self._say("planned", f"faults: {', '.join(self.faults)}", steps=steps)
        for fault in self.faults:
            if not await self._round(fault):
                break
        return self._conclude()

    def again(self, *faults: Fault) -> str:
        """Name the command that tries these faults again, or all of them, with the same clients."""
        verify = self.deployment.verify
        words = [f"--fault {each}" for each in faults or self.faults if len(faults or self.faults) < len(verify.faults)]
        words += [f"--clients {self.clients}"] if self.clients != verify.clients else []
        return " ".join(("`lvdeploy verify", *words, f"--seed {self.seed}`"))

    # Private

    async def _round(self, fault: Fault) -> bool:
        """Return True when the next one can be tried. Raises ``Refused`` where not even the first one can."""
        tally, trial, began = Tally(), self._trial(fault), self._now()
        self.console.watch(tally)
        self._say("step_began", self._title(fault))

        def listen(observation: Observation) -> None:
            tally.take(observation)
            self.whole.take(replace(observation, client=f"{fault}/{observation.client}"))

        trouble: Verdict | None = None
        try:
            await trial.run(tally, clock=self.clock, listen=listen, say=self._say)
        except StateError as error:
            raise Refused(error.message, hint=error.hint) from error
        except (Refused, SwarmFailed) as error:
            if isinstance(error, Refused) and not self.rounds:
                raise
            trouble = Verdict("watched", Outcome.INCONCLUSIVE, evidence=error.message)
        checks = judge(fault, tally, trial.limits) if trouble is None else (trouble,)
        self.rounds.append(
            Round(fault, self._title(fault), began, self._now(), clients_of(tally), tally.state, checks)
        )
        self._say("step_ended", self._title(fault), took=self._now() - began, said=_said(checks))
        return trouble is None

    def _trial(self, fault: Fault) -> Trial:
        verify = self.deployment.verify
        limits = limits_of(fault, verify.limits, clients=self.clients, pace=verify.joins, outage=verify.outage)
        # A seed of its own for each fault: its users are not those of another, and leave their state alone.
        seed = self.seed + list(Fault).index(fault)
        order = swarm_order(self.deployment, clients=self.clients, seed=seed, origin=self.origin)
        directory = self.deployment.state.directory / "runs"
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Refused(
                f"cannot write observations to {directory}: {error.strerror}", hint="choose another state.directory"
            ) from error
        return Trial(
            fault, forgiving(order) if fault.loads_the_page else order, limits, outage=verify.outage,
            settle=verify.settle, record=directory / f"{self.id}.{fault}.observations.gz",
        )

    def _conclude(self) -> int:
        checks = tuple(
            replace(check, name=f"{told.fault}/{check.name}") for told in self.rounds for check in told.checks
        )
        verdict = overall(checks)
        code = EXIT_CODES[verdict]
        run = self._report(checks, code, verdict)
        for kind, path in self.reports:
            self._write(kind, path, run)
        self.console.summary(run)
        self.console.last(self._last_line(verdict))
        return code

    def _report(self, checks: tuple[Verdict, ...], code: ExitCode, verdict: Outcome) -> Run:
        disruptions = self.whole.disruptions
        return Run(
            id=self.id, command="verify", service=self.deployment.service.name,
            from_version=_commonest(each.from_version for each in disruptions),
            to_version=_commonest(each.to_version for each in disruptions),
            started=self.started, ended=self.clock.wall(), exit_code=code, verdict=verdict, reason="",
            lvdeploy=__version__, seed=self.seed, clients=clients_of(self.whole), state=self.whole.state,
            http=requests_of(self.whole), steps=self._steps(), events=tuple(self.events), checks=checks,
            rounds=tuple(self.rounds), disruptions=disruptions,
        )

    def _steps(self) -> tuple[StepRecord, ...]:
        return tuple(
            StepRecord(each.title, "", each.began, each.ended, overall(each.checks).value) for each in self.rounds
        )

    def _write(self, kind: str, path: Path, run: Run) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(report.write(kind, run))
        except OSError as error:
            self._say("note", f"the report {kind}={path} could not be written: {error.strerror}; the outcome stands")

    def _last_line(self, verdict: Outcome) -> str:
        sessions, count = sum(each.clients.sessions for each in self.rounds), len(self.rounds)
        ways = f"{count} way{'s' if count > 1 else ''}"
        if verdict is Outcome.PASS:
            return (
                f"verified: {sessions} sessions lost their connection in {ways} and came back to where they were; "
                "`lvdeploy plan rolling` says what a rollout would do"
            )
        outcome = Outcome.FAIL if verdict is Outcome.FAIL else Outcome.INCONCLUSIVE
        found = [(told, check) for told in self.rounds for check in told.checks if check.outcome is outcome]
        told, check = found[0]
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        word = "fell short" if verdict is Outcome.FAIL else "inconclusive"
        said = check.evidence or check.measured
        return f"{word}: {told.fault}/{check.name}: {said}{more}; {self.again(Fault(told.fault))} tries it again"

    def _now(self) -> float:
        return self.clock.now() - self.origin

    def _title(self, fault: Fault) -> str:
        return title(fault, outage=self.deployment.verify.outage)

    def _say(self, kind: str, message: str, **detail: object) -> None:
        event = Event(self._now(), kind, "", message, detail)
        self.events.append(event)
        self.console.show(event)


def _said(checks: tuple[Verdict, ...]) -> str:
    bad = [check.name for check in checks if check.outcome is Outcome.FAIL]
    unsure = [check.name for check in checks if check.outcome is Outcome.INCONCLUSIVE]
    parts = [f"missed: {', '.join(bad)}"] if bad else []
    parts += [f"cannot be told: {', '.join(unsure)}"] if unsure else []
    return "; ".join(parts) or "everyone came back to where they were"


def _commonest(names: Iterable[str]) -> str:
    counts = Counter(name for name in names if name)
    return counts.most_common(1)[0][0] if counts else ""
