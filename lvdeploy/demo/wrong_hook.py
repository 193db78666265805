"""A start hook as it should not be: it stops an instance of the other version, whoever is still on it."""

from __future__ import annotations

import signal
from collections.abc import Mapping

import psutil


def stop_a_neighbour(environment: Mapping[str, str]) -> int | None:
    """
    Send SIGTERM to the first instance of another version of this demo; return its pid.

    Neighbours share the database. Such a hook is what a restart script in the wrong place amounts to.
    """
    mine = (environment.get("DEMO_DATABASE"), environment.get("APP_VERSION"))
    for process in sorted(psutil.process_iter(), key=lambda each: each.pid):
        database, version = _told(process)
        if database == mine[0] and version not in (None, mine[1]):
            process.send_signal(signal.SIGTERM)
            return process.pid
    return None


def _told(process: psutil.Process) -> tuple[str | None, str | None]:
    try:
        if "lvdeploy.demo" not in process.cmdline():
            return (None, None)
        environment = process.environ()
    except psutil.Error:
        return (None, None)
    return (environment.get("DEMO_DATABASE"), environment.get("APP_VERSION"))
