"""The deployment file: ten mistakes are ten places, and sections are held against one another."""

from __future__ import annotations

from pathlib import Path

import pytest

from lvdeploy.balancers.traefik_settings import TraefikSettings
from lvdeploy.config import load_deployment
from lvdeploy.errors import ConfigurationError, ExitCode
from lvdeploy.model import Slot

GOOD = """\
version: 1
service:
  name: demo
  url: http://127.0.0.1:8080
  version: ${VERSION:-}
  replicas: 3
balancer:
  traefik: {managed: true}
instances:
  process: {command: [serve, "{port}"]}
  slots:
    - {name: web-1, port: 4001}
    - {name: web-2, port: 4002}
    - {name: web-3, port: 4003}
    - {name: web-4, port: 4004}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lvdeploy.yml"


def load(file: Path, text: str, **environment: str):
    file.write_text(text)
    return load_deployment(file, environment)


def problems(file: Path, text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(file, text, **environment)
    assert caught.value.exit_code is ExitCode.USAGE
    return [str(each).replace(f"{file.parent}/", "") for each in caught.value.problems]


def test_a_deployment_is_loaded_with_its_defaults(file):
    deployment = load(file, GOOD)

    assert deployment.balancer.driver == "traefik"
    assert isinstance(deployment.balancer.settings, TraefikSettings)
    assert deployment.instances.driver == "process"
    assert deployment.instances.settings.command == ("serve", "{port}")
    assert deployment.slots[0] == Slot("web-1", "127.0.0.1", 4001)
    assert deployment.rolling.progress_deadline == 600
    assert deployment.verify.limits.gap_p99 == 5


def test_paths_begin_at_the_files_directory(file):
    deployment = load(file, GOOD)

    assert deployment.state.directory == file.parent / ".lvdeploy"
    assert deployment.instances.settings.directory == file.parent


@pytest.mark.parametrize(("given", "version"), [({}, None), ({"VERSION": ""}, None), ({"VERSION": "1.10"}, "1.10")])
def test_the_version_may_be_left_to_the_command_line(file, given, version):
    assert load(file, GOOD, **given).service.version == version


TEN_MISTAKES = """\
version: 2
service:
  name: demo
  url: app.example.org
  replicas: three
balancer:
  trafik: {managed: true}
instances:
  process: {command: [serve, "{prt}"]}
  slots:
    - {name: web-1, port: 4001}
    - {name: web-2, port: 4001}
health:
  period: 5
drain:
  close: http
rolling:
  max_surge: 0
  sessions: updatd
  max_joins_per_server: 20
verify:
  limits: {gap_p98: 5s}
"""


def test_ten_mistakes_are_ten_places(file):
    assert problems(file, TEN_MISTAKES) == [
        "lvdeploy.yml:1:10: version: should be 1, the version of this file's format that this lvdeploy reads, not 2",
        "lvdeploy.yml:4:8: service.url: should be a URL with its host, such as https://app.example.org, "
        "not 'app.example.org'",
        "lvdeploy.yml:5:13: service.replicas: should be a whole number, not 'three'",
        "lvdeploy.yml:7:3: balancer.trafik: unknown key; did you mean 'traefik'?",
        "lvdeploy.yml:9:30: instances.process.command[1]: unknown placeholder {prt}; known are {version}, {port}, "
        "{host}, {name}, and {{ for a plain {",
        "lvdeploy.yml:14:11: health.period: should be a duration such as 500ms, 30s or 5m, not 5",
        "lvdeploy.yml:16:3: drain: close: http needs a section http that says which request closes sockets",
        "lvdeploy.yml:19:13: rolling.sessions: should be 'updated' or 'any', not 'updatd'",
        "lvdeploy.yml:20:25: rolling.max_joins_per_server: should be a rate such as 20/s or 300/m, not 20",
        "lvdeploy.yml:22:12: verify.limits.gap_p98: unknown key; did you mean 'gap_p99'?",
    ]


# Drivers


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("", "lvdeploy.yml:7:10: balancer: should hold exactly one of memory, traefik; it holds none"),
        ("  memory:\n  traefik:\n",
         "lvdeploy.yml:8:3: balancer: should hold exactly one of memory, traefik; it holds memory and traefik"),
        ("  nginx: {}\n", "lvdeploy.yml:8:3: balancer.nginx: unknown key"),
    ],
)  # fmt: skip
def test_exactly_one_driver_is_named(file, section, problem):
    assert problems(file, GOOD.replace("  traefik: {managed: true}\n", section)) == [problem]


def test_a_driver_without_settings_is_named_by_its_key_alone(file):
    assert load(file, GOOD.replace("traefik: {managed: true}", "memory:")).balancer.driver == "memory"


def test_a_drivers_own_mistakes_have_their_places(file):
    text = GOOD.replace("{managed: true}", "{managed: true, listn: 1}")

    assert problems(file, text) == ["lvdeploy.yml:8:28: balancer.traefik.listn: unknown key; did you mean 'listen'?"]


# What sections say together


def test_slots_have_names_and_addresses_of_their_own(file):
    text = GOOD.replace("name: web-3", "name: web-1").replace("port: 4004", "port: 4001")

    assert problems(file, text) == [
        "lvdeploy.yml:14:14: instances.slots[2].name: 'web-1' is the name of slots[0] too",
        "lvdeploy.yml:15:27: instances.slots[3].port: 127.0.0.1:4001 is the address of slots[0] too",
    ]


def test_one_port_on_two_hosts_is_fine(file):
    assert load(file, GOOD.replace("port: 4004", "host: 10.0.0.2, port: 4001"))


def test_no_slot_is_where_the_users_come_in(file):
    assert problems(file, GOOD.replace("4002", "8080")) == [
        "lvdeploy.yml:13:27: instances.slots[1].port: 127.0.0.1:8080 is where service.url leads: "
        "that is the balancer's place"
    ]


def test_replicas_need_slots(file):
    assert problems(file, GOOD.replace("replicas: 3", "replicas: 5")) == [
        "lvdeploy.yml:6:13: service.replicas: 5 replicas need as many slots; there are 4"
    ]


def test_surge_needs_a_free_slot(file):
    assert problems(file, GOOD.replace("replicas: 3", "replicas: 4")) == [
        "lvdeploy.yml:6:13: service.replicas: 4 replicas fill all slots, so none is free for rolling.max_surge (1): "
        "add a slot, or set rolling.max_unavailable to 1"
    ]
    assert load(file, GOOD.replace("replicas: 3", "replicas: 4") + "rolling: {max_unavailable: 1}\n")


def test_a_rollout_that_may_neither_add_nor_take_away_is_a_mistake(file):
    assert problems(file, GOOD + "rolling: {max_surge: 0}\n") == [
        "lvdeploy.yml:16:22: rolling.max_surge: max_surge and max_unavailable are both 0: "
        "no instance could ever be replaced"
    ]


def test_sections_are_compared_although_another_is_wrong(file):
    found = problems(file, GOOD.replace("replicas: 3", "replicas: 5") + "state: {directry: x}\n")

    assert [each.split(": ")[1] for each in found] == ["service.replicas", "state.directry"]


# Values


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.org", "should be a URL with its host"),
        ("http://", "should be a URL with its host"),
        ("http://[::1", "should be a URL with its host"),
        ("http://example.org:port", "should be a URL with its host"),
        ("http://ann:secret@example.org", "must not hold a password"),
        ("http://example.org/?a=b", "should end with the path"),
    ],
)
def test_the_url_leads_to_a_host_and_holds_no_password(file, url, said):
    (problem,) = problems(file, GOOD.replace("http://127.0.0.1:8080", f'"{url}"'))

    assert said in problem


@pytest.mark.parametrize("name", ["../x", "a b", "-a", "a" * 64, "''", "a/b"])
def test_names_are_fit_for_files_and_balancers(file, name):
    (problem,) = problems(file, GOOD.replace("name: demo", f"name: {name}"))

    assert "service.name: should be a name" in problem


def test_the_imitated_javascript_is_auto_or_a_version(file):
    assert load(file, GOOD + "verify: {javascript: 1.10}\n").verify.javascript == "1.10"
    assert "should be auto, or" in problems(file, GOOD + "verify: {javascript: new}\n")[0]


def test_secrets_do_not_print(file):
    deployment = load(file, GOOD + 'verify: {headers: {authorization: "Bearer ${TOKEN}"}}\n', TOKEN="hunter2")

    assert deployment.verify.headers["authorization"].get_secret_value() == "Bearer hunter2"
    assert "hunter2" not in repr(deployment)


# Scenarios


SCENARIO = "version: 1\nname: home\nvisit: /\n"


def test_scenarios_are_read_from_beside_the_file(file):
    (file.parent / "home.yml").write_text(SCENARIO)
    deployment = load(file, GOOD + "verify: {scenarios: [home.yml]}\n")

    assert [(each.path.name, each.scenario.visit) for each in deployment.verify.scenarios] == [("home.yml", "/")]


def test_a_scenarios_mistakes_are_told_with_those_of_the_deployment(file):
    (file.parent / "good.yml").write_text(SCENARIO)
    (file.parent / "bad.yml").write_text(SCENARIO.replace("visit", "vist") + "steps: [{click: '#a'}]\n")
    text = GOOD.replace("replicas: 3", "replicas: x") + "verify:\n  scenarios: [good.yml, bad.yml, none.yml]\n"

    found = problems(file, text)

    assert found[:2] == [
        "lvdeploy.yml:6:13: service.replicas: should be a whole number, not 'x'",
        "lvdeploy.yml:17:34: verify.scenarios[2]: cannot read none.yml: No such file or directory",
    ]
    assert found[2].startswith("bad.yml:3:1: vist: unknown key; did you mean 'visit'?")


def test_a_scenario_is_a_file(file):
    assert problems(file, GOOD + "verify: {scenarios: [1]}\n") == [
        "lvdeploy.yml:16:22: verify.scenarios[0]: should name a scenario file, not 1"
    ]
