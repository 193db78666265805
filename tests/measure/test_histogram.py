from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvdeploy.measure.histogram import Histogram

seconds = st.lists(st.floats(0.0001, 3000.0), min_size=1, max_size=50)
PERCENTS = (50.0, 95.0, 99.0, 100.0)


def histogram_of(values: list[float]) -> Histogram:
    histogram = Histogram()
    for each in values:
        histogram.record(each)
    return histogram


def figures(histogram: Histogram) -> list[float | None]:
    return [histogram.count, histogram.max, *(histogram.percentile(each) for each in PERCENTS)]


@settings(max_examples=25)
@given(seconds, seconds)
def test_merged_parts_are_the_whole(left: list[float], right: list[float]):
    merged = histogram_of(left)
    merged.add(histogram_of(right))
    assert figures(merged) == figures(histogram_of(left + right))


@settings(max_examples=25)
@given(seconds)
def test_what_is_encoded_is_decoded_the_same(values: list[float]):
    histogram = histogram_of(values)
    assert figures(Histogram.decode(histogram.encode())) == figures(histogram)


@given(seconds)
def test_the_longest_is_right_to_three_digits(values: list[float]):
    assert histogram_of(values).max == pytest.approx(max(values), rel=0.001, abs=2e-6)


def test_nothing_recorded_has_no_percentile():
    assert figures(Histogram()) == [0, None, None, None, None, None]


def test_what_lies_outside_is_recorded_as_the_nearest():
    histogram = histogram_of([0.0, -1.0, 1e9])
    assert histogram.count == 3
    assert histogram.max == pytest.approx(3600.0, rel=0.001)


@pytest.mark.parametrize("text", ["", "nonsense", "SElT", "ü"])
def test_text_that_is_no_histogram_is_a_value_error(text: str):
    with pytest.raises(ValueError, match="not an encoded histogram"):
        Histogram.decode(text)
