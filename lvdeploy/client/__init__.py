"""Synthetic clients on real sockets: sessions decide, the pump does."""

from __future__ import annotations

from lvdeploy.client.live import Live, Stuck, View
from lvdeploy.client.pump import Pump
from lvdeploy.client.route import Route
from lvdeploy.client.tls import tls_context

__all__ = ["Live", "Pump", "Route", "Stuck", "View", "tls_context"]
