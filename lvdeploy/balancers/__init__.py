"""The load balancer: its contract, and the registry of drivers."""

from __future__ import annotations

from lvdeploy.balancers.contract import Balancer, Capabilities
from lvdeploy.balancers.managed import Managed
from lvdeploy.balancers.registry import BALANCERS, BalancerKind

__all__ = ["BALANCERS", "Balancer", "BalancerKind", "Capabilities", "Managed"]
