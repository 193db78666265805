"""Whether an instance is healthy: what it answers itself, counted against thresholds."""

from __future__ import annotations

from lvdeploy.health.gate import Awaited, HealthOutcome, HttpHealth, await_healthy
from lvdeploy.health.http_check import CheckResult, new_client, probe
from lvdeploy.health.settings import HealthSettings, HttpCheck, ReportedVersion
from lvdeploy.health.thresholds import Thresholds

__all__ = [
    "Awaited", "CheckResult", "HealthOutcome", "HealthSettings", "HttpCheck", "HttpHealth", "ReportedVersion",
    "Thresholds", "await_healthy", "new_client", "probe",
]
