"""Phoenix LiveView, and plain channels, as their own JavaScript speaks them."""

from __future__ import annotations

from lvdeploy.wire.phoenix.channels import Channels
from lvdeploy.wire.phoenix.live_view import Identify, LiveView, WhichJavaScript

__all__ = ["Channels", "Identify", "LiveView", "WhichJavaScript"]
