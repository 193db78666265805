from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.model import Kind, Observation
from lvdeploy.swarm.lines import LINE_LIMIT, decode, encode

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.builds(
        Observation,
        at=st.floats(0, 1e6),
        client=st.text(),
        kind=st.sampled_from(Kind),
        step=st.text(),
        value=st.none() | st.floats(0, 1e6),
        detail=st.dictionaries(st.text(), VALUES, max_size=4),
    )
)
def test_a_line_says_the_whole_observation_and_is_one_line(observation: Observation):
    line = encode(observation)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode(line) == observation


def test_a_detail_without_end_is_left_out():
    line = encode(Observation(1.0, "c", Kind.LOST, detail={"reason": "x" * LINE_LIMIT}))
    assert len(line) < 1000
    assert "left_out" in decode(line).detail


@pytest.mark.parametrize("line", [b"", b"{", b"{}\n", b'{"at":1,"client":"c","kind":"no such kind"}\n'])
def test_what_is_no_observation_is_said(line: bytes):
    with pytest.raises(ValueError, match=r"\w"):
        decode(line)
