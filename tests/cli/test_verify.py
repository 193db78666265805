"""The command line of ``verify``, and the orders it gives; whole runs are in end_to_end/test_verify.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click import UsageError

from lvdeploy.cli.console import Console
from lvdeploy.cli.trial import forgiving
from lvdeploy.cli.verification import Verification
from lvdeploy.cli.verify import verify
from lvdeploy.config import load_deployment
from lvdeploy.errors import ConfigurationError
from lvdeploy.measure.verification import Fault
from lvdeploy.swarm.order import Destination, SwarmOrder

SCENARIO = {
    "version": 1, "name": "s", "writes": True, "visit": "/",
    "keep": [
        {"name": "typed", "class": "form", "selector": "#a", "value": True},
        {"name": "tab", "class": "url", "selector": "#b", "text": True},
    ],
    "peer": {"visit": "/", "keep": [{"name": "typed", "class": "form", "selector": "#a", "value": True}]},
}


def written(directory: Path, **changes) -> Path:
    (directory / "s.yml").write_text(yaml.safe_dump(SCENARIO))
    verify = {"scenarios": ["s.yml"], **changes}
    file = directory / "lvdeploy.yml"
    file.write_text(yaml.safe_dump({
        "version": 1, "service": {"name": "shop", "url": "http://127.0.0.1:1", "replicas": 1},
        "balancer": {"memory": {}}, "verify": verify,
        "instances": {"process": {"command": ["true"]}, "slots": [{"name": f"w-{n}", "port": n} for n in (4001, 4002)]},
    }))
    return file


def run_of(file: Path, *faults: Fault, clients: int = 20) -> Verification:
    deployment = load_deployment(file, {})
    faults = faults or deployment.verify.faults
    return Verification(deployment, faults, Console.silent(), clients=clients, seed=7, reports=())


def call(*arguments: str) -> None:
    verify.main(list(arguments), standalone_mode=False)


def test_without_scenarios_there_is_nobody_to_notice(tmp_path):
    with pytest.raises(ConfigurationError, match=r"verify\.scenarios is empty"):
        call("--config", str(written(tmp_path, scenarios=[])))


def test_a_fault_that_is_none_is_said_with_those_that_are(tmp_path):
    with pytest.raises(UsageError, match=r"1012.*refused.*hanging"):
        call("--config", str(written(tmp_path)), "--fault", "1013")


def test_faults_are_written_as_people_write_them(tmp_path):
    deployment = load_deployment(written(tmp_path, faults=[1012, "1006", "refused"], outage="500ms"), {})

    assert deployment.verify.faults == (Fault.RESTART, Fault.CUT, Fault.REFUSED)
    assert deployment.verify.outage == 0.5
    with pytest.raises(ConfigurationError, match="faults"):
        load_deployment(written(tmp_path, faults=[1013]), {})


def test_the_next_command_is_the_one_that_does_the_same_again(tmp_path):
    file = written(tmp_path)

    assert run_of(file).again() == "`lvdeploy verify --seed 7`"
    assert run_of(file).again(Fault.CUT) == "`lvdeploy verify --fault 1006 --seed 7`"
    again = run_of(file, Fault.CUT, Fault.REFUSED, clients=5).again()
    assert again == "`lvdeploy verify --fault 1006 --fault refused --clients 5 --seed 7`"


def test_a_page_load_forgives_what_was_typed_and_nothing_else():
    order = SwarmOrder(
        destination=Destination("http://127.0.0.1:1"), scenarios=(SCENARIO,), clients=1, joins_per_second=1.0, seed=1,
        origin=0.0,
    )
    [scenario] = forgiving(order).scenarios

    assert [each.get("accept") for each in scenario["keep"]] == ["lost", None]
    assert [each.get("accept") for each in scenario["peer"]["keep"]] == ["lost"]
    assert scenario["writes"] is True
