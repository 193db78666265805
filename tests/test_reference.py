"""configs/reference.yml is the manual: every key there is, no other, each with its default; and it loads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter

from lvdeploy.balancers import BALANCERS
from lvdeploy.config import Deployment, load_deployment
from lvdeploy.document import Settings, members, shape_of
from lvdeploy.instances import INSTANCES

CONFIGS = Path(__file__).parent.parent / "configs"
REFERENCE = CONFIGS / "reference.yml"

# Where the reference has to say something else than the default, and why.
NOT_THE_DEFAULT = {"balancer.traefik.managed": "without it a directory would be required, and there is no default one"}


def everything() -> dict[str, Any]:
    """The reference with all alternatives and optional sections put in."""
    text = re.sub(r"^( *)#: ", r"\1", REFERENCE.read_text(), flags=re.MULTILINE)
    return yaml.safe_load(text)


def model_in(annotation: Any) -> type[BaseModel] | None:
    models = [each for each in members(annotation) if isinstance(each, type) and issubclass(each, Settings)]
    return models[0] if models else None


def element_model(annotation: Any) -> type[BaseModel] | None:
    """The model of a list's entries."""
    for each in members(annotation):
        for argument in getattr(each, "__args__", ()):
            if (model := model_in(argument)) is not None:
                return model
    return None


Section = tuple[str, type[BaseModel], Any]


def sections(model: type[BaseModel], value: dict[str, Any], path: str = "") -> Iterator[Section]:
    yield path, model, value
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key not in value or value[key] is None:
            continue
        where = f"{path}.{key}".lstrip(".")
        if (inner := model_in(field.annotation)) is not None:
            yield from sections(inner, value[key], where)
        elif (inner := element_model(field.annotation)) is not None and value[key]:
            yield from sections(inner, value[key][0], f"{where}[]")


SECTIONS = list(sections(Deployment, everything()))


def test_the_reference_loads():
    deployment = load_deployment(REFERENCE, {})

    assert deployment.service.version is None
    assert len(deployment.slots) == deployment.service.replicas + 1
    assert deployment.state.directory == CONFIGS / ".lvdeploy"


@pytest.mark.parametrize(("path", "model", "value"), SECTIONS, ids=[path or "document" for path, _, _ in SECTIONS])
def test_every_key_is_there_and_no_other(path, model, value):
    keys = [field.alias or name for name, field in model.model_fields.items()]

    assert sorted(value) == sorted(keys)


@pytest.mark.parametrize(("path", "model", "value"), SECTIONS, ids=[path or "document" for path, _, _ in SECTIONS])
def test_every_default_is_the_default(path, model, value):
    for name, field in model.model_fields.items():
        key = field.alias or name
        if field.is_required() or model_in(field.annotation) is not None:
            continue
        where = f"{path}.{key}".lstrip(".")
        written = None if value[key] == "${VERSION:-}" else value[key]
        found = TypeAdapter(shape_of(field)).validate_python(written)
        default = field.get_default(call_default_factory=True)

        assert (found != default) == (where in NOT_THE_DEFAULT), f"{where} is {found!r}, the default {default!r}"


def test_an_optional_section_is_away_unless_it_is_taken():
    """What is commented out is what is not there by default."""
    deployment = load_deployment(REFERENCE, {})

    assert deployment.drain.http is deployment.health.http.version is deployment.verify.http.writes is None


def test_every_driver_is_described():
    reference = everything()

    assert reference["balancer"].keys() == BALANCERS.keys()
    assert reference["instances"].keys() - {"slots"} == INSTANCES.keys()


def test_every_key_has_its_comment():
    """A comment stands above a key, or above the first of several that belong together."""
    lines = REFERENCE.read_text().splitlines()
    key = re.compile(r" *(?:#: *|- \{)?([a-z_0-9]+):")
    bare = [
        match[1]
        for above, line in pairwise(lines)
        if (match := key.match(line)) and not key.match(above) and not above.strip().startswith("#")
    ]

    assert not bare


ENVIRONMENT = {"DEMO_SECRET": "x", "DEMO_TOKEN": "y"}
DEPLOYMENTS = [path for path in sorted(CONFIGS.glob("*.yml")) if path != REFERENCE]


@pytest.mark.parametrize("path", DEPLOYMENTS, ids=[path.name for path in DEPLOYMENTS])
def test_every_configuration_that_ships_loads(path):
    assert load_deployment(path, ENVIRONMENT).verify.scenarios
