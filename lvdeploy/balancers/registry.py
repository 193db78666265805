"""The balancers one can name in a deployment file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from lvdeploy.balancers.contract import Balancer
from lvdeploy.balancers.managed import Managed
from lvdeploy.balancers.memory import Memory, MemorySettings
from lvdeploy.balancers.traefik import Traefik
from lvdeploy.balancers.traefik_api import TraefikApi
from lvdeploy.balancers.traefik_managed import THROTTLE, dynamic_directory, file_name, managed_traefik
from lvdeploy.balancers.traefik_render import Names
from lvdeploy.balancers.traefik_settings import TraefikSettings
from lvdeploy.clock import Clock
from lvdeploy.document import Settings
from lvdeploy.hosts import Host
from lvdeploy.model import Cookie

S = TypeVar("S", bound=Settings)
S_contra = TypeVar("S_contra", bound=Settings, contravariant=True)


class Build(Protocol[S_contra]):
    """Makes the driver; ``service`` is the service's name, by which several share one balancer."""

    def __call__(
        self, settings: S_contra, /, *, host: Host, state_directory: Path, service: str, clock: Clock
    ) -> Balancer: ...


class Manage(Protocol[S_contra]):
    """Makes the managed balancer's life, or ``None`` where it is the operator's own."""

    def __call__(
        self, settings: S_contra, /, *, host: Host, state_directory: Path, service: str, clock: Clock
    ) -> Managed | None: ...


class Affinity(Protocol[S_contra]):
    """Says which cookie the settings ask for."""

    def __call__(self, settings: S_contra, /) -> Cookie | None: ...


@dataclass(frozen=True, slots=True)
class BalancerKind(Generic[S]):
    """All that lvdeploy must know to offer a balancer."""

    name: str
    settings: type[S]
    build: Build[S]
    manage: Manage[S]
    affinity: Affinity[S]


def _build_memory(settings: MemorySettings, /, *, host: Host, state_directory: Path, service: str, clock: Clock) -> Memory:  # noqa: ARG001, E501 # a driver without surroundings
    return Memory(clock=clock)


def _manage_nothing(settings: Settings, /, *, host: Host, state_directory: Path, service: str, clock: Clock) -> None:  # noqa: ARG001 # it lives in lvdeploy itself
    return None


def _build_traefik(
    settings: TraefikSettings, /, *, host: Host, state_directory: Path, service: str, clock: Clock
) -> Traefik:
    names = Names.of(service)
    directory = dynamic_directory(state_directory) if settings.managed else settings.directory
    assert directory is not None  # noqa: S101 # the settings' own validation
    return Traefik(
        file=directory / file_name(service), names=names, shape=settings.shape(),
        api=TraefikApi(settings.api, names=names), host=host, clock=clock, deadline=settings.deadline,
        throttle=THROTTLE if settings.managed else settings.throttle, private=settings.managed,
    )


def _manage_traefik(
    settings: TraefikSettings, /, *, host: Host, state_directory: Path, service: str, clock: Clock
) -> Managed | None:
    if not settings.managed:
        return None
    return managed_traefik(settings, host=host, state_directory=state_directory, service=service, clock=clock)


BALANCERS: dict[str, BalancerKind[Any]] = {
    "memory": BalancerKind("memory", MemorySettings, _build_memory, _manage_nothing, MemorySettings.affinity),
    "traefik": BalancerKind(
        "traefik", TraefikSettings, _build_traefik, _manage_traefik, TraefikSettings.affinity
    ),
}
