from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.wire.phoenix.topic import LONGEST_HEARD, MOST_HEARD, Topic, Waiting


@given(st.lists(st.integers(0, LONGEST_HEARD * 2), max_size=300))
def test_the_newest_is_always_kept_and_the_whole_is_bounded(sizes: list[int]) -> None:
    topic = Topic("t", {})
    for number, size in enumerate(sizes):
        topic.hear("msg", {"n": number}, size=size)
    kept = [int(each.attributes["n"]) for each in topic.heard_of("msg")]

    assert kept == list(range(len(sizes) - len(kept), len(sizes)))
    assert len(kept) <= MOST_HEARD
    assert len(kept) <= 1 or sum(sizes[number] for number in kept) <= LONGEST_HEARD
    assert kept or not sizes


def test_what_waited_too_long_is_taken_out_once() -> None:
    topic = Topic("t", {})
    topic.waiting = [Waiting("a", {}, 1.0), Waiting("b", {}, 2.0)]

    assert topic.wake_at == 1.0
    assert [each.event for each in topic.take_late(1.0)] == ["a"]
    assert topic.take_late(1.0) == []
    assert topic.wake_at == 2.0
