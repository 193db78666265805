"""Options that several commands share, and how an async command is run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from lvdeploy import report
from lvdeploy.document.values import parse_duration

F = TypeVar("F", bound=Callable[..., Any])


def config(command: F) -> F:
    """``--config FILE``."""
    return click.option(
        "-c", "--config", "file", type=click.Path(path_type=Path), default=None, metavar="FILE",
        help="The deployment file.  [default: lvdeploy.yml]",
    )(command)


class ReportTarget(click.ParamType[tuple[str, Path]]):
    """``KIND=FILE``."""

    name = "KIND=FILE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Path]:
        kind, _, path = str(value).partition("=")
        if kind not in report.REPORTS or not path:
            kinds = ", ".join(f"{name}=FILE" for name in report.REPORTS)
            self.fail(f"{value!r} is none of {kinds}", param, ctx)
        return kind, Path(path)


def restoring(command: F) -> F:
    """``--restore``."""
    return click.option(
        "--restore", is_flag=True,
        help="First put the balancer back as lvdeploy last had it, whatever somebody else made of it.",
    )(command)


class DurationParam(click.ParamType[float]):
    """A duration such as ``30s`` or ``5m``, in seconds."""

    name = "DURATION"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


def watched(command: F) -> F:
    """The options of every command under which clients watch."""
    for option in (
        click.option("--clients", type=click.IntRange(1, 100_000), help="How many synthetic clients, instead of "
                     "verify.clients."),
        click.option("--seed", type=int, help="Of everything random; it is printed in the report."),
        click.option("--report", "reports", type=ReportTarget(), multiple=True,
                     help=f"Write a report: {', '.join(report.REPORTS)}. Repeatable."),
        click.option("--no-verify", "verify", flag_value=False, default=True, type=bool,
                     help="Roll without clients; the end is then NOT verified."),
        click.option("--wait-timeout", "wait", type=DurationParam(),
                     help="How long this command may take in all; then it stops at a safe place and exits 9."),
        click.option("--plain", is_flag=True, help="One line per event, also on a terminal."),
    ):
        command = option(command)
    return command


def run(deed: Coroutine[Any, Any, int]) -> int:
    """Run an async command to its exit code."""
    return asyncio.run(deed)
