"""One rollout from the outside: clients first, then the engine, then the verdict, the reports and the last line."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from lvdeploy import __version__, report
from lvdeploy.cli.assemble import Workshop
from lvdeploy.cli.console import Console
from lvdeploy.cli.population import load_order, swarm_order
from lvdeploy.cli.proving import Prover
from lvdeploy.cli.watching import Watching
from lvdeploy.errors import ConfigurationError, ExitCode, LvdeployError, Refused
from lvdeploy.measure.checkers import check, overall
from lvdeploy.measure.tally import Tally
from lvdeploy.model import Event, Fleet, Verdict, Version
from lvdeploy.report.live import Title
from lvdeploy.report.run import Balancer, Run, clients_of, requests_of
from lvdeploy.rollout import journal as records
from lvdeploy.rollout.engine import Engine, Interrupted, Interruption, Result
from lvdeploy.rollout.gates import Nobody
from lvdeploy.rollout.intent import Direction, Intent
from lvdeploy.rollout.lease import this_process
from lvdeploy.rollout.plan import Step, serving
from lvdeploy.rollout.predict import Prediction, predict
from lvdeploy.rollout.rolling import rolling
from lvdeploy.swarm.swarm import Swarm

READY_WITHIN = 30.0
"""Seconds, beyond what the pace of joins needs, in which every client must hold its state."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asked for."""

    command: str
    to: Version | None = None
    clients: int | None = None
    verify: bool = True
    seed: int | None = None
    reports: tuple[tuple[str, Path], ...] = ()


@dataclass(slots=True)
class Rollout:
    """One run: what it works with and what it has seen."""

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
    intent = intent_of(run, target=target_of(run, fleet), previous=live_version(fleet))
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


def live_version(fleet: Fleet) -> Version | None:
    """Return the version that most ready servers serve; the open one where there are as many of two."""
    counts: dict[Version, tuple[int, int]] = {}
    for place in serving(fleet):
        if place.instance is not None:
            part = fleet.traffic.version(place.instance.version)
            number = counts.get(place.instance.version, (0, 0))[0]
            counts[place.instance.version] = (number + 1, part.share if part else 0)
    return max(counts, key=lambda version: counts[version]) if counts else None


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
    unfinished = run.shop.journal.unfinished(run.shop.service)
    if unfinished is not None:
        raise Refused(
            f"run {unfinished.id} ({unfinished.command} to {unfinished.intent.target}) never ended",
            hint="`lvdeploy resume` goes on with it, `lvdeploy rollback` takes it back",
        )
    intent, _, steps = await preview(run)
    if not steps:
        run.console.last(f"{intent.target} is live already: nothing to do")
        return ExitCode.OK
    return await drive(run, intent, fresh=True)


async def drive(run: Rollout, intent: Intent, *, fresh: bool) -> int:
    """Hold the lease and do it: a new run, or one that was left."""
    async with leased(run):
        if fresh:
            run.shop.journal.begin_run(
                records.Run(intent.run, run.shop.service, run.order.command, intent, run.started)
            )
        try:
            return await _watched(run, intent)
        except Interrupted as interrupted:
            run.console.last(f"{interrupted.message}; {interrupted.hint}")
            return 128 + interrupted.signal


async def _watched(run: Rollout, intent: Intent) -> int:
    title = Title(run.order.command, run.shop.service, intent.run, intent.target, intent.previous or "")
    run.console.title(title, origin=run.origin, tally=run.tally)
    run.console.show(_began(run, intent))
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
        await _stopped(swarm)
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
        await swarm.start()
        within = READY_WITHIN + order.clients / order.joins_per_second
        await _unless_interrupted(run, swarm.until_ready(deadline=run.shop.clock.now() + within))
    except BaseException:
        await _stopped(swarm)
        run.shop.journal.end_run(
            intent.run, outcome="REFUSED", exit_code=ExitCode.REFUSED, reason="the clients were not ready",
            at=run.shop.clock.wall(),
        )
        raise
    ready = f"{order.clients} clients hold state"
    run.console.show(Event(run.shop.clock.now() - run.origin, "clients_ready", "", ready))
    return swarm


async def _unless_interrupted(run: Rollout, deed: Awaitable[None]) -> None:
    task = asyncio.ensure_future(deed)
    wish = asyncio.create_task(run.interruption.event.wait())
    await asyncio.wait({task, wish}, return_when=asyncio.FIRST_COMPLETED)
    wish.cancel()
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise Interrupted(run.interruption.signal or signal.SIGINT)
    await task


async def _stopped(swarm: Swarm | None) -> None:
    if swarm is not None:
        await swarm.stop()


def _conclude(run: Rollout, result: Result) -> int:
    intent = result.intent
    if result.exit_code is not ExitCode.NEEDS_A_PERSON:
        # What needs a person stays unfinished, so that `resume` and `rollback` find it.
        run.shop.journal.end_run(
            intent.run, outcome=result.exit_code.name, exit_code=result.exit_code, reason=result.reason,
            at=run.shop.clock.wall(),
        )
    document = _write_reports(run, intent, result.exit_code, verdicts=result.verdicts, reason=result.reason)
    if intent.previous is not None:
        run.console.summary(document)
    run.console.last(_last_line(run, result))
    return result.exit_code


def _last_line(run: Rollout, result: Result) -> str:
    intent = result.intent
    verified = "done and verified" if run.tally.sessions else "done, NOT verified"
    if intent.previous is None and result.exit_code is ExitCode.OK:
        return f"{intent.wanted} is up in {intent.replicas} instances; `lvdeploy status` shows them"
    again = f"`lvdeploy rolling --to {intent.target}` tries again"
    match result.exit_code:
        case ExitCode.OK:
            return f"{intent.wanted} serves everyone: {verified}; `lvdeploy status` shows it"
        case ExitCode.ROLLED_BACK:
            return f"{intent.target} was rolled back, {intent.wanted} serves everyone: {result.reason}; {again}"
        case ExitCode.INCONCLUSIVE:
            return f"{intent.target} serves everyone, but: {result.reason}; `lvdeploy rollback` goes back"
        case _:
            hint = result.hint or "`lvdeploy resume` goes on, `lvdeploy rollback` goes back"
            return f"stopped where it stands, a person is needed: {result.reason}; {hint}"


def _write_reports(
    run: Rollout, intent: Intent, exit_code: ExitCode, *, reason: str, verdicts: tuple[Verdict, ...] = ()
) -> Run:
    document = report_of(run, intent, exit_code, reason=reason, verdicts=verdicts)
    for kind, path in run.order.reports:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(report.write(kind, document))
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
        balancer=Balancer(driver=deployment.balancer.driver, changes=len(changed)),
        steps=run.shop.journal.steps(intent.run), events=tuple(run.events), checks=checks,
        disruptions=run.tally.disruptions, proofs=tuple(run.prover.proofs) if run.prover else (),
    )


@asynccontextmanager
async def leased(run: Rollout) -> AsyncIterator[None]:
    """Hold the lease, renewed, and the signals, until the end. Raises ``LeaseHeld``."""
    dead = run.shop.lease.acquire(this_process(run.order.command))
    if dead is not None:
        message = f"took over the lease of {dead}, which is dead or expired"
        run.console.show(Event(run.shop.clock.now() - run.origin, "note", "", message))
    renewing = asyncio.create_task(run.shop.lease.renew())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, _asked, run, number)
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(LvdeployError):
            run.shop.lease.release()


def _asked(run: Rollout, number: int) -> None:
    if run.interruption.event.is_set():
        # The second time: at once. Everything is recorded already.
        raise SystemExit(128 + number)
    run.console.show(
        Event(run.shop.clock.now() - run.origin, "note", "", "stopping at the next safe place; once more: at once")
    )
    run.interruption.ask(number)


