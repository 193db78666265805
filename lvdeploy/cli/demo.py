"""``demo``: the main job for real, on this machine, in a directory of its own."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack, closing
from importlib import resources
from pathlib import Path

import click

from lvdeploy.cli import options
from lvdeploy.cli.assemble import assemble
from lvdeploy.cli.console import Console
from lvdeploy.cli.fleet import bring_up, take_down
from lvdeploy.cli.rollout import Order, Rollout, begin, forward
from lvdeploy.demo.settings import Break
from lvdeploy.errors import ExitCode, Refused

OLD, NEW = "1.0", "2.0"
PORTS = {"DEMO_PORT": 8080, "DEMO_API_PORT": 8079, **{f"DEMO_WEB_{n}": 4000 + n for n in range(1, 5)}}


@click.command()
@click.argument("strategy", type=click.Choice(["rolling"]), default="rolling")
@click.option("--clients", type=click.IntRange(1, 5000), default=200, show_default=True, help="Synthetic users.")
@click.option("--seed", type=int, help="Of everything random; it is printed in the report.")
@click.option("--report", "reports", type=options.ReportTarget(), multiple=True, help="Write a report. Repeatable.")
@click.option("--break", "breakage", type=click.Choice([each.value for each in Break]),
              help="Deploy a version 2.0 that is bad in this way.")
@click.option("--plain", is_flag=True, help="One line per event, also on a terminal.")
@click.option("--keep", is_flag=True, help="Leave everything running, and say how to go on with it.")
def demo(
    strategy: str, clients: int, seed: int | None, reports: tuple[tuple[str, Path], ...], breakage: str | None,
    plain: bool, keep: bool,  # noqa: FBT001  click's way
) -> int:
    """Roll a LiveView application from 1.0 to 2.0 behind a real Traefik, under synthetic users."""
    _require()
    order = Order(f"demo {strategy}", to=NEW, clients=clients, seed=seed, reports=reports)
    directory = Path(tempfile.mkdtemp(prefix="lvdeploy-demo-"))
    with ExitStack() as stack:
        file = _deployment_file(stack)
        environment = surroundings(directory, breakage=breakage)
        code = options.run(_demo(file, environment, order, Console.for_terminal(plain=plain), keep=keep))
    if code == ExitCode.OK and not keep:
        shutil.rmtree(directory)
    else:
        click.echo(f"logs and journal are in {directory}", err=True)
    if not keep:
        click.echo(f"the demo is over, all it started is stopped; `lvdeploy demo {_another(breakage)}", err=True)
    return code


def _another(breakage: str | None) -> str:
    if breakage is None:
        return "--break form` shows a bad release being found and taken back"
    return "--keep` leaves a good one running, to go on with"


async def _demo(file: Path, environment: dict[str, str], order: Order, console: Console, *, keep: bool) -> int:
    with console:
        try:
            if code := await _with(file, environment, Order("up", to=OLD, verify=False), console, bring_up):
                return code
            return await _with(file, environment, order, console, forward)
        finally:
            if keep:
                console.note(f"left running; {_commands(file, environment)}")
            else:
                await _with(file, environment, Order("down", verify=False), Console.silent(), take_down)


Act = Callable[[Rollout], Coroutine[None, None, int]]


async def _with(file: Path, environment: Mapping[str, str], order: Order, console: Console, act: Act) -> int:
    shop = assemble(file, dict(environment))
    try:
        return await act(begin(shop, order, console))
    finally:
        await shop.close()


def surroundings(directory: Path, *, breakage: str | None = None) -> dict[str, str]:
    """Return the demo's environment: secrets of its own, free ports, a place for its state, what is bad in 2.0."""
    return {
        **os.environ,
        "DEMO_SECRET": secrets.token_hex(32), "DEMO_TOKEN": secrets.token_hex(16), "DEMO_STATE": str(directory),
        "DEMO_BREAK": f"{NEW}:{breakage}" if breakage else "", "DEMO_HEALTHY_DEADLINE": "10s",
        "PYTHON": sys.executable, **{name: str(port) for name, port in free_ports(PORTS).items()},
    }


def free_ports(wanted: Mapping[str, int]) -> dict[str, int]:
    """Return the wanted ports, and others where those are taken; all are different."""
    chosen: dict[str, int] = {}
    with ExitStack() as held:
        for name, port in wanted.items():
            listener = held.enter_context(closing(socket.socket()))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
                # A bound port may still be somebody's who listens on every address; only listening tells.
                listener.listen(1)
            except OSError:
                listener = held.enter_context(closing(socket.socket()))
                listener.bind(("127.0.0.1", 0))
            chosen[name] = listener.getsockname()[1]
    return chosen


def _require() -> None:
    missing = [name for name in ("pyview", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise Refused(f"the demo needs {' and '.join(missing)}", hint="pip install 'lvdeploy[demo]'")


def _deployment_file(stack: ExitStack) -> Path:
    """Return the packaged deployment file, or the checkout's."""
    packaged = resources.files("lvdeploy") / "configs" / "demo.yml"
    if packaged.is_file():
        return stack.enter_context(resources.as_file(resources.files("lvdeploy") / "configs")) / "demo.yml"
    return Path(__file__).parents[2] / "configs" / "demo.yml"


def _commands(file: Path, environment: Mapping[str, str]) -> str:
    names = ("DEMO_STATE", "DEMO_SECRET", "DEMO_TOKEN", "PYTHON", *PORTS)
    settings = environment["DEMO_STATE"] + "/environment"
    lines = "".join(f"export {name}={environment[name]}\n" for name in names)
    descriptor = os.open(settings, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(lines)
    return f"`. {settings}; lvdeploy status --config {file}` goes on with it"


COMMANDS = (demo,)
