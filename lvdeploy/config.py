"""The deployment file: its sections, their defaults, and what they must not say together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticOmit

from lvdeploy.balancers import BALANCERS
from lvdeploy.client.route import parse_address
from lvdeploy.document import Check, Context, Duration, Key, Location, Rate, Secret, Settings, load
from lvdeploy.errors import ConfigurationError
from lvdeploy.health import HealthSettings
from lvdeploy.instances import INSTANCES
from lvdeploy.instances.drain import DrainSettings
from lvdeploy.measure.limits import Limits
from lvdeploy.measure.proof import ProofLimits
from lvdeploy.measure.verification import Fault
from lvdeploy.model import Slot
from lvdeploy.rollout.intent import Sessions
from lvdeploy.scenario.steps import Scenario


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("should be a URL with its host, such as https://app.example.org")
    if parts.username or parts.password:
        raise ValueError("must not hold a password; put an authorization header into verify.headers")
    if parts.query or parts.fragment:
        raise ValueError("should end with the path: no ? and no #")
    return value.rstrip("/")


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", value):
        raise ValueError("should be a name of letters, digits, '-', '_' and '.', 63 at most")
    return value


def _address(value: str) -> str:
    try:
        parse_address(value)
    except ValueError:
        raise ValueError("should be host:port") from None
    return value


def _javascript(value: str) -> str:
    if not re.fullmatch(r"auto|\d+\.\d+(\.\d+)?", value):
        raise ValueError("should be auto, or the version of LiveView's JavaScript to imitate, such as 1.1")
    return value


JavaScript = Annotated[str, AfterValidator(_javascript)]
Url = Annotated[str, AfterValidator(_url)]
Address = Annotated[str, AfterValidator(_address)]
UrlPath = Annotated[str, Field(pattern=r"^/[!-~]*$")]
Name = Annotated[str, AfterValidator(_name)]
Port = Annotated[int, Field(ge=1, le=65535)]


class ServiceSettings(Settings):
    """What is deployed."""

    name: Name
    url: Url
    version: Annotated[str, Field(min_length=1)] | None = None
    replicas: Annotated[int, Field(ge=1)]

    @field_validator("version", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value


class Choice(Settings):
    """A section that holds exactly one driver's name with that driver's settings."""

    @model_validator(mode="before")
    @classmethod
    def _exactly_one(cls, value: object) -> object:
        value = {} if value is None else value
        if not isinstance(value, dict):
            return value
        drivers = _drivers(cls)
        named = [name for name in drivers if name in value]
        if len(named) != 1 and all(key in cls.model_fields for key in value):
            found = " and ".join(named) or "none"
            raise ValueError(f"should hold exactly one of {', '.join(drivers)}; it holds {found}")
        return value | {name: {} for name in named if value[name] is None}

    @property
    def driver(self) -> str:
        """The driver's name in its registry."""
        return next(name for name in _drivers(type(self)) if getattr(self, name) is not None)

    @property
    def settings(self) -> Any:  # noqa: ANN401  each driver has a model of its own
        """What the file says to that driver."""
        return getattr(self, self.driver)


class SlotSettings(Settings):
    """A place that may hold one instance."""

    name: Name
    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Port


class Slotted(Choice):
    """The driver of the instances, and where they may run."""

    slots: Annotated[tuple[SlotSettings, ...], Field(min_length=1)]


def _drivers(section: type[BaseModel]) -> list[str]:
    return [name for name in section.model_fields if name != "slots"]


def _section(name: str, base: type[Choice], registry: Mapping[str, Any]) -> type[Choice]:
    """Make the section's model: one optional key for each driver there is."""
    fields: dict[str, Any] = {each: (driver.settings | None, None) for each, driver in registry.items()}
    return create_model(name, __base__=base, **fields)


if TYPE_CHECKING:
    BalancerSection: TypeAlias = Choice
    InstancesSection: TypeAlias = Slotted
else:
    BalancerSection = _section("BalancerSection", Choice, BALANCERS)
    InstancesSection = _section("InstancesSection", Slotted, INSTANCES)


class RollingSettings(Settings):
    """How a rolling rollout goes."""

    max_surge: Annotated[int, Field(ge=0)] = 1
    max_unavailable: Annotated[int, Field(ge=0)] = 0
    sessions: Sessions = Sessions.UPDATED
    max_joins_per_server: Annotated[Rate, Field(gt=0)] = 20.0
    progress_deadline: Annotated[Duration, Field(gt=0)] = 600.0


class IdentifySettings(Settings):
    """The response headers by which the service says who answered."""

    instance: Annotated[str, Field(min_length=1)] = "x-instance"
    version: Annotated[str, Field(min_length=1)] = "x-app-version"


class FoundSettings(Settings):
    """Where the ids of what was written are read back."""

    path: UrlPath
    json_: Annotated[str, Field(alias="json", min_length=1)]


class WritesSettings(Settings):
    """POSTs with an id each, all of which must be found again."""

    path: UrlPath
    rate: Annotated[Rate, Field(gt=0)] = 5.0
    id: Annotated[str, Field(min_length=1)] = "id"
    found: FoundSettings


class HttpSettings(Settings):
    """The HTTP load beside the clients."""

    rate: Annotated[Rate, Field(gt=0)] = 50.0
    paths: Annotated[tuple[UrlPath, ...], Field(min_length=1)] = ("/",)
    timeout: Annotated[Duration, Field(gt=0)] = 5.0
    writes: WritesSettings | None = None


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """A scenario and where it was read from."""

    path: Path
    scenario: Scenario


def _read_scenario(value: object, info: ValidationInfo) -> object:
    """Read the file that is named; what is wrong with it is told with its own places."""
    if not isinstance(info.context, Context):
        return value
    if not isinstance(value, str):
        raise ValueError("should name a scenario file")  # noqa: TRY004  pydantic takes values of the wrong type so
    path = info.context.directory / Path(value).expanduser()
    try:
        return ScenarioFile(path, load(path, Scenario, environment=info.context.environment))
    except ConfigurationError as error:
        if not error.problems:
            raise ValueError(error.message) from error
        info.context.problems.extend(error.problems)
        raise PydanticOmit from error


class VerifySettings(Settings):
    """The synthetic clients and what they must find."""

    scenarios: list[Annotated[ScenarioFile, BeforeValidator(_read_scenario)]] = Field(default_factory=list)
    clients: Annotated[int, Field(ge=1, le=100_000)] = 20
    joins: Annotated[Rate, Field(gt=0)] = 5.0
    settle: Annotated[Duration, Field(ge=0)] = 5.0
    javascript: JavaScript = "auto"
    identify: IdentifySettings = IdentifySettings()
    headers: dict[str, Secret] = Field(default_factory=dict)
    connect_to: Address | None = None
    ca: Location | None = None
    on_inconclusive: Literal["keep", "rollback"] = "keep"
    faults: Annotated[tuple[Annotated[Fault, BeforeValidator(str)], ...], Field(min_length=1)] = tuple(Fault)
    outage: Annotated[Duration, Field(gt=0)] = 3.0
    prove: ProofLimits = ProofLimits()
    limits: Limits = Limits()
    http: HttpSettings = HttpSettings()


class StateSettings(Settings):
    """What lvdeploy keeps between commands."""

    directory: Location = Path(".lvdeploy")


def _known_version(value: object) -> object:
    if value != 1 or isinstance(value, bool):
        raise ValueError("should be 1, the version of this file's format that this lvdeploy reads")
    return value


class Deployment(Settings):
    """A whole deployment file."""

    version: Annotated[int, BeforeValidator(_known_version)]
    service: ServiceSettings
    balancer: BalancerSection
    instances: InstancesSection
    health: HealthSettings = HealthSettings()
    drain: DrainSettings = DrainSettings()
    rolling: RollingSettings = RollingSettings()
    verify: VerifySettings = VerifySettings()
    state: StateSettings = StateSettings()

    @property
    def slots(self) -> tuple[Slot, ...]:
        return tuple(Slot(each.name, each.host, each.port) for each in self.instances.slots)


def load_deployment(path: Path, environment: Mapping[str, str]) -> Deployment:
    """Read a deployment file; raises ``ConfigurationError`` with every problem in it and in its scenarios."""
    return load(path, Deployment, environment=environment, checks=CHECKS)


# What the sections must not say together


def _slots_are_distinct(instances: Slotted) -> Iterator[tuple[Key, str]]:
    names: dict[str, int] = {}
    addresses: dict[tuple[str, int], int] = {}
    for number, slot in enumerate(instances.slots):
        key = ("instances", "slots", number)
        if (first := names.setdefault(slot.name, number)) != number:
            yield (*key, "name"), f"{slot.name!r} is the name of slots[{first}] too"
        if (first := addresses.setdefault((slot.host, slot.port), number)) != number:
            yield (*key, "port"), f"{slot.host}:{slot.port} is the address of slots[{first}] too"


def _slots_are_not_the_entrance(service: ServiceSettings, instances: Slotted) -> Iterator[tuple[Key, str]]:
    parts = urlsplit(service.url)
    entrance = (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
    for number, slot in enumerate(instances.slots):
        if (slot.host, slot.port) == entrance:
            key = ("instances", "slots", number, "port")
            yield key, f"{slot.host}:{slot.port} is where service.url leads: that is the balancer's place"


def _replicas_have_slots(service: ServiceSettings, instances: Slotted) -> Iterator[tuple[Key, str]]:
    slots = len(instances.slots)
    if service.replicas > slots:
        yield ("service", "replicas"), f"{service.replicas} replicas need as many slots; there are {slots}"


def _rolling_can_begin(
    service: ServiceSettings, instances: Slotted, rolling: RollingSettings
) -> Iterator[tuple[Key, str]]:
    if rolling.max_unavailable > 0:
        return
    if rolling.max_surge == 0:
        yield ("rolling", "max_surge"), "max_surge and max_unavailable are both 0: no instance could ever be replaced"
    elif service.replicas == len(instances.slots):
        yield (
            ("rolling", "max_surge") if "max_surge" in rolling.model_fields_set else ("service", "replicas"),
            f"{service.replicas} replicas fill all slots, so none is free for rolling.max_surge ({rolling.max_surge}): "
            "add a slot, or set rolling.max_unavailable to 1",
        )


CHECKS = (
    Check(("instances",), _slots_are_distinct),
    Check(("service", "instances"), _slots_are_not_the_entrance),
    Check(("service", "instances"), _replicas_have_slots),
    Check(("service", "instances", "rolling"), _rolling_can_begin),
)
