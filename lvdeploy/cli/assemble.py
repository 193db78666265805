"""The deployment file made into parts that work: drivers, journal, lease, clock."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lvdeploy.balancers import BALANCERS, Balancer
from lvdeploy.balancers.managed import Managed
from lvdeploy.clock import Clock, SystemClock
from lvdeploy.config import Deployment, load_deployment
from lvdeploy.errors import ConfigurationError, Refused, StateError
from lvdeploy.health import HttpHealth
from lvdeploy.hook import Hook, nobody
from lvdeploy.hosts import Host
from lvdeploy.hosts.local import LocalHost
from lvdeploy.instances import INSTANCES, InstanceDriver
from lvdeploy.instances.drain import InstanceDrainer
from lvdeploy.model import Cookie, Slot
from lvdeploy.rollout.deeds import Limits, Parts
from lvdeploy.rollout.gates import Watch
from lvdeploy.rollout.journal import Journal
from lvdeploy.rollout.lease import Lease

DEFAULT_FILE = Path("lvdeploy.yml")


@dataclass(frozen=True, slots=True)
class Workshop:
    """Everything a command works with, made from one deployment file."""

    deployment: Deployment
    host: Host
    clock: Clock
    balancer: Balancer
    managed: Managed | None
    instances: InstanceDriver
    journal: Journal
    lease: Lease
    hook: Hook

    @property
    def slots(self) -> tuple[Slot, ...]:
        return self.deployment.slots

    @property
    def service(self) -> str:
        return self.deployment.service.name

    @property
    def affinity(self) -> Cookie | None:
        section = self.deployment.balancer
        return BALANCERS[section.driver].affinity(section.settings)

    @property
    def state(self) -> Path:
        return self.deployment.state.directory

    def parts(self, watch: Watch) -> Parts:
        """Return what an engine drives."""
        return Parts(
            balancer=self.balancer, instances=self.instances,
            health=self.health(),
            drainer=InstanceDrainer(self.deployment.drain, clock=self.clock, hook=self.hook),
            watch=watch, journal=self.journal, clock=self.clock, service=self.service,
        )

    def health(self) -> HttpHealth:
        """Return the application's own word on its health."""

        async def lives(slot: Slot) -> bool:
            return any(instance.slot == slot.name for instance in await self.instances.list())

        return HttpHealth(self.deployment.health, clock=self.clock, lives=lives)

    def limits(self) -> Limits:
        """Return the engine's bounds."""
        return Limits(
            progress_deadline=self.deployment.rolling.progress_deadline, grace=self.deployment.drain.stop_grace,
            out_interval=1.0, max_joins_per_server=self.deployment.rolling.max_joins_per_server,
        )

    async def require_balancer(self) -> None:
        """Raise ``Refused`` where the managed balancer does not run."""
        if self.managed is not None and not await self.managed.alive():
            raise Refused("the managed balancer does not run", hint="`lvdeploy up` starts it")

    async def close(self) -> None:
        await self.balancer.close()
        self.journal.close()


def find_file(given: Path | None) -> Path:
    """Return the deployment file: the one given, else ``lvdeploy.yml`` here."""
    path = given or DEFAULT_FILE
    if not path.is_file():
        raise ConfigurationError(
            f"there is no deployment file {path}",
            hint="name one with --config FILE; configs/reference.yml documents every key",
        )
    return path


def assemble(path: Path, environment: dict[str, str] | None = None, *, hook: Hook = nobody) -> Workshop:
    """Read the file and put the parts together, touching nothing but the state directory."""
    deployment = load_deployment(path, dict(os.environ) if environment is None else environment)
    host, clock, state = LocalHost(hook=hook), SystemClock(), deployment.state.directory
    journal = _journal(state, hook)
    chosen, section = BALANCERS[deployment.balancer.driver], deployment.balancer
    driver, name = INSTANCES[deployment.instances.driver], deployment.service.name
    return Workshop(
        deployment=deployment, host=host, clock=clock, journal=journal,
        balancer=chosen.build(section.settings, host=host, state_directory=state, service=name, clock=clock),
        managed=chosen.manage(section.settings, host=host, state_directory=state, service=name, clock=clock),
        instances=driver.build(deployment.instances.settings, host=host, state_directory=state, clock=clock),
        lease=Lease(journal, name, clock=clock), hook=hook,
    )


def _journal(state: Path, hook: Hook) -> Journal:
    try:
        return Journal.open(state / "journal.db", hook=hook)
    except StateError as error:
        raise Refused(error.message, hint=error.hint) from error
