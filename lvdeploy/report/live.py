"""The screen of a running rollout: where it stands, who is affected, what happened last."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from lvdeploy.measure.tally import Tally
from lvdeploy.model import WHOLE, Event
from lvdeploy.report.lines import duration, words

_KEPT_EVENTS = 50
_SILENT = frozenset({"observed", "step_began", "step_ended"})
"""Kinds that change the screen's upper parts and need no line among the last events."""


@dataclass(frozen=True, slots=True)
class Figures:
    """
    What the clients and the load saw so far. Seconds; ``None`` where there is nothing yet.

    ``back``: clients that were away and returned.
    """

    count: int = 0
    connected: int = 0
    away: int = 0
    back: int = 0
    gone: int = 0
    gap_p50: float | None = None
    gap_p99: float | None = None
    gap_max: float | None = None
    requests: int = 0
    failed: int = 0


def figures_of(tally: Tally) -> Figures:
    """Take the screen's figures out of a tally."""
    presence, gap = tally.presence, tally.gap_so_far
    returned = {each.client for each in tally.disruptions if each.gap is not None}
    return Figures(
        count=presence.count, connected=presence.connected, away=presence.away, gone=presence.gone,
        back=len(returned - {each.client for each in tally.away}),
        gap_p50=gap.p50, gap_p99=gap.p99, gap_max=gap.max, requests=tally.http.requests, failed=tally.http.failed,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Title:
    """What is going on, for the first line; ``steers``: traffic is changed, under an HTTP load, and both are shown."""

    command: str
    service: str
    run: str
    to_version: str
    from_version: str = ""
    steers: bool = True


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    subject: str
    began: float | None = None
    took: float | None = None
    mark: str = "waiting"


class Screen:
    """
    Fed by events, drawn at instants; both in seconds since the run began.

    A ``planned`` event may carry all steps to come: ``steps``, a list of mappings with ``name`` and ``subject``.
    """

    def __init__(self, title: Title) -> None:
        self._title = title
        self._versions: tuple[Mapping[str, object], ...] = ()
        self._slots: tuple[Mapping[str, object], ...] = ()
        self._done: list[_Step] = []
        self._current: _Step | None = None
        self._planned: list[_Step] = []
        self._events: deque[Event] = deque(maxlen=_KEPT_EVENTS)
        self._back_to = ""

    def take(self, event: Event) -> None:
        """Add an event."""
        match event.kind:
            case "observed":
                self._versions = _mappings(event.detail.get("versions"))
                self._slots = _mappings(event.detail.get("slots"))
            case "planned":
                steps = _mappings(event.detail.get("steps"))
                self._planned = [_Step(str(each.get("name", "")), str(each.get("subject", ""))) for each in steps]
            case "step_began":
                self._begin(_Step(event.message, event.subject, event.at, mark="running"))
            case "step_ended":
                self._end(event, "done")
            case "step_failed":
                self._end(event, "failed")
            case "turned_back":
                self._back_to, self._planned = event.subject, []
        repeated = bool(self._events) and (self._events[-1].kind, words(self._events[-1])) == (event.kind, words(event))
        if event.kind not in _SILENT and not repeated:
            self._events.append(event)

    def at(self, now: float, figures: Figures) -> Frame:
        """Return the picture of that instant."""
        return Frame(
            title=self._title, now=now, figures=figures, versions=self._versions, slots=self._slots,
            done=tuple(self._done), current=self._current, planned=tuple(self._planned), events=tuple(self._events),
            back_to=self._back_to,
        )

    def _begin(self, step: _Step) -> None:
        self._current = step
        same = [each for each in self._planned if (each.name, each.subject) == (step.name, step.subject)]
        if same:
            self._planned.remove(same[0])

    def _end(self, event: Event, mark: str) -> None:
        if self._current is not None:
            took = event.detail.get("took")
            seconds = took if isinstance(took, int | float) else None
            self._done.append(replace(self._current, took=seconds, mark=mark))
        self._current = None


_MARKS = {"done": "✓", "failed": "✗", "running": "▸", "waiting": "·"}
_ASCII_MARKS = {"done": "+", "failed": "x", "running": ">", "waiting": "."}
_STYLES = {
    "done": "green", "failed": "bold red", "running": "bold", "waiting": "dim", "up": "green", "down": "red",
    "unknown": "yellow", "ready": "green", "drain": "yellow", "maint": "yellow", "turned_back": "bold red",
    "step_failed": "red", "instance_gone": "bold red", "check_failing": "yellow", "check_passing": "green",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture; it fills the console's width and no more than its height."""

    title: Title
    now: float
    figures: Figures
    versions: tuple[Mapping[str, object], ...]
    slots: tuple[Mapping[str, object], ...]
    done: tuple[_Step, ...]
    current: _Step | None
    planned: tuple[_Step, ...]
    events: tuple[Event, ...]
    back_to: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.height or console.height
        traffic = self._traffic(rows=max(1, height - 18)) if self.title.steers else ()
        lines = [*self._head(width), *self._people(), Text(), *traffic]
        steps = [*self._steps(rows=max(1, min(6, height - len(lines) - 7)), ascii_only=options.ascii_only)]
        lines += [Text(), *steps]
        lines += [Text(), *self._last_events(console, width=width, rows=height - len(lines) - 2)]
        for each in lines[:height]:
            each.truncate(width, overflow="ellipsis")
            yield each

    def _head(self, width: int) -> Iterator[Text]:
        title = self.title
        versions = f"{title.from_version} → {title.to_version}" if title.from_version else title.to_version
        left = Text.assemble((f"lvdeploy {title.command}", "bold"), f"  {title.service}  ", (versions, "bold"))
        if self.back_to:
            left.append(f"  going back to {self.back_to}", "bold red")
        else:
            left.append(f"  run {title.run}", "dim")
        minutes, seconds = divmod(int(self.now), 60)
        right = f"{minutes:02d}:{seconds:02d}"
        left.truncate(max(0, width - len(right) - 2), overflow="ellipsis")
        yield left + " " * max(0, width - left.cell_len - len(right)) + right
        yield Text()

    def _people(self) -> Iterator[Text]:
        seen = self.figures
        yield Text.assemble(
            ("users    ", "dim"), f"{_number(seen.connected)} of {_number(seen.count)} connected   ",
            (f"{_number(seen.away)} away", "yellow" if seen.away else ""), f"   {_number(seen.back)} back   ",
            (f"{_number(seen.gone)} gone", "red" if seen.gone else ""),
        )
        gaps = (("half within", seen.gap_p50), ("99% within", seen.gap_p99), ("longest", seen.gap_max))
        gap = "   ".join(f"{name} {duration(value)}" for name, value in gaps if value is not None)
        yield Text.assemble(("gap      ", "dim"), gap or "none yet")
        if self.title.steers:
            yield Text.assemble(
                ("http     ", "dim"), f"{_number(seen.requests)} requests   ",
                (f"{_number(seen.failed)} failed", "red" if seen.failed else ""),
            )

    def _traffic(self, *, rows: int) -> Iterator[Text]:
        shares = "   ".join(_share(each) for each in self.versions) or "not known yet"
        yield Text.assemble(("traffic  ", "dim"), shares)
        names = max((len(str(each.get("slot", ""))) for each in self.slots), default=0)
        versions = max((len(str(each.get("version") or "")) for each in self.slots), default=0)
        shown = self.slots if len(self.slots) <= rows else self.slots[: rows - 1]
        for each in shown:
            yield _server(each, names, versions)
        if len(shown) < len(self.slots):
            yield Text(f"         and {len(self.slots) - len(shown)} more", "dim")

    def _steps(self, *, rows: int, ascii_only: bool) -> Iterator[Text]:
        current = (self.current,) if self.current else ()
        ahead = self.planned[: max(1, rows - len(current) - min(2, len(self.done)))]
        before = self.done[-max(1, rows - len(current) - len(ahead)):]
        count = f"{len(self.done)} done" + (f", {len(self.planned) + len(current)} to go" if self.planned else "")
        yield Text.assemble(("steps    ", "dim"), count)
        marks = _ASCII_MARKS if ascii_only else _MARKS
        for each in [*before, *current, *ahead][-rows:]:
            took = self.now - each.began if each.mark == "running" and each.began is not None else each.took
            name = f"{each.name} {each.subject}".strip()
            time = "" if took is None else f"{duration(max(0.0, took)):>12}"
            yield Text(f"       {marks[each.mark]} {name:<28}{time}", _STYLES[each.mark])

    def _last_events(self, console: Console, *, width: int, rows: int) -> Iterator[Text]:
        """The newest that fit; a long one is told on as many as three lines."""
        yield Text("events", "dim")
        shown: list[Text] = []
        for each in reversed(self.events):
            minutes, seconds = divmod(int(each.at), 60)
            text = Text(words(each), _STYLES.get(each.kind, ""))
            lines = text.wrap(console, max(10, width - 9))[:3]
            if len(shown) + len(lines) > rows:
                break
            times = [f"  {minutes:02d}:{seconds:02d}  ", *[" " * 9] * (len(lines) - 1)]
            shown = [Text(time) + line for time, line in zip(times, lines, strict=True)] + shown
        yield from shown


def plain(frame: Frame, *, width: int = 80, height: int = 24) -> str:
    """Return the picture as text without colour."""
    console = Console(width=width, height=height, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(frame, no_wrap=True)
    return "\n".join(each.rstrip() for each in capture.get().splitlines()) + "\n"


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ")


def _share(told: Mapping[str, object]) -> str:
    share, admission = told.get("share"), str(told.get("admission", ""))
    if isinstance(share, int) and admission == "open":
        return f"{told.get('version')} {share / WHOLE * 100:g}%"
    return f"{told.get('version')} {admission.replace('_', ' ')}"


def _server(told: Mapping[str, object], names: int, versions: int) -> Text:
    line = Text(f"       {told.get('slot')!s:<{names}}  ")
    version = told.get("version")
    if version is None:
        return line.append("empty", "dim")
    health, mode = str(told.get("health") or ""), str(told.get("mode") or "not in the balancer")
    line.append(f"{version!s:<{versions}}  ")
    line.append(f"{health:<7}  ", _STYLES.get(health, ""))
    line.append(mode, _STYLES.get(mode, "dim"))
    connections = told.get("connections")
    if isinstance(connections, int):
        line.append(f"  {_number(connections)} sockets")
    return line


def _mappings(value: object) -> tuple[Mapping[str, object], ...]:
    return tuple(each for each in value if isinstance(each, Mapping)) if isinstance(value, Iterable) else ()
