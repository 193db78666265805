"""The waits of Phoenix's JavaScript."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.wire.backoff import reconnect_after, rejoin_after, reload_after


def test_reconnects_follow_phoenix_table() -> None:
    """phoenix socket.js: [10, 50, 100, 150, 200, 250, 500, 1000, 2000][tries - 1] || 5000."""
    waits = [reconnect_after(tries) for tries in range(1, 13)]
    assert waits == [0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 5.0, 5.0]


def test_rejoins_follow_phoenix_table() -> None:
    """phoenix socket.js: [1000, 2000, 5000][tries - 1] || 10000."""
    assert [rejoin_after(tries) for tries in range(1, 6)] == [1.0, 2.0, 5.0, 10.0, 10.0]


@given(st.integers(0, 9), st.integers())
def test_page_reloads_wait_between_five_and_ten_seconds(tries: int, seed: int) -> None:
    """live_socket.ts reloadWithJitter: RELOAD_JITTER_MIN to RELOAD_JITTER_MAX."""
    assert 5.0 <= reload_after(tries, random.Random(seed)) <= 10.0


def test_page_reloads_become_rare_after_ten_failures() -> None:
    """live_socket.ts: tries >= maxReloads waits failsafeJitter."""
    assert [reload_after(tries, random.Random(1)) for tries in (10, 11)] == [30.0, 30.0]
