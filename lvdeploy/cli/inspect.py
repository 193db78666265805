"""``plan`` and ``check``: what would be done, and whether it can be."""

from __future__ import annotations

from pathlib import Path

import click

from lvdeploy.cli import options
from lvdeploy.cli.assemble import Workshop, assemble, find_file
from lvdeploy.cli.console import Console
from lvdeploy.cli.rollout import Order, begin, preview
from lvdeploy.cli.wording import plan_in_words
from lvdeploy.errors import BalancerError, ExitCode
from lvdeploy.model import Health, Outcome, Verdict

MARKS = {Outcome.PASS: "✓", Outcome.INCONCLUSIVE: "?", Outcome.FAIL: "✗"}


@click.group()
def plan() -> None:
    """Say what a rollout would do, without doing it."""


@plan.command("rolling")
@options.config
@click.option("--to", metavar="VERSION", help="The version to bring.  [default: service.version of the file]")
def plan_rolling(file: Path | None, to: str | None) -> int:
    """Say every step of a rolling rollout and what it will cost."""
    return options.run(_plan(assemble(find_file(file)), to))


async def _plan(shop: Workshop, to: str | None) -> int:
    try:
        intent, fleet, steps = await preview(begin(shop, Order("plan", to=to), Console.silent()))
        click.echo(plan_in_words(shop.deployment, intent, fleet, steps))
        return ExitCode.OK
    finally:
        await shop.close()


@click.command()
@options.config
def check(file: Path | None) -> int:
    """Validate the deployment file and look, changing nothing, whether everything it names is there."""
    return options.run(_check(assemble(find_file(file))))


async def _check(shop: Workshop) -> int:
    try:
        verdicts = [Verdict("deployment file", Outcome.PASS, evidence="every key is valid"), *await _live(shop)]
    finally:
        await shop.close()
    for verdict in verdicts:
        said = verdict.evidence or verdict.measured
        click.echo(f"{MARKS[verdict.outcome]} {verdict.name}{f': {said}' if said else ''}")
    failed = [each for each in verdicts if each.outcome is Outcome.FAIL]
    if failed:
        click.echo(f"lvdeploy: {len(failed)} of {len(verdicts)} checks failed; a rollout would be refused", err=True)
        return ExitCode.REFUSED
    return ExitCode.OK


async def _live(shop: Workshop) -> list[Verdict]:
    if shop.managed is not None and not await shop.managed.alive():
        return [Verdict("balancer", Outcome.INCONCLUSIVE, evidence="managed, not running: `lvdeploy up` starts it")]
    try:
        verdicts = list(await shop.balancer.preflight())
    except BalancerError as error:
        return [Verdict("balancer", Outcome.FAIL, evidence=error.message)]
    health = shop.health()
    by_name = {slot.name: slot for slot in shop.slots}
    for instance in await shop.instances.list():
        well = await health.look(by_name[instance.slot], instance.version) is Health.UP
        outcome = Outcome.PASS if well else Outcome.FAIL
        verdicts.append(Verdict(f"health of {instance.slot}", outcome, evidence=f"version {instance.version}"))
    return verdicts


COMMANDS = (plan, check)
