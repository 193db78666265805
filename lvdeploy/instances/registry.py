"""The ways to run instances that one can name in a deployment file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from lvdeploy.clock import Clock
from lvdeploy.document import Settings
from lvdeploy.hosts import Host
from lvdeploy.instances.contract import InstanceDriver
from lvdeploy.instances.process import ProcessInstances, ProcessSettings

S = TypeVar("S", bound=Settings)
S_contra = TypeVar("S_contra", bound=Settings, contravariant=True)


class Build(Protocol[S_contra]):
    """Makes the driver; its records and logs go below the state directory."""

    def __call__(self, settings: S_contra, /, *, host: Host, state_directory: Path, clock: Clock) -> InstanceDriver: ...


@dataclass(frozen=True, slots=True)
class InstanceKind(Generic[S]):
    """All that lvdeploy must know to offer a way to run instances."""

    name: str
    settings: type[S]
    build: Build[S]


INSTANCES: dict[str, InstanceKind[Any]] = {
    "process": InstanceKind("process", ProcessSettings, ProcessInstances),
}
