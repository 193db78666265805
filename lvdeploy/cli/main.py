"""The command line: every command's name, and what an error becomes at the end."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress

import click

from lvdeploy import __version__
from lvdeploy.errors import ConfigurationError, ExitCode, LvdeployError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="lvdeploy")
def lvdeploy() -> None:
    """Deploy stateful websocket services, and prove that every user came back to where they were."""


def main() -> None:
    """Run the command line and exit by the contract of exit codes."""
    _register()
    sys.exit(_code())


def _code() -> int:
    try:
        return int(lvdeploy(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        return ExitCode.INTERRUPTED
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except LvdeployError as error:
        with suppress(OSError):
            show(error)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception:  # noqa: BLE001  the last line of defence: it tells a bug from a failure
        traceback.print_exc()
        click.echo("lvdeploy: this is a bug in lvdeploy; please report it with the lines above", err=True)
        return ExitCode.BUG


def show(error: LvdeployError) -> None:
    """Print an error as a person should read it."""
    if isinstance(error, ConfigurationError) and error.problems:
        click.echo(error.message, err=True)
        count = len(error.problems)
        click.echo(f"lvdeploy: {count} mistake{'s' if count > 1 else ''} in the configuration", err=True)
    else:
        click.echo(f"lvdeploy: {error.message}", err=True)
    if error.hint:
        click.echo(f"  → {error.hint}", err=True)


def _register() -> None:
    # Imported late: `lvdeploy --help` and completion should not wait for what they do not use.
    from lvdeploy.cli import demo, fleet, inspect, lock, rollouts, verify

    for module in (rollouts, verify, fleet, inspect, lock, demo):
        for command in module.COMMANDS:
            lvdeploy.add_command(command)
