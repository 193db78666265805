"""``rolling``, ``resume`` and ``rollback``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from lvdeploy.cli import options
from lvdeploy.cli.assemble import Workshop, assemble, find_file
from lvdeploy.cli.console import Console
from lvdeploy.cli.rollout import Order, Rollout, begin, drive, engine_of, forward, intent_of, live_version, preview
from lvdeploy.cli.wording import plan_in_words
from lvdeploy.errors import ExitCode, Refused
from lvdeploy.rollout.gates import Nobody
from lvdeploy.rollout.intent import Direction, Intent


@click.command()
@options.config
@click.option("--to", metavar="VERSION", help="The version to bring.  [default: service.version of the file]")
@click.option("--dry-run", is_flag=True, help="Say what would be done, as `lvdeploy plan rolling` does, and stop.")
@options.watched
def rolling(
    file: Path | None, to: str | None, dry_run: bool, clients: int | None, seed: int | None,  # noqa: FBT001  click's way
    reports: tuple[tuple[str, Path], ...], verify: bool, plain: bool,  # noqa: FBT001
) -> int:
    """Replace the instances a few at a time, while synthetic clients watch."""
    shop = assemble(find_file(file))
    order = Order("rolling", to=to, clients=clients, verify=verify, seed=seed, reports=reports)
    return options.run(_planned(shop, order) if dry_run else _forward(shop, order, Console.for_terminal(plain=plain)))


async def _planned(shop: Workshop, order: Order) -> int:
    run = begin(shop, order, Console.silent())
    try:
        intent, fleet, steps = await preview(run)
        click.echo(plan_in_words(shop.deployment, intent, fleet, steps))
        return ExitCode.OK
    finally:
        await shop.close()


async def _forward(shop: Workshop, order: Order, console: Console) -> int:
    try:
        with console:
            return await forward(begin(shop, order, console))
    finally:
        await shop.close()


@click.command()
@options.config
@options.watched
def resume(
    file: Path | None, clients: int | None, seed: int | None, reports: tuple[tuple[str, Path], ...],
    verify: bool, plain: bool,  # noqa: FBT001
) -> int:
    """Go on with a rollout that was interrupted or died, in the direction it had."""
    shop = assemble(find_file(file))
    order = Order("resume", clients=clients, verify=verify, seed=seed, reports=reports)
    return options.run(_resume(shop, order, Console.for_terminal(plain=plain)))


async def _resume(shop: Workshop, order: Order, console: Console) -> int:
    try:
        with console:
            return await _go_on(begin(shop, order, console), back=False)
    finally:
        await shop.close()


@click.command()
@options.config
@click.option("--to", metavar="VERSION", help="Where nothing is under way: the version to go back to.")
@options.watched
def rollback(
    file: Path | None, to: str | None, clients: int | None, seed: int | None,
    reports: tuple[tuple[str, Path], ...], verify: bool, plain: bool,  # noqa: FBT001
) -> int:
    """Take back the rollout that is unfinished, or the last one that ended."""
    shop = assemble(find_file(file))
    order = Order("rollback", to=to, clients=clients, verify=verify, seed=seed, reports=reports)
    return options.run(_rollback(shop, order, Console.for_terminal(plain=plain)))


async def _rollback(shop: Workshop, order: Order, console: Console) -> int:
    try:
        with console:
            run = begin(shop, order, console)
            if shop.journal.unfinished(shop.service) is not None:
                return await _go_on(run, back=True)
            return await _undo(run)
    finally:
        await shop.close()


async def _go_on(run: Rollout, *, back: bool) -> int:
    unfinished = run.shop.journal.unfinished(run.shop.service)
    if unfinished is None:
        raise Refused("no rollout is unfinished", hint="`lvdeploy status` shows what serves")
    if run.shop.managed is not None and await run.shop.managed.up():
        run.console.note("started the managed balancer again with its last file")
    intent = unfinished.intent
    if back and intent.direction is Direction.FORWARD:
        intent = _turned(run, intent)
    return await drive(run, intent, fresh=False)


def _turned(run: Rollout, intent: Intent) -> Intent:
    if intent.previous is None:
        raise Refused(
            f"nothing served before {intent.target}, so there is nothing to go back to",
            hint="`lvdeploy resume` goes on, `lvdeploy down` stops everything",
        )
    back = intent.turned_back("rollback was asked for")
    run.shop.journal.turn(back)
    return back


async def _undo(run: Rollout) -> int:
    """Nothing is under way: bring the version that the last finished rollout replaced."""
    await run.shop.require_balancer()
    fleet = await engine_of(run, Nobody()).look(intent_of(run, target="", previous=None))
    target = run.order.to or _before(run, live_version(fleet))
    if target is None:
        raise Refused("no finished rollout says what served before", hint="name a version with --to VERSION")
    run.order = replace(run.order, to=target)
    return await forward(run)


def _before(run: Rollout, live: str | None) -> str | None:
    for past in run.shop.journal.runs(run.shop.service):
        if past.exit_code in (ExitCode.OK, ExitCode.INCONCLUSIVE) and past.intent.target == live:
            return past.intent.previous
    return None


COMMANDS = (rolling, resume, rollback)
