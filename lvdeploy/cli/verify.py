"""``verify``: what a deploy would do to the users of the running service, tried on synthetic ones."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import click

from lvdeploy import report
from lvdeploy.cli import options
from lvdeploy.cli.assemble import find_file
from lvdeploy.cli.console import Console
from lvdeploy.cli.verification import Verification
from lvdeploy.config import load_deployment
from lvdeploy.errors import ConfigurationError
from lvdeploy.measure.verification import Fault

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command()
@options.config
@click.option("--clients", type=click.IntRange(1, 100_000), help="How many synthetic clients, instead of "
              "verify.clients.")
@click.option("--fault", "faults", type=click.Choice([each.value for each in Fault]), multiple=True,
              help="Only this one of verify.faults. Repeatable.")
@click.option("--seed", type=int, help="Of everything random; it is printed in the report.")
@click.option("--report", "reports", type=options.ReportTarget(), multiple=True,
              help=f"Write a report: {', '.join(report.REPORTS)}. Repeatable.")
@click.option("--plain", is_flag=True, help="One line per event, also on a terminal.")
def verify(
    file: Path | None, clients: int | None, faults: tuple[str, ...], seed: int | None,
    reports: tuple[tuple[str, Path], ...], plain: bool,  # noqa: FBT001  click's way
) -> int:
    """
    Break synthetic clients' connections as deploys do, and judge what comes back.

    The running service is used as it is: nothing is deployed, and no traffic but the clients' own is touched.
    """
    deployment = load_deployment(find_file(file), dict(os.environ))
    if not deployment.verify.scenarios:
        raise ConfigurationError(
            "verify.scenarios is empty, so nobody would be there to notice",
            hint="name a scenario file; the README shows one",
        )
    chosen = tuple(Fault(each) for each in dict.fromkeys(faults or deployment.verify.faults))
    run = Verification(
        deployment, chosen, Console.for_terminal(plain=plain), clients=clients or deployment.verify.clients,
        seed=seed if seed is not None else random.SystemRandom().randrange(2**32), reports=reports,
    )
    return options.run(_unless_asked(run))


async def _unless_asked(run: Verification) -> int:
    """End within a second of being asked to, with no session left open; the second time at once."""
    with run.console:
        task = asyncio.create_task(run.run())
        asked: list[int] = []

        def ask(number: int) -> None:
            if asked:
                os._exit(128 + number)
            asked.append(number)
            task.cancel()

        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, ask, number)
        try:
            return await task
        except asyncio.CancelledError:
            if not asked:
                raise
            name = signal.Signals(asked[0]).name
            run.console.last(f"stopped by {name}, with no session left open; {run.again()} begins again")
            return 128 + asked[0]


COMMANDS = (verify,)
