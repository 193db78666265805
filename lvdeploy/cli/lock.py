"""``lock``: who rolls out now, and taking the lease away."""

from __future__ import annotations

from pathlib import Path

import click

from lvdeploy.cli import options
from lvdeploy.cli.assemble import assemble, find_file
from lvdeploy.errors import ExitCode, LeaseHeld
from lvdeploy.rollout.lease import alive


@click.group()
def lock() -> None:
    """See who holds the lease of the service, or take it away."""


@lock.command()
@options.config
def status(file: Path | None) -> int:
    """Say who holds the lease, why, since when, and whether the holder lives."""
    shop = assemble(find_file(file))
    holder = shop.lease.holder()
    if holder is None:
        click.echo(f"nobody holds the lease of {shop.service}")
        return ExitCode.OK
    now = shop.clock.wall()
    state = "alive" if alive(holder) else "dead: the next command takes the lease over"
    click.echo(f"{holder}\n  since {now - holder.acquired:.0f} s, expires in {holder.expires - now:.0f} s; {state}")
    return ExitCode.OK


@lock.command()
@options.config
@click.option("--force", is_flag=True, help="Also from a holder that lives; it stops before its next deed.")
def release(file: Path | None, force: bool) -> int:  # noqa: FBT001  click's way
    """Take the lease away from a holder that is dead."""
    shop = assemble(find_file(file))
    holder = shop.lease.holder()
    if holder is not None and alive(holder) and not force:
        raise LeaseHeld(
            f"the holder lives: {holder}",
            hint="end it, or `lvdeploy lock release --force`: it stops before its next deed",
        )
    shop.lease.break_()
    click.echo(f"released; it was held by {holder}" if holder else f"nobody held the lease of {shop.service}")
    return ExitCode.OK


COMMANDS = (lock,)
