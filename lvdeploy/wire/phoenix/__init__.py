"""Phoenix LiveView over its websocket, as its own JavaScript speaks it."""

from __future__ import annotations

from lvdeploy.wire.phoenix.live_view import Identify, LiveView, WhichJavaScript

__all__ = ["Identify", "LiveView", "WhichJavaScript"]
