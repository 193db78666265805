"""One rollout from the outside: clients first, then the engine, then the verdict, the reports and the last line."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path

from lvdeploy import __version__, report
from lvdeploy.cli.assemble import Workshop
from lvdeploy.cli.console import Console
from lvdeploy.cli.holding import hold, unless_asked
from lvdeploy.cli.last_line import exit_code, last_line
from lvdeploy.cli.population import load_order, swarm_order
from lvdeploy.cli.proving import Prover
from lvdeploy.cli.watching import Watching
from lvdeploy.errors import ConfigurationError, ExitCode, LvdeployError, Refused
from lvdeploy.measure.checkers import check, overall
from lvdeploy.measure.tally import Tally
from lvdeploy.model import Event, Fleet, Verdict, Version
from lvdeploy.report.live import Title
from lvdeploy.report.run import Balancer, Run, Share, clients_of, requests_of
from lvdeploy.rollout import journal as records
from lvdeploy.rollout.engine import Engine, Interruption, Result
from lvdeploy.rollout.gates import Nobody
from lvdeploy.rollout.intent import Direction, Intent
from lvdeploy.rollout.live import live_versions, version_before
from lvdeploy.rollout.plan import Step, name, subject
from lvdeploy.rollout.predict import Prediction, predict
from lvdeploy.rollout.rolling import rolling
from lvdeploy.swarm.swarm import Swarm

STOPPED_WITHIN = 0.5
"""Seconds that the clients have to end when a person waits for it."""

READY_WITHIN = 30.0
"""Seconds, beyond what the pace of joins needs, in which every client must hold its state."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asked for; ``wait`` is in seconds, for the command as a whole."""

    command: str
    to: Version | None = None
    clients: int | None = None
    verify: bool = True
    seed: int | None = None
    reports: tuple[tuple[str, Path], ...] = ()
    wait: float | None = None
    supersede: bool = False
    restore: bool = False


@dataclass(slots=True)
class Rollout:
    """One run: what it works with and what it has seen; ``touched`` once something may be other than before."""

    shop: Workshop
    order: Order
    console: Console
    seed: int
    origin: float
    started: float
    tally: Tally = field(default_factory=Tally)
    interruption: Interruption = field(default_factory=Interruption)
    events: list[Event] = field(default_factory=list)
    prediction: Prediction | None = None
    prover: Prover | None = None
    touched: bool = False
    planned: tuple[Step, ...] = ()


def begin(shop: Workshop, order: Order, console: Console) -> Rollout:
    """Make a run; nothing is touched yet."""
    seed = order.seed if order.seed is not None else random.SystemRandom().randrange(2**32)
    return Rollout(shop, order, console, seed, shop.clock.now(), shop.clock.wall())


def engine_of(run: Rollout, watch: Watching | Nobody, intent: Intent | None = None) -> Engine:
    """Return the engine; what it tells is shown, and recorded once the run is."""

    def emit(event: Event) -> None:
        run.events.append(event)
        if intent is not None:
            run.shop.journal.tell(intent.run, event)
        if event.kind == "step_began":
            run.touched = True
            run.tally.mark("first_step", event.at)
        run.console.show(event)

    return Engine(
        run.shop.parts(watch), run.shop.limits(), run.shop.slots, strategy=rolling, lease=run.shop.lease,
        interruption=run.interruption, emit=emit, origin=run.origin,
        keep_inconclusive=run.shop.deployment.verify.on_inconclusive == "keep",
    )


async def preview(run: Rollout) -> tuple[Intent, Fleet, tuple[Step, ...]]:
    """Look at what there is, and plan. Raises ``Refused`` and ``ConfigurationError``, changing nothing."""
    await run.shop.require_balancer()
    engine = engine_of(run, Nobody())
    probe = intent_of(run, target="", previous=None)
    fleet = await engine.look(probe)
    target = target_of(run, fleet)
    intent = intent_of(run, target=target, previous=version_before(fleet, target))
    fleet, steps = await engine.preview(intent)
    run.prediction = predict(intent, fleet, steps)
    return intent, fleet, steps


def intent_of(run: Rollout, *, target: Version, previous: Version | None) -> Intent:
    """Return the intent of the deployment file."""
    deployment = run.shop.deployment
    return Intent(
        run=f"{random.SystemRandom().randrange(16**8):08x}", target=target, previous=previous,
        replicas=deployment.service.replicas, max_surge=deployment.rolling.max_surge,
        max_unavailable=deployment.rolling.max_unavailable, sessions=deployment.rolling.sessions,
        drains=deployment.drain.close != "signal", affinity=run.shop.affinity,
        prove=run.order.verify and bool(deployment.verify.scenarios) and previous is not None,
    )


def target_of(run: Rollout, fleet: Fleet) -> Version:
    target = run.order.to or run.shop.deployment.service.version
    if target:
        return target
    live = ", ".join(sorted({place.instance.version for place in fleet.places if place.instance})) or "nothing"
    raise ConfigurationError(
        f"no version to roll to; {live} is running now", hint="name one with --to VERSION, or set service.version"
    )


async def forward(run: Rollout) -> int:
    """Roll to the target; return the exit code."""
    return await hold(run, lambda: _forward(run))


async def _forward(run: Rollout) -> int:
    unfinished = run.shop.journal.unfinished(run.shop.service)
    if unfinished is not None and not run.order.supersede:
        raise Refused(
            f"run {unfinished.id} ({unfinished.command} to {unfinished.intent.target}) never ended",
            hint="`lvdeploy resume` goes on with it, `lvdeploy rollback` takes it back; "
            "--supersede gives it up and goes to this version from where it stands",
        )
    intent, fleet, steps = await unless_asked(run, preview(run))
    if unfinished is not None:
        supersede(run, unfinished, f"superseded by {run.order.command} to {intent.target}")
    if not steps:
        run.console.last(f"{intent.target} is live already: nothing to do")
        return ExitCode.OK
    if len(several := live_versions(fleet)) > 1:
        run.console.note(f"{' and '.join(several)} serve; a rollback would bring {intent.previous} to all of it")
    run.planned = steps
    return await drive(run, intent, fresh=True)


def supersede(run: Rollout, unfinished: records.Run, reason: str) -> None:
    """End a run where it stands."""
    run.shop.journal.end_run(
        unfinished.id, outcome="SUPERSEDED", exit_code=ExitCode.NEEDS_A_PERSON, reason=reason,
        at=run.shop.clock.wall(),
    )


async def drive(run: Rollout, intent: Intent, *, fresh: bool) -> int:
    """Do it, holding the lease: a new run, or one that was left."""
    if fresh:
        run.shop.journal.begin_run(
            records.Run(intent.run, run.shop.service, run.order.command, intent, run.started)
        )
    return await _watched(run, intent)


async def _watched(run: Rollout, intent: Intent) -> int:
    title = Title(run.order.command, run.shop.service, intent.run, intent.target, intent.previous or "")
    run.console.title(title, origin=run.origin, tally=run.tally)
    run.console.show(_began(run, intent))
    steps = [{"name": name(step), "subject": subject(step)} for step in run.planned]
    run.console.show(Event(run.shop.clock.now() - run.origin, "planned", detail={"steps": steps}))
    swarm = await _clients(run, intent)
    pulse = run.shop.managed.alive if run.shop.managed is not None else None
    verify = run.shop.deployment.verify
    prover = Prover(
        run.shop.deployment, state=run.shop.state, run=intent.run, seed=run.seed, origin=run.origin,
        clock=run.shop.clock,
    )
    watch = Watching(
        clock=run.shop.clock, pulse=pulse, swarm=swarm, tally=run.tally, limits=verify.limits, settle=verify.settle,
        back=intent.direction is Direction.BACK, prover=prover if run.order.verify else None,
    )
    run.prover = prover if run.order.verify else None
    looking = asyncio.create_task(watch.look())
    try:
        result = await engine_of(run, watch, intent).run(intent)
    except LvdeployError as error:
        await _stopped(swarm, at_once=True)
        _write_reports(run, intent, ExitCode.NEEDS_A_PERSON, reason=error.message)
        raise
    finally:
        looking.cancel()
    await _stopped(swarm)
    return _conclude(run, result)


def _began(run: Rollout, intent: Intent) -> Event:
    direction = f"{intent.previous} → {intent.target}" if intent.previous else intent.target
    back = ", on its way back" if intent.direction is Direction.BACK else ""
    return Event(
        run.shop.clock.now() - run.origin, "rollout_began", "",
        f"{run.order.command} {run.shop.service} {direction}{back} (run {intent.run}, seed {run.seed})",
    )


async def _clients(run: Rollout, intent: Intent) -> Swarm | None:
    """Start the clients and wait until each holds state; the first step waits for the last of them."""
    verify = run.shop.deployment.verify
    if not run.order.verify or not verify.scenarios or intent.previous is None:
        return None
    record = run.shop.state / "runs" / f"{intent.run}.observations.gz"
    record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    order = swarm_order(run.shop.deployment, clients=run.order.clients, seed=run.seed, origin=run.origin)
    swarm = Swarm(
        order, record=record, clock=run.shop.clock, listen=run.tally.take,
        load=load_order(run.shop.deployment, seed=run.seed, origin=run.origin),
    )
    run.console.show(Event(run.shop.clock.now() - run.origin, "clients_began", "", f"{order.clients} clients"))
    try:
        await unless_asked(run, swarm.start())
        within = READY_WITHIN + order.clients / order.joins_per_second
        await unless_asked(run, swarm.until_ready(deadline=run.shop.clock.now() + within))
    except BaseException:
        await _stopped(swarm, at_once=True)
        if not run.shop.journal.steps(intent.run):
            run.shop.journal.end_run(
                intent.run, outcome="REFUSED", exit_code=ExitCode.REFUSED, reason="the clients were not ready",
                at=run.shop.clock.wall(),
            )
        raise
    ready = f"{order.clients} clients hold state"
    run.console.show(Event(run.shop.clock.now() - run.origin, "clients_ready", "", ready))
    return swarm


async def _stopped(swarm: Swarm | None, *, at_once: bool = False) -> None:
    if swarm is not None:
        await (swarm.stop(patience=STOPPED_WITHIN) if at_once else swarm.stop())


def _conclude(run: Rollout, result: Result) -> int:
    intent, code = result.intent, exit_code(result)
    if code is not ExitCode.NEEDS_A_PERSON:
        # What needs a person stays unfinished, so that `resume` and `rollback` find it.
        run.shop.journal.end_run(
            intent.run, outcome=code.name, exit_code=code, reason=result.reason,
            at=run.shop.clock.wall(),
        )
    document = _write_reports(run, intent, code, verdicts=result.verdicts, reason=result.reason)
    if intent.previous is not None:
        run.console.summary(document)
    run.console.last(last_line(result, code, verified=bool(run.tally.sessions)))
    return code


def _write_reports(
    run: Rollout, intent: Intent, exit_code: ExitCode, *, reason: str, verdicts: tuple[Verdict, ...] = ()
) -> Run:
    document = report_of(run, intent, exit_code, reason=reason, verdicts=verdicts)
    for kind, path in run.order.reports:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(report.write(kind, document))
        except OSError as error:
            run.console.note(f"the report {kind}={path} could not be written: {error.strerror}; the outcome stands")
    return document


def report_of(
    run: Rollout, intent: Intent, exit_code: ExitCode, *, reason: str, verdicts: tuple[Verdict, ...] = ()
) -> Run:
    """Return everything there is to tell of a run."""
    deployment = run.shop.deployment
    checks = verdicts or (check(run.tally, deployment.verify.limits) if run.tally.sessions else ())
    predicted = run.prediction.reconnects if run.prediction else None
    changed = [event for event in run.events if event.kind == "traffic_changed"]
    return Run(
        id=intent.run, command=run.order.command, service=run.shop.service, from_version=intent.previous or "",
        to_version=intent.target, started=run.started, ended=run.shop.clock.wall(), exit_code=exit_code,
        verdict=overall(checks) if checks else None, reason=reason, lvdeploy=__version__, seed=run.seed,
        clients=clients_of(run.tally, predicted=predicted), state=run.tally.state, http=requests_of(run.tally),
        balancer=Balancer(
            driver=deployment.balancer.driver, changes=len(changed),
            shares=tuple(Share(event.at, _share_asked(event, intent.target)) for event in changed),
        ),
        steps=run.shop.journal.steps(intent.run), events=tuple(run.events), checks=checks,
        disruptions=run.tally.disruptions, proofs=tuple(run.prover.proofs) if run.prover else (),
    )


def _share_asked(event: Event, version: Version) -> int:
    """Return the basis points of new sessions that a change asked for a version."""
    parts = event.detail.get("versions")
    told = [part for part in parts if part.get("version") == version] if isinstance(parts, list) else []
    return int(told[0]["share"]) if told else 0
