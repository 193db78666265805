import json
import signal
import ssl
import time
import xml.etree.ElementTree as ET

import httpx
import psutil
import pytest
import trustme
import yaml

from lvdeploy.swarm import read
from tests.end_to_end.conftest import service
from tests.end_to_end.operator import DEMO, Operator, end, line_with
from tests.end_to_end.tls_front import tls_front
from tests.real import free_port

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("services")]

RECOVERABLE = ("url", "form", "database", "session")
SCENARIOS = ("dashboard", "new-user", "wizard", "chat", "counter", "counter-saved", "versioned")
CLIENTS = "14"
"""Two for each scenario: a chat is had by two."""


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    with service(tmp_path_factory.mktemp("verified")) as operator:
        yield operator


@pytest.fixture
def steady(up):
    """Version 1.0 behind its balancer; every test has a deployment file of its own."""
    yield up
    up.file = DEMO


def deployment(operator: Operator, tmp_path, *, url: str | None = None, **verify) -> None:
    """Give the operator a file that differs from the demo's in these settings."""
    text = yaml.safe_load(DEMO.read_text())
    scenarios = [str(DEMO.parent / "scenarios" / f"{name}.yml") for name in SCENARIOS]
    text["verify"] |= {"scenarios": scenarios, "settle": "200ms", "outage": "1s", **verify}
    text["service"]["url"] = url or text["service"]["url"]
    operator.file = tmp_path / "lvdeploy.yml"
    operator.file.write_text(yaml.safe_dump(text))


def scenario(tmp_path, name: str, state_class: str) -> list[str]:
    """Write the named scenario with everything it keeps declared to be of another class."""
    text = yaml.safe_load((DEMO.parent / "scenarios" / f"{name}.yml").read_text())
    for kept in text["keep"]:
        kept["class"] = state_class
    path = tmp_path / f"{name}.yml"
    path.write_text(yaml.safe_dump(text))
    return [str(path)]


def verify(operator: Operator, tmp_path, *arguments: str):
    report = tmp_path / "report.json"
    ended = operator.run("verify", "--report", f"json={report}", *arguments)
    return ended, json.loads(report.read_text()) if report.exists() else {}


def sockets(operator: Operator) -> int:
    """How many websockets the instances hold."""
    ports = [operator.ports[f"DEMO_WEB_{number}"] for number in (1, 2, 3)]
    return sum(httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).json()["sockets"] for port in ports)


@pytest.mark.parametrize("faults", [("1012", "1001", "1006"), ("1000", "refused", "hanging")])
def test_everyone_comes_back_whatever_breaks_the_connection_also_through_tls(steady, tmp_path, faults):
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("demo.example").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with tls_front(steady.ports["DEMO_PORT"], context=context) as port:
        deployment(
            steady, tmp_path, url="https://demo.example", connect_to=f"127.0.0.1:{port}",
            ca=str(tmp_path / "ca.pem"), faults=list(faults),
        )
        ended, report = verify(steady, tmp_path, "--clients", CLIENTS, "--report", f"junit={tmp_path}/junit.xml")

    assert ended.code == 0, ended.stderr
    assert ended.last == (
        "lvdeploy: verified: 42 sessions lost their connection in 3 ways and came back to where they were; "
        "`lvdeploy plan rolling` says what a rollout would do"
    )
    assert (report["run"]["command"], report["run"]["verdict"]) == ("verify", "pass")
    assert [each["fault"] for each in report["rounds"]] == list(faults)
    for told in report["rounds"]:
        assert_all_came_back(told)
    assert {check["name"] for check in report["checks"]} >= {f"{fault}/state_lost" for fault in faults}
    assert {each["client"] for each in report["disruptions"]} >= {f"{fault}/client-0014" for fault in faults}
    suite = ET.parse(tmp_path / "junit.xml").getroot()  # noqa: S314  our own file
    assert not suite.findall(".//failure")
    assert sockets(steady) == 0
    record = steady.directory / "state" / "runs" / f"{report['run']['id']}.{faults[0]}.observations.gz"
    assert {each.client for each in read(record)} >= {"client-0001", "client-0014"}


def assert_all_came_back(told) -> None:
    """Each client saw the fault's code once, and found all it held; what was typed is gone with a page that loads."""
    fault, clients, state = told["fault"], told["clients"], told["state"]
    assert clients["close_codes"] == {fault if fault.isdigit() else "1006": 14}, fault
    assert clients["never_returned"] == 0
    assert clients["full_page_loads"] == (14 if fault == "1000" else 0), fault
    for name in RECOVERABLE:
        reloaded = fault == "1000" and name == "form"
        assert state[name]["accepted" if reloaded else "kept"] == state[name]["counted"] > 0, (fault, name)
    assert state["memory"]["counted"] > 0 == state["memory"]["kept"]
    if fault in ("refused", "hanging"):
        assert clients["gap_s"]["p50"] > 1


def test_state_that_is_lost_falls_short_and_is_named(steady, tmp_path):
    deployment(steady, tmp_path, scenarios=scenario(tmp_path, "counter", "session"))
    ended, report = verify(steady, tmp_path, "--clients", "3", "--fault", "1006", "--seed", "9")

    assert ended.code == 6, ended.stderr
    assert "fell short: 1006/state_lost: 3 of 3 sessions lost class session: for example client-000" in ended.last
    assert "had count = '3' and found '0'" in ended.last
    assert ended.last.endswith("`lvdeploy verify --fault 1006 --clients 3 --seed 9` tries it again")
    failed = [check["name"] for check in report["checks"] if check["verdict"] == "fail"]
    assert (failed, report["run"]["exit_code"]) == (["1006/state_lost"], 6)


def test_a_control_that_survives_is_inconclusive(steady, tmp_path):
    deployment(steady, tmp_path, scenarios=scenario(tmp_path, "dashboard", "memory"))
    ended, _ = verify(steady, tmp_path, "--clients", "2", "--fault", "1012")

    assert ended.code == 7, ended.stderr
    assert "inconclusive: 1012/control: tab of client-000" in ended.last


def test_clients_that_cannot_get_ready_are_refused_with_the_reason(steady, tmp_path):
    text = yaml.safe_load((DEMO.parent / "scenarios" / "dashboard.yml").read_text())
    (tmp_path / "lost.yml").write_text(
        yaml.safe_dump(text | {"steps": [{"patch": "#no-such-tab"}], "step_timeout": "500ms"})
    )
    deployment(steady, tmp_path, scenarios=[str(tmp_path / "lost.yml")])
    ended, report = verify(steady, tmp_path, "--clients", "2")

    assert ended.code == 3
    assert "2 of 2 clients are not ready" in ended.stderr
    assert "#no-such-tab is not on the page" in ended.stderr
    assert not report


def test_a_service_that_is_not_there_or_is_somebody_else_is_refused(steady, tmp_path):
    """Nothing listens; and a certificate that the authorities of this machine did not sign."""
    deployment(steady, tmp_path, url=f"http://127.0.0.1:{free_port()}")
    away, _ = verify(steady, tmp_path)
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("demo.example").configure_cert(context)
    with tls_front(steady.ports["DEMO_PORT"], context=context) as port:
        deployment(steady, tmp_path, url="https://demo.example", connect_to=f"127.0.0.1:{port}")
        stranger, _ = verify(steady, tmp_path)

    assert (away.code, stranger.code) == (3, 3)
    assert "connection refused" in away.stderr
    assert f"cannot reach demo.example at 127.0.0.1:{port}: certificate refused" in stranger.stderr


def test_an_interrupted_verification_leaves_no_session_open(steady, tmp_path):
    deployment(steady, tmp_path, outage="60s")
    running = steady.start("verify", "--clients", CLIENTS, "--fault", "hanging")
    line_with(running, "clients ready")
    children = psutil.Process(running.pid).children()
    until = time.monotonic() + 30
    while sockets(steady) and time.monotonic() < until:
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    ended = end(running)

    assert ended.code == 130
    assert "stopped by SIGINT, with no session left open; `lvdeploy verify --fault hanging" in ended.last
    assert sockets(steady) == 0
    assert children
    assert not any(each.is_running() for each in children)
