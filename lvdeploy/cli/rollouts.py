"""``rolling``, ``resume`` and ``rollback``."""

from __future__ import annotations

from pathlib import Path

import click

from lvdeploy.cli import options
from lvdeploy.cli.assemble import Workshop, assemble, find_file
from lvdeploy.cli.console import Console
from lvdeploy.cli.holding import hold, unless_asked
from lvdeploy.cli.holding import restore as put_back
from lvdeploy.cli.rollout import Order, Rollout, begin, drive, engine_of, forward, intent_of, preview
from lvdeploy.cli.wording import plan_in_words
from lvdeploy.errors import ExitCode, Refused
from lvdeploy.model import Version
from lvdeploy.rollout.gates import Nobody
from lvdeploy.rollout.intent import ASKED, Direction
from lvdeploy.rollout.journal import Run
from lvdeploy.rollout.live import live_version, live_versions
from lvdeploy.rollout.predict import predict


@click.command()
@options.config
@click.option("--to", metavar="VERSION", help="The version to bring.  [default: service.version of the file]")
@click.option("--dry-run", is_flag=True, help="Say what would be done, as `lvdeploy plan rolling` does, and stop.")
@click.option("--supersede", is_flag=True, help="Give an unfinished rollout up where it stands, and roll from there.")
@options.watched
def rolling(
    file: Path | None, to: str | None, dry_run: bool, supersede: bool,  # noqa: FBT001  click's way
    clients: int | None, seed: int | None,
    reports: tuple[tuple[str, Path], ...], verify: bool, wait: float | None, plain: bool,  # noqa: FBT001
) -> int:
    """Replace the instances a few at a time, while synthetic clients watch."""
    shop = assemble(find_file(file))
    order = Order(
        "rolling", to=to, clients=clients, verify=verify, seed=seed, reports=reports, wait=wait, supersede=supersede,
    )
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
@options.restoring
@options.watched
def resume(
    file: Path | None, restore: bool, clients: int | None, seed: int | None,  # noqa: FBT001  click's way
    reports: tuple[tuple[str, Path], ...],
    verify: bool, wait: float | None, plain: bool,  # noqa: FBT001
) -> int:
    """Go on with a rollout that was interrupted or died, in the direction it had."""
    shop = assemble(find_file(file))
    order = Order(
        "resume", clients=clients, verify=verify, seed=seed, reports=reports, wait=wait, restore=restore,
    )
    return options.run(_resume(shop, order, Console.for_terminal(plain=plain)))


async def _resume(shop: Workshop, order: Order, console: Console) -> int:
    try:
        with console:
            run = begin(shop, order, console)
            return await hold(run, lambda: _go_on(run, _unfinished(run)))
    finally:
        await shop.close()


def _unfinished(run: Rollout) -> Run:
    unfinished = run.shop.journal.unfinished(run.shop.service)
    if unfinished is None:
        raise Refused("no rollout is unfinished", hint="`lvdeploy status` shows what serves")
    return unfinished


@click.command()
@options.config
@click.option("--to", metavar="VERSION", help="Where nothing is under way: the version to go back to.")
@options.restoring
@options.watched
def rollback(
    file: Path | None, to: str | None, restore: bool, clients: int | None, seed: int | None,  # noqa: FBT001
    reports: tuple[tuple[str, Path], ...], verify: bool, wait: float | None, plain: bool,  # noqa: FBT001
) -> int:
    """Take back the rollout that is unfinished, or the last one that ended."""
    shop = assemble(find_file(file))
    order = Order(
        "rollback", to=to, clients=clients, verify=verify, seed=seed, reports=reports, wait=wait, restore=restore,
    )
    return options.run(_rollback(shop, order, Console.for_terminal(plain=plain)))


async def _rollback(shop: Workshop, order: Order, console: Console) -> int:
    try:
        with console:
            run = begin(shop, order, console)
            return await hold(run, lambda: _back(run))
    finally:
        await shop.close()


async def _back(run: Rollout) -> int:
    unfinished = run.shop.journal.unfinished(run.shop.service)
    if unfinished is None:
        return await _undo(run)
    intent = unfinished.intent
    if run.order.to not in (None, intent.previous):
        raise Refused(
            f"run {unfinished.id} (to {intent.target}) never ended, and goes back to {intent.previous or 'nothing'}",
            hint=f"`lvdeploy rolling --to {run.order.to} --supersede` gives it up and goes to {run.order.to}",
        )
    if intent.previous is None:
        raise Refused(
            f"nothing served before {intent.target}, so there is nothing to go back to",
            hint="`lvdeploy resume` goes on, `lvdeploy down` stops everything",
        )
    if intent.direction is Direction.FORWARD:
        run.shop.journal.turn(intent.turned_back(ASKED))
    return await _go_on(run, _unfinished(run))


async def _go_on(run: Rollout, unfinished: Run) -> int:
    # The service may be half-way, whoever left it there.
    run.touched = True
    if run.shop.managed is not None and await unless_asked(run, run.shop.managed.up()):
        run.console.note("started the managed balancer again with its last file")
    await put_back(run)
    if run.order.verify and run.shop.journal.steps(unfinished.id):
        run.console.note("new clients watch from here on; what users met before is not known")
    return await drive(run, unfinished.intent, fresh=False)


async def _undo(run: Rollout) -> int:
    """Nothing is under way: bring the version that the last finished rollout replaced."""
    await run.shop.require_balancer()
    await put_back(run)
    fleet = await unless_asked(run, engine_of(run, Nobody()).look(intent_of(run, target="", previous=None)))
    live = live_version(fleet)
    target = run.order.to or _before(run, live)
    if live is None or target is None:
        raise Refused(
            "nothing serves now" if live is None else f"no finished rollout says what served before {live}",
            hint="`lvdeploy rolling --to VERSION` brings a version that you name",
        )
    if target == live and len(live_versions(fleet)) == 1:
        raise Refused(f"{target} is live already", hint="`lvdeploy status` shows it")
    # A way back from the start: checks are taken and told, only health and capacity stop it.
    replaced = live if live != target else next(each for each in live_versions(fleet) if each != target)
    intent = intent_of(run, target=replaced, previous=target).turned_back(ASKED)
    fleet, steps = await unless_asked(run, engine_of(run, Nobody()).preview(intent))
    run.prediction, run.planned = predict(intent, fleet, steps), steps
    return await drive(run, intent, fresh=True)


def _before(run: Rollout, live: Version | None) -> Version | None:
    """Return what the last finished rollout to the live version replaced; a rollback is no rollout."""
    for past in run.shop.journal.runs(run.shop.service):
        forward = past.intent.direction is Direction.FORWARD
        if forward and past.exit_code in (ExitCode.OK, ExitCode.INCONCLUSIVE) and past.intent.target == live:
            return past.intent.previous
    return None


COMMANDS = (rolling, resume, rollback)
