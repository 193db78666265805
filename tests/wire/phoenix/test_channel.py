"""Which frames are for a channel."""

from __future__ import annotations

from typing import cast

import pytest

from lvdeploy.wire.phoenix.channel import Channel
from lvdeploy.wire.phoenix.view import View


@pytest.mark.parametrize(
    ("topic", "join_ref", "accepted"),
    [("lv:a", "7", True), ("lv:a", None, True), ("lv:a", "4", False), ("lv:b", "7", False), ("lv:b", None, False)],
)
def test_frames_of_other_joins_are_not_for_it(topic: str, join_ref: str | None, accepted: bool) -> None:
    """phoenix channel.js isMember: another join_ref is outdated, none is a broadcast."""
    channel = Channel("lv:a", owner=cast("View", None), payload=dict)
    channel.join_ref = "7"
    assert channel.accepts(topic, join_ref) is accepted
