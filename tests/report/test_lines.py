"""Lines: one event each, when and what, safe to print."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.model import Event
from lvdeploy.report.lines import duration, line, words

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()


def test_a_line_has_time_kind_and_words():
    event = Event(3.0, "step_ended", "web-4", "await healthy", {"took": 2.04, "said": "generation 4"})

    assert line(event, NOON + 0.12, zone=UTC) == (
        "2026-11-22T12:00:00.120+00:00  step ended       await healthy web-4 (2.0 s, generation 4)"
    )


def test_times_are_those_of_the_zone():
    zone = timezone(timedelta(hours=5, minutes=30))

    assert line(Event(0, "note", "", "hello"), NOON, zone=zone).startswith("2026-11-22T17:30:00.000+05:30  note ")


def test_the_machines_own_zone_is_the_default():
    written = line(Event(0, "note"), NOON).split()[0]

    assert datetime.fromisoformat(written).timestamp() == NOON


SLOTS = [
    {"slot": "web-1", "version": "1.0", "health": "up", "mode": "maint"},
    {"slot": "web-2", "version": "2.0", "health": "down", "mode": None},
    {"slot": "web-3", "version": None},
]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Event(0, "step_began", "web-4", "start"), "start web-4"),
        (Event(0, "step_ended", "2.0", "conclude", {"took": 0.1, "said": ""}), "conclude 2.0 (100 ms)"),
        (Event(0, "step_failed", "web-4", "start: web-4 died at once"), "start: web-4 died at once"),
        (Event(0, "traffic_changed", "", "1.0 closed, 2.0 100%"), "new sessions: 1.0 closed, 2.0 100%"),
        (Event(0, "turned_back", "1.0", "web-4 died"), "back to 1.0: web-4 died"),
        (Event(0, "note", "web-1", "12 sockets are left"), "web-1: 12 sockets are left"),
        (Event(0, "clients_ready", "", "200 clients hold state"), "200 clients hold state"),
        (Event(0, "observed", "", "", {"slots": SLOTS}), "web-1 1.0 up maint, web-2 2.0 down, web-3 empty"),
        (Event(0, "something_new", "web-1", "", {"left": 3, "why": "x", "list": [1]}), "web-1 left=3 why=x"),
        (Event(0, "something_new"), ""),
        (Event(0, "observed", "", "", {"slots": "?"}), ""),
    ],
)
def test_every_kind_has_its_words(event, said):
    assert words(event) == said


def test_what_a_server_answered_cannot_move_the_cursor_nor_break_the_line():
    event = Event(0, "note", "web-1", "503: \x1b[2J\x07{\n  \"status\":\r\u202e bad}")

    assert words(event) == 'web-1: 503: [2J { "status": bad}'


def test_secrets_are_masked():
    said = words(Event(0, "note", "web-1", "GET /health authorization: Bearer abcdefghijkl"))

    assert "abcdefghijkl" not in said


def test_a_long_message_is_cut():
    assert len(words(Event(0, "note", "", "x" * 5000))) == 500


@given(st.text(), st.text(), st.text())
def test_every_event_is_one_line(kind, subject, message):
    assert len(line(Event(0, "note", subject, message), NOON).splitlines()) == 1


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0 ms"), (0.34, "340 ms"), (0.9996, "1.0 s"), (1.3, "1.3 s"), (59.96, "1 min 00 s"),
        (125, "2 min 05 s"), (3599.7, "1 h 00 min"), (3725, "1 h 02 min"),
    ],
)  # fmt: skip
def test_durations_are_written_with_their_unit(seconds, written):
    assert duration(seconds) == written
