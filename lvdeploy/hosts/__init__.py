"""Where commands run and files live: the contract of a host, and the registry."""

from __future__ import annotations

from collections.abc import Callable

from lvdeploy.hosts.contract import Completed, Host, Record
from lvdeploy.hosts.local import LocalHost

HOSTS: dict[str, Callable[[], Host]] = {"local": LocalHost}

__all__ = ["HOSTS", "Completed", "Host", "LocalHost", "Record"]
