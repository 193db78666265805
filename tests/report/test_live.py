"""The screen, drawn from the events of recorded rollouts and held against pictures of it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from lvdeploy.measure.tally import Tally
from lvdeploy.model import Event, Kind, Observation
from lvdeploy.report.live import Figures, Screen, Title, figures_of, plain

GOLDEN = Path(__file__).parent / "golden"
TITLE = Title("rolling", "demo", "7f3a", "2.0", "1.0")
SEEN = Figures(
    count=1200, connected=1198, away=2, back=64, gap_p50=0.42, gap_p99=1.31, gap_max=1.6, requests=4150
)  # fmt: skip


def recorded(name: str) -> list[Event]:
    return [msgspec.json.decode(each, type=Event) for each in (GOLDEN / f"{name}.jsonl").read_text().splitlines()]


def screen(events: list[Event], *, until: float) -> Screen:
    drawn = Screen(TITLE)
    for event in events:
        if event.at <= until:
            drawn.take(event)
    return drawn


@pytest.mark.parametrize(
    ("name", "picture", "at", "figures"),
    [
        ("rolling", "before", 0.0, Figures(count=1200)),
        ("rolling", "drain", 4.5, SEEN),
        ("rolling", "end", 20.9, SEEN),
        ("turned_back", "end", 31.5, Figures(count=1200, connected=1190, gone=10, requests=4150, failed=7)),
    ],
)
def test_the_screen_looks_as_it_did(name, picture, at, figures):
    """To accept a new look: write what the failure shows into the file, and look at it."""
    drawn = plain(screen(recorded(name), until=at).at(at, figures))

    assert drawn == (GOLDEN / f"{name}_{picture}.txt").read_text()


def test_a_command_that_steers_no_traffic_shows_none():
    drawn = plain(Screen(Title("verify", "demo", "7f3a", "", steers=False)).at(1.0, SEEN))

    assert "1 198 of 1 200 connected" in drawn
    assert "traffic" not in drawn
    assert "requests" not in drawn


@pytest.mark.parametrize("height", [1, 3, 10, 16, 24, 50])
@pytest.mark.parametrize("width", [20, 80, 200])
@pytest.mark.parametrize("name", ["rolling", "turned_back"])
def test_the_screen_never_outgrows_the_terminal(name, width, height):
    events = recorded(name)
    for event in events:
        lines = plain(screen(events, until=event.at).at(event.at, SEEN), width=width, height=height).splitlines()

        assert len(lines) <= height
        assert max(map(len, lines)) <= width


def test_many_slots_leave_room_for_what_happens():
    slots = [{"slot": f"web-{n}", "version": "1.0", "health": "up", "mode": "ready"} for n in range(40)]
    drawn = Screen(TITLE)
    drawn.take(Event(0, "observed", "", "", {"versions": [], "slots": slots}))
    drawn.take(Event(0, "note", "", "look here"))

    picture = plain(drawn.at(1, SEEN))

    assert "and 35 more" in picture
    assert "look here" in picture


def test_connections_are_shown_where_they_are_counted():
    drawn = Screen(TITLE)
    slot = {"slot": "web-1", "version": "1.0", "health": "up", "mode": "ready", "connections": 1234}
    drawn.take(Event(0, "observed", "", "", {"versions": [], "slots": [slot]}))

    assert "1 234 sockets" in plain(drawn.at(1, SEEN))


def test_the_screen_needs_no_colour_and_no_clock(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    frame = screen(recorded("turned_back"), until=40).at(40, SEEN)
    pictures = set()
    for _ in range(2):
        console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True)
        console.print(frame)
        pictures.add(console.file.getvalue())

    (picture,) = pictures
    assert "going back" in picture
    assert not re.search(r"\x1b\[[\d;]*3\d", picture)


def test_a_terminal_without_unicode_gets_other_marks():
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace"), width=80, height=24)
    console.print(screen(recorded("turned_back"), until=40).at(40, SEEN))
    console.file.seek(0)
    written = console.file.read()

    assert "x await healthy web-4" in written
    assert "+ stop web-4" in written


def test_the_figures_are_those_of_the_tally():
    tally = Tally()
    for client in ("a", "b", "c"):
        tally.take(Observation(1, client, Kind.READY))
    for client in ("a", "b"):
        tally.take(Observation(2, client, Kind.LOST, detail={"code": 1012}))
    tally.take(Observation(2.5, "a", Kind.BACK, value=0.5, detail={"lost_at": 2.0}))
    tally.take(Observation(3, "kept", Kind.REQUEST, value=0.01, detail={"status": 502}))

    assert figures_of(tally) == Figures(
        count=3, connected=2, away=1, back=1, gap_p50=0.5, gap_p99=0.5, gap_max=0.5, requests=1, failed=1
    )
