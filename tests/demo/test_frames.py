"""Frames are read strictly and written as Phoenix writes them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.demo import frames
from lvdeploy.demo.frames import Frame, Malformed

JOIN = Frame("4", "4", "lv:phx-1", "phx_join", {"url": "/"})


@given(st.text())
def test_any_text_is_a_frame_or_malformed(text: str):
    try:
        frame = frames.decode(text)
    except Malformed:
        return
    assert frames.decode(frames.encode(frame)) == frame


@pytest.mark.parametrize("parts", [
    [], ["4", "4", "lv:x", "event"], ["4", "4", "lv:x", "event", []], [4, "4", "lv:x", "event", {}],
    ["4", "4", None, "event", {}], ["4", "4", "lv:x", 1, {}], {"topic": "lv:x"}, None,
])
def test_other_json_is_malformed(parts: object):
    with pytest.raises(Malformed):
        frames.decode(json.dumps(parts))


def test_the_end_of_a_channel_names_its_join_twice():
    assert json.loads(frames.crashed(JOIN)) == ["4", "4", "lv:phx-1", "phx_error", {"reason": "channel_crash"}]
    assert json.loads(frames.closed(JOIN)) == ["4", "4", "lv:phx-1", "phx_close", {}]


def test_a_frame_for_nobody_is_answered_without_its_join():
    event = Frame("9", "10", "lv:phx-1", "event", {})
    unmatched = {"response": {"reason": "unmatched topic"}, "status": "error"}
    assert json.loads(frames.unmatched(event)) == [None, "10", "lv:phx-1", "phx_reply", unmatched]
