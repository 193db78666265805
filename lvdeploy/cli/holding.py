"""Holding a service while a command works on it: the lease, the signals, the bounded wait, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from lvdeploy.cli.leftovers import sweep
from lvdeploy.errors import BalancerError, ConfigurationError, ExitCode, LvdeployError, Refused, StateError, WaitExpired
from lvdeploy.rollout.engine import Interrupted
from lvdeploy.rollout.lease import this_process

if TYPE_CHECKING:
    from lvdeploy.cli.rollout import Rollout

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def hold(run: Rollout, deed: Callable[[], Awaitable[int]]) -> int:
    """
    Do a deed with the lease; return its exit code, or that of the wish that ended it.

    What goes wrong before the first change is a refusal: nothing has to be mended.
    """
    _reports_can_be_written(run)
    try:
        async with leased(run):
            try:
                return await deed()
            except (Interrupted, WaitExpired) as wish:
                run.console.last(f"{wish.message}; {next_command(run)}")
                return 128 + wish.signal if isinstance(wish, Interrupted) else wish.exit_code
    except StateError as error:
        hint = f"{error.hint}, then {next_command(run)}" if run.touched else error.hint
        raise (StateError if run.touched else Refused)(error.message, hint=hint) from error
    except LvdeployError as error:
        if error.exit_code is ExitCode.NEEDS_A_PERSON and not run.touched:
            raise Refused(error.message, hint=error.hint) from error
        raise


def next_command(run: Rollout) -> str:
    """Say which command goes on from here."""
    if run.order.command == "down":
        return "`lvdeploy down` goes on"
    try:
        unfinished = run.shop.journal.unfinished(run.shop.service)
    except StateError:
        return "`lvdeploy resume` goes on, `lvdeploy rollback` goes back"
    if unfinished is None:
        return f"nothing was changed; `lvdeploy {run.order.command}` begins again"
    if unfinished.intent.previous is None:
        return "`lvdeploy resume` goes on, `lvdeploy down` stops everything"
    return "`lvdeploy resume` goes on, `lvdeploy rollback` goes back"


@asynccontextmanager
async def leased(run: Rollout) -> AsyncIterator[None]:
    """Hold the lease, renewed, and the signals, until the end. Raises ``LeaseHeld``."""
    before = run.shop.lease.acquire(this_process(run.order.command))
    if before is not None:
        run.console.note(f"took over the lease of {before}, which is dead or did not renew it")
    for each in sweep(run.shop.state):
        run.console.note(f"removed {each}, left behind by a run that died")
    renewing = asyncio.create_task(run.shop.lease.renew())
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, _asked, run, number)
    wait = run.order.wait
    timer = None if wait is None else loop.call_later(wait, run.interruption.expire, wait)
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()
        renewing.cancel()
        with suppress(LvdeployError):
            run.shop.lease.release()


async def restore(run: Rollout) -> None:
    """Put the balancer back as the journal last had it, where that was asked for."""
    known = run.shop.journal.intended(run.shop.service)
    if not run.order.restore:
        return
    if known is None:
        raise Refused("the journal knows of no change of the balancer", hint="leave --restore out")
    run.touched = True
    try:
        await unless_asked(run, run.shop.balancer.restore(known))
    except BalancerError:
        if run.shop.managed is None:
            raise
        # Its files are there again, but it may be looking at a directory that is gone.
        await unless_asked(run, run.shop.managed.down())
        await unless_asked(run, run.shop.managed.up())
        run.console.note("started the managed balancer again, since it did not see its files any more")
    run.console.note(f"put the balancer back as generation {known.generation} had it")


async def unless_asked(run: Rollout, deed: Coroutine[Any, Any, T]) -> T:
    """Await what changes nothing, or may be left at any moment; raises the wish to stop as soon as there is one."""
    task = asyncio.create_task(deed)
    wish = asyncio.create_task(run.interruption.event.wait())
    try:
        await asyncio.wait({task, wish}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            run.interruption.heed()
        return await task
    finally:
        for each in (task, wish):
            each.cancel()
        await asyncio.gather(task, wish, return_exceptions=True)


def _asked(run: Rollout, number: int) -> None:
    if run.interruption.event.is_set():
        # The second time: at once. Everything is recorded already, and what watches ends with this process.
        run.console.last(f"ended at once; {next_command(run)}")
        sys.stdout.flush()
        os._exit(128 + number)
    run.console.note("stopping at the next safe place; once more: at once")
    run.interruption.ask(number)


def _reports_can_be_written(run: Rollout) -> None:
    """Find out before anything is done, not after the rollout."""
    for kind, path in run.order.reports:
        try:
            with suppress(FileExistsError):
                path.parent.mkdir(parents=True, exist_ok=True)
            path.open("ab").close()
        except OSError as error:
            raise ConfigurationError(
                f"--report {kind}={path} cannot be written: {error.strerror}", hint="nothing was changed",
            ) from None
