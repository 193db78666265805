"""``up``, ``down`` and ``status``: the service as a whole."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import click
import msgspec
from rich.console import Console as Terminal
from rich.table import Table

from lvdeploy.cli import options
from lvdeploy.cli.assemble import Workshop, assemble, find_file
from lvdeploy.cli.console import Console
from lvdeploy.cli.holding import hold, unless_asked
from lvdeploy.cli.holding import restore as put_back
from lvdeploy.cli.leftovers import leftovers
from lvdeploy.cli.rollout import Order, Rollout, begin, drive, engine_of, intent_of, target_of
from lvdeploy.errors import BalancerError, ExitCode, Refused
from lvdeploy.model import Fleet, Place, Traffic, Version
from lvdeploy.rollout.gates import Nobody
from lvdeploy.rollout.lease import alive
from lvdeploy.rollout.live import live_version
from lvdeploy.rollout.observe import shares, told

SERVED = (ExitCode.OK, ExitCode.INCONCLUSIVE, ExitCode.ROLLED_BACK)
"""Ends of a rollout after which the version that was wanted serves."""


@click.command()
@options.config
@click.option("--to", metavar="VERSION", help="The version to start.  [default: service.version of the file]")
@options.restoring
@click.option("--plain", is_flag=True, help="One line per event, also on a terminal.")
def up(file: Path | None, to: str | None, restore: bool, plain: bool) -> int:  # noqa: FBT001  click's way
    """Start the managed balancer and as many instances as there should be."""
    shop = assemble(find_file(file))
    order = Order("up", to=to, verify=False, restore=restore)
    return options.run(_up(shop, order, Console.for_terminal(plain=plain)))


async def _up(shop: Workshop, order: Order, console: Console) -> int:
    try:
        with console:
            return await bring_up(begin(shop, order, console))
    finally:
        await shop.close()


async def bring_up(run: Rollout) -> int:
    """Start what is missing of the version that serves, or of the target where nothing does."""
    return await hold(run, lambda: _bring_up(run))


async def _bring_up(run: Rollout) -> int:
    shop = run.shop
    unfinished = shop.journal.unfinished(shop.service)
    if unfinished is not None and (unfinished.intent.previous is not None or run.order.to):
        raise Refused(
            f"run {unfinished.id} ({unfinished.command} to {unfinished.intent.target}) never ended",
            hint="`lvdeploy resume` goes on, `lvdeploy rollback` goes back, `lvdeploy down` stops everything",
        )
    if shop.managed is not None and await unless_asked(run, shop.managed.up()):
        run.console.note(f"started the managed {shop.deployment.balancer.driver}")
    await put_back(run)
    if unfinished is not None:
        return await drive(run, unfinished.intent, fresh=False)
    engine = engine_of(run, Nobody())
    fleet = await unless_asked(run, engine.look(intent_of(run, target="", previous=None)))
    live = live_version(fleet)
    target = _wanted(run, live) or target_of(run, fleet)
    if live is not None and target != live:
        raise Refused(f"{live} serves already", hint=f"`lvdeploy rolling --to {target}` replaces it")
    intent = intent_of(run, target=target, previous=None)
    if not (await unless_asked(run, engine.preview(intent)))[1]:
        run.console.last(f"{target} is up already: nothing to do")
        return ExitCode.OK
    return await drive(run, intent, fresh=True)


def _wanted(run: Rollout, live: Version | None) -> Version | None:
    """Return what should be up where nothing is said: what serves, else the file's version, else what last served."""
    if run.order.to or live is not None:
        return run.order.to or live
    past = (each for each in run.shop.journal.runs(run.shop.service) if each.exit_code in SERVED)
    return run.shop.deployment.service.version or next((each.intent.wanted for each in past), None)


@click.command()
@options.config
def down(file: Path | None) -> int:
    """Stop every instance, and the managed balancer."""
    shop = assemble(find_file(file))
    return options.run(_down(shop, Order("down", verify=False), Console.for_terminal(plain=True)))


async def _down(shop: Workshop, order: Order, console: Console) -> int:
    try:
        return await take_down(begin(shop, order, console))
    finally:
        await shop.close()


async def take_down(run: Rollout) -> int:
    """Out of the balancer first, then the instances, then the balancer; the lease is held all the while."""
    return await hold(run, lambda: unless_asked(run, _take_down(run)))


async def _take_down(run: Rollout) -> int:
    shop, run.touched = run.shop, True
    await _out_of_the_balancer(shop)
    running = await shop.instances.list()
    if running:
        run.console.note(f"stopping {', '.join(instance.slot for instance in running)}")
    grace = shop.deployment.drain.stop_grace
    await asyncio.gather(*(shop.instances.stop(instance, grace=grace) for instance in running))
    stopped = shop.managed is not None and await shop.managed.down()
    unfinished = shop.journal.unfinished(shop.service)
    if unfinished is not None:
        shop.journal.end_run(
            unfinished.id, outcome="DOWN", exit_code=ExitCode.NEEDS_A_PERSON, reason="`lvdeploy down`",
            at=shop.clock.wall(),
        )
    balancer = " and the managed balancer" if stopped else ""
    run.console.last(f"{shop.service} is down: {len(running)} instances{balancer} stopped; `lvdeploy up` starts it")
    return ExitCode.OK


async def _out_of_the_balancer(shop: Workshop) -> None:
    try:
        seen = await shop.balancer.observe()
    except BalancerError:
        if shop.managed is None:
            raise
        # A managed balancer that does not answer routes nobody.
        return
    if seen.traffic is not None and seen.traffic.versions:
        empty = replace(seen.traffic, generation=seen.traffic.generation + 1, versions=(), pins=())
        shop.journal.intend(shop.service, empty)
        await shop.balancer.apply(empty, replacing=seen.traffic)


@click.command()
@options.config
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def status(file: Path | None, as_json: bool) -> int:  # noqa: FBT001  click's way
    """Show what runs, who gets traffic, the last rollout and the lease."""
    return options.run(_status(assemble(find_file(file)), as_json=as_json))


async def _status(shop: Workshop, *, as_json: bool) -> int:
    try:
        run = begin(shop, Order("status"), Console.silent())
        trouble = ""
        try:
            fleet = await engine_of(run, Nobody()).look(intent_of(run, target="", previous=None))
        except BalancerError as error:
            trouble = error.message
            fleet = await _without_balancer(run)
        document = _document(shop, fleet, trouble, leftovers=await _left(shop, fleet, trouble))
        if as_json:
            click.echo(msgspec.json.format(msgspec.json.encode(document)).decode())
        else:
            _print(shop, fleet, document, trouble)
        return ExitCode.OK
    finally:
        await shop.close()


async def _without_balancer(run: Rollout) -> Fleet:
    running = {instance.slot: instance for instance in await run.shop.instances.list()}
    places = tuple(Place(slot, running.get(slot.name)) for slot in run.shop.slots)
    return Fleet(places, Traffic(0, run.shop.affinity, ()))


async def _left(shop: Workshop, fleet: Fleet, trouble: str) -> tuple[str, ...]:
    """Name what is left of dead runs; while a rollout is unfinished, or nothing can be known, nothing is."""
    if trouble or shop.journal.unfinished(shop.service) is not None:
        return ()
    return leftovers(fleet, await shop.instances.list(), live_version(fleet))


def _document(
    shop: Workshop, fleet: Fleet, trouble: str, *, leftovers: tuple[str, ...]
) -> dict[str, object]:
    runs = shop.journal.runs(shop.service, limit=1)
    holder = shop.lease.holder()
    last = runs[0] if runs else None
    return {
        "service": shop.service,
        "url": shop.deployment.service.url,
        "live": live_version(fleet),
        "balancer": {"driver": shop.deployment.balancer.driver, "trouble": trouble or None},
        **told(fleet),
        "leftovers": list(leftovers),
        "run": None if last is None else {
            "id": last.id, "command": last.command, "to": last.intent.target, "from": last.intent.previous,
            "direction": last.intent.direction.value, "began": last.began, "ended": last.ended,
            "outcome": last.outcome or "unfinished", "exit_code": last.exit_code, "reason": last.reason,
        },
        "lease": None if holder is None else {
            "owner": holder.owner, "host": holder.host, "pid": holder.pid, "reason": holder.reason,
            "acquired": holder.acquired, "expires": holder.expires, "alive": alive(holder),
        },
    }


def _print(shop: Workshop, fleet: Fleet, document: dict[str, object], trouble: str) -> None:
    terminal = Terminal(highlight=False)
    terminal.print(f"{shop.service}  {shop.deployment.service.url}", markup=False, style="bold")
    terminal.print(f"new sessions: {shares(fleet.traffic) or 'to nobody'}", markup=False)
    if trouble:
        terminal.print(f"balancer: {trouble}", markup=False, style="red", soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("slot", "address", "version", "health", "balancer", "pid"):
        table.add_column(column)
    for place in fleet.places:
        found = fleet.traffic.server(place.slot.name)
        table.add_row(
            place.slot.name, place.slot.address, place.instance.version if place.instance else "–",
            place.health.value if place.instance else "–", found[1].mode.value if found else "–",
            str(place.instance.pid) if place.instance else "–",
        )
    terminal.print(table)
    left = document["leftovers"]
    for line in left if isinstance(left, list) else ():
        terminal.print(f"! {line}", markup=False, soft_wrap=True)
    terminal.print(_about_runs(document, shop), markup=False, soft_wrap=True)


def _about_runs(document: dict[str, object], shop: Workshop) -> str:
    runs = shop.journal.runs(shop.service, limit=1)
    lines = []
    if runs and runs[0].ended is None:
        lease = document["lease"]
        under_way = isinstance(lease, dict) and lease["alive"]
        what = "under way" if under_way else "unfinished: `lvdeploy resume` goes on, `lvdeploy rollback` goes back"
        lines.append(f"run {runs[0].id}: {runs[0].command} to {runs[0].intent.target}, {what}")
    elif runs:
        reason = f" ({runs[0].reason})" if runs[0].reason else ""
        lines.append(f"last run {runs[0].id}: {runs[0].command} to {runs[0].intent.target}: {runs[0].outcome}{reason}")
    else:
        lines.append("no run yet: `lvdeploy up` starts the service")
    return "\n".join(lines)


COMMANDS = (up, down, status)
