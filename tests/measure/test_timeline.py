from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.measure.timeline import Source, cause, timeline
from lvdeploy.model import Event, Kind, StepRecord
from tests.measure.seen import lost, seen

STEPS = (
    StepRecord("start", "web-4", 0.0, 2.0, "done"),
    StepRecord("drain", "web-1", 10.0, 12.0, "done"),
    StepRecord("stop", "web-1", 12.0, 13.0, "done"),
    StepRecord("start", "web-1", 13.0, None),
)


@pytest.mark.parametrize(
    ("at", "instance", "words"),
    [
        (10.5, "web-1", "during drain web-1"),
        (12.5, "web-1", "during stop web-1"),
        (10.5, "web-2", "during drain web-1, which is not about it"),
        (10.5, "", "during drain web-1, which is not about it"),
        (5.0, "web-1", "while nothing was being done"),
        (99.0, "web-1", "during start web-1"),
    ],
)
def test_the_step_a_loss_belongs_to(at: float, instance: str, words: str):
    assert str(cause(at, instance, STEPS)) == words


def test_what_is_seen_just_after_a_step_may_still_come_of_it():
    drain = STEPS[1:2]
    assert cause(12.9, "web-1", drain).meant
    assert cause(13.1, "web-1", drain).step is None


def test_engine_steps_and_clients_stand_on_one_clock():
    moments = timeline(
        [Event(10.0, "step_began", "web-1", "draining")],
        STEPS[1:2],
        [lost("a", 10.0), seen(10.4, "a", Kind.BACK, 0.4, to_instance="web-4"), seen(10.2, "a", Kind.OPENED, 0.1)],
    )
    assert [(each.at, each.source, each.text) for each in moments] == [
        (10.0, Source.ENGINE, "draining"),
        (10.0, Source.STEP, "drain begins"),
        (10.0, Source.CLIENT, "lost 1012 web-1"),
        (10.4, Source.CLIENT, "back web-4 after 0.400 s"),
        (12.0, Source.STEP, "drain done"),
    ]


@given(st.lists(st.floats(0, 100)), st.lists(st.floats(0, 100)))
def test_nothing_is_lost_and_time_never_runs_back(events: list[float], losses: list[float]):
    moments = timeline([Event(at, "x") for at in events], STEPS, [lost("a", at) for at in losses])
    times = [each.at for each in moments]
    assert times == sorted(times)
    assert len(times) == len(events) + len(losses) + 7
