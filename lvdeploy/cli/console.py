"""What a person sees: a live screen on a terminal, a line for each event elsewhere; all of it on stderr."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from types import TracebackType

from rich.console import Console as Terminal
from rich.live import Live

from lvdeploy.clock import Clock, SystemClock
from lvdeploy.measure.tally import Tally
from lvdeploy.model import Event
from lvdeploy.report.lines import line
from lvdeploy.report.live import Screen, Title, figures_of
from lvdeploy.report.run import Run
from lvdeploy.report.summary import summary

PERIOD = 0.25
QUIET = frozenset({"observed", "planned"})
"""Kinds that are for the screen only."""


class Console:
    """Shows a run's events and its last line; ``silent`` shows neither."""

    def __init__(self, *, live: bool, shows: bool = True, clock: Clock | None = None) -> None:
        self._live = live
        self._shows = shows
        self._clock = clock or SystemClock()
        self._terminal = Terminal(stderr=True, highlight=False)
        self._screen: Screen | None = None
        self._view: Live | None = None
        self._drawing: asyncio.Task[None] | None = None
        self._tally = Tally()
        self._origin = self._clock.now()

    @classmethod
    def for_terminal(cls, *, plain: bool) -> Console:
        """Live where a person looks at a terminal, lines everywhere else."""
        return cls(live=sys.stderr.isatty() and not plain and "CI" not in os.environ)

    @classmethod
    def silent(cls) -> Console:
        return cls(live=False, shows=False)

    def __enter__(self) -> Console:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_screen()

    def title(self, title: Title, *, origin: float, tally: Tally) -> None:
        """Begin a run: from here on times count from ``origin`` (monotonic seconds)."""
        self._end_screen()
        self._origin, self._tally, self._screen = origin, tally, Screen(title)
        if self._live:
            self._view = Live(console=self._terminal, auto_refresh=False, screen=False, transient=True)
            self._view.start()
            self._drawing = asyncio.get_running_loop().create_task(self._draw())

    def watch(self, tally: Tally) -> None:
        """Show these figures from now on."""
        self._tally = tally

    def show(self, event: Event) -> None:
        """Take an event."""
        if self._screen is not None:
            self._screen.take(event)
        if self._shows and self._view is None and event.kind not in QUIET:
            wall = self._clock.wall() - self._clock.now() + self._origin + event.at
            self._print(line(event, wall))

    def note(self, text: str) -> None:
        """Say something that belongs to no run."""
        self.show(Event(self._clock.now() - self._origin, "note", "", text))

    def summary(self, run: Run) -> None:
        """Say how the run went, on one screen."""
        self._end_screen()
        if self._shows:
            for each in summary(run):
                self._print(each)

    def last(self, text: str) -> None:
        """Say what happened and the one command to run next."""
        self._end_screen()
        if self._shows:
            self._print(f"lvdeploy: {text}")

    def _print(self, text: str) -> None:
        # A terminal that hung up, or a pipe that nobody reads: no reason to end in the middle of a rollout.
        with suppress(OSError):
            self._terminal.print(text, markup=False, soft_wrap=True)

    async def _draw(self) -> None:
        while True:
            self._refresh()
            await self._clock.sleep(PERIOD)

    def _refresh(self) -> None:
        if self._view is not None and self._screen is not None:
            frame = self._screen.at(self._clock.now() - self._origin, figures_of(self._tally))
            with suppress(OSError):
                self._view.update(frame, refresh=True)

    def _end_screen(self) -> None:
        if self._drawing is not None:
            self._drawing.cancel()
            self._drawing = None
        if self._view is not None:
            self._refresh()
            view, self._view = self._view, None
            view.transient = False
            with suppress(OSError):
                view.stop()
