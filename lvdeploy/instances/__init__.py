"""The instances of the service: the contract of a driver, and the registry."""

from __future__ import annotations

from lvdeploy.instances.contract import InstanceDriver
from lvdeploy.instances.registry import INSTANCES, InstanceKind

__all__ = ["INSTANCES", "InstanceDriver", "InstanceKind"]
