from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lvdeploy.client.wheel import Wheel

RESOLUTION = 0.005
KEYS = st.integers(0, 9)
TIMES = st.floats(0, 1000, allow_nan=False)


class WheelAgainstADict(RuleBasedStateMachine):
    """A wheel behaves as a dictionary of times that is searched through."""

    def __init__(self) -> None:
        super().__init__()
        self.wheel: Wheel[int] = Wheel(resolution=RESOLUTION)
        self.model: dict[int, float] = {}
        self.now = 0.0

    @rule(key=KEYS, ahead=st.floats(-1, 5))
    def set_time(self, key: int, ahead: float) -> None:
        self.wheel.set(key, self.now + ahead)
        self.model[key] = self.now + ahead

    @rule(key=KEYS)
    def cancel(self, key: int) -> None:
        self.wheel.cancel(key)
        self.model.pop(key, None)

    @rule(step=st.floats(0, 3))
    def pass_time(self, step: float) -> None:
        self.now += step
        due = self.wheel.due(self.now)
        assert len(set(due)) == len(due)
        for key in due:
            assert self.model.pop(key) <= self.now, "never early"
        for at in self.model.values():
            assert at > self.now - RESOLUTION - 1e-9, "at most one resolution late"

    @invariant()
    def knows_the_next_time(self) -> None:
        assert len(self.wheel) == len(self.model)
        at = self.wheel.next_at()
        if not self.model:
            assert at is None
        else:
            earliest = min(self.model.values())
            assert at is not None
            assert earliest - 1e-9 <= at <= earliest + RESOLUTION + 1e-9


TestWheel = WheelAgainstADict.TestCase


@given(st.lists(TIMES, min_size=1))
def test_what_is_due_comes_in_the_order_of_its_times(times: list[float]):
    wheel: Wheel[int] = Wheel(resolution=RESOLUTION)
    for key, at in enumerate(times):
        wheel.set(key, at)
    due = [times[key] for key in wheel.due(2000)]
    assert all(first <= second + RESOLUTION for first, second in pairwise(due))
    assert sorted(due) == sorted(times)


@given(TIMES)
def test_asking_at_the_next_time_always_yields_something(at: float):
    wheel: Wheel[str] = Wheel(resolution=RESOLUTION)
    wheel.set("key", at)
    asked = wheel.next_at()
    assert asked is not None
    assert wheel.due(asked) == ["key"]
    assert wheel.next_at() is None
