"""Thresholds: what any row of results makes of an instance."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.health import Thresholds
from lvdeploy.model import Health

RESULTS = st.lists(st.booleans(), max_size=30)
COUNTS = st.integers(min_value=1, max_value=5)


def after(results: Sequence[bool], *, success: int, failure: int, least: float = 0) -> Health:
    thresholds = Thresholds(success=success, failure=failure, min_healthy_time=least)
    for number, ok in enumerate(results):
        thresholds.feed(ok=ok, at=number)
    return thresholds.health


@pytest.mark.parametrize(
    ("results", "health"),
    [
        ("", Health.UNKNOWN),
        ("+", Health.UNKNOWN),
        ("++", Health.UP),
        ("+-+-+-+-", Health.UNKNOWN),
        ("---", Health.DOWN),
        ("--", Health.UNKNOWN),
        ("++--", Health.UP),
        ("++--+--", Health.UP),
        ("++---", Health.DOWN),
        ("---+", Health.DOWN),
        ("---++", Health.UP),
    ],
)
def test_rows_of_two_and_three(results: str, health: Health) -> None:
    assert after([each == "+" for each in results], success=2, failure=3) is health


def test_min_healthy_time_counts_from_the_first_success_of_the_row() -> None:
    thresholds = Thresholds(success=1, failure=3, min_healthy_time=10)

    assert thresholds.feed(ok=True, at=0) is Health.UNKNOWN
    assert thresholds.feed(ok=False, at=5) is Health.UNKNOWN
    assert thresholds.feed(ok=True, at=6) is Health.UNKNOWN
    assert thresholds.feed(ok=True, at=15.9) is Health.UNKNOWN
    assert thresholds.feed(ok=True, at=16) is Health.UP


@given(RESULTS, COUNTS, COUNTS)
def test_only_a_full_row_changes_anything(results: list[bool], success: int, failure: int) -> None:
    """Against the plainest definition: the last full row decides, whatever came before or after."""
    expected = Health.UNKNOWN
    for end in range(len(results) + 1):
        if end >= success and all(results[end - success : end]):
            expected = Health.UP
        if end >= failure and not any(results[end - failure : end]):
            expected = Health.DOWN

    assert after(results, success=success, failure=failure) is expected


@given(RESULTS, COUNTS, st.integers(min_value=0, max_value=8))
def test_up_means_healthy_for_the_whole_time_once(results: list[bool], success: int, least: int) -> None:
    if after(results, success=success, failure=100, least=least) is Health.UP:
        row = max(len(each) for each in "".join("+" if ok else "-" for ok in results).split("-"))
        assert row >= max(success, least + 1)


@given(st.lists(st.booleans(), min_size=2, max_size=30), st.integers(min_value=2, max_value=5))
def test_flapping_never_comes_up(starts: list[bool], success: int) -> None:
    flapping = [number % 2 == starts[0] for number in range(len(starts))]

    assert after(flapping, success=success, failure=success) is Health.UNKNOWN
