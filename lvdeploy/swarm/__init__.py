"""Many synthetic clients, and a steady HTTP load beside them, in processes that end with this one."""

from __future__ import annotations

from lvdeploy.swarm.order import LoadOrder, SwarmOrder, WriteOrder
from lvdeploy.swarm.recorder import read
from lvdeploy.swarm.swarm import NotReady, Swarm
from lvdeploy.swarm.worker import SwarmFailed

__all__ = ["LoadOrder", "NotReady", "Swarm", "SwarmFailed", "SwarmOrder", "WriteOrder", "read"]
