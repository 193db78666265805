"""How long Phoenix's JavaScript waits before it tries again: seconds, from tables and a handed-in ``Random``."""

from __future__ import annotations

import random

# phoenix socket.js: [10, 50, 100, 150, 200, 250, 500, 1000, 2000][tries - 1] || 5000
RECONNECT = (0.010, 0.050, 0.100, 0.150, 0.200, 0.250, 0.500, 1.0, 2.0)
RECONNECT_LAST = 5.0

# phoenix socket.js: [1000, 2000, 5000][tries - 1] || 10000
REJOIN = (1.0, 2.0, 5.0)
REJOIN_LAST = 10.0

# phoenix_live_view constants.js: RELOAD_JITTER_MIN, RELOAD_JITTER_MAX, FAILSAFE_JITTER, MAX_RELOADS
RELOAD_MIN_MS = 5_000
RELOAD_MAX_MS = 10_000
RELOAD_FAILSAFE = 30.0
MAX_RELOADS = 10


def reconnect_after(tries: int) -> float:
    """Return the wait before connection attempt number ``tries``, counted from 1 since the last open."""
    return _nth(RECONNECT, RECONNECT_LAST, tries)


def rejoin_after(tries: int) -> float:
    """Return the wait before rejoin number ``tries`` of a channel whose socket is up."""
    return _nth(REJOIN, REJOIN_LAST, tries)


def reload_after(tries: int, rng: random.Random) -> float:
    """Return the wait before a page load; ``tries`` counts the loads since the last join, from 0."""
    # live_socket: floor(random() * (max - min + 1)) + min, in whole milliseconds
    jitter = (int(rng.random() * (RELOAD_MAX_MS - RELOAD_MIN_MS + 1)) + RELOAD_MIN_MS) / 1000
    return RELOAD_FAILSAFE if tries >= MAX_RELOADS else jitter


def _nth(table: tuple[float, ...], last: float, tries: int) -> float:
    return table[tries - 1] if 1 <= tries <= len(table) else last
