"""Traffic becomes Traefik's configuration and comes back, without Traefik."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.balancers.traefik_render import (
    NOTES_HEADER,
    Names,
    Shape,
    cookie_value,
    document,
    go_duration,
    notes_of,
    read_notes,
    render,
)
from lvdeploy.balancers.traefik_report import Report, difference, read_report
from lvdeploy.errors import BalancerError
from lvdeploy.model import Admission, Cookie, Mode, Pin, Scope, Server, Traffic, VersionTraffic
from tests.balancers.traffics import CORPUS, server, traffic, version

NAMES = Names.of("shop")
SHAPE = Shape()

words = st.text(min_size=1, max_size=12)
servers = st.builds(
    Server, name=words, address=st.builds("127.0.0.1:{}".format, st.integers(1, 65_535)), weight=st.integers(1, 256),
    mode=st.sampled_from([Mode.READY, Mode.MAINT]),
)  # fmt: skip
versions = st.builds(
    VersionTraffic, version=words, share=st.integers(0, 10_000), admission=st.sampled_from(Admission),
    servers=st.lists(servers, max_size=4, unique_by=lambda each: each.name).map(tuple),
)  # fmt: skip
cookies = st.none() | st.builds(
    Cookie, name=st.sampled_from(["lv", "a.b-c", "$x"]), scope=st.sampled_from(Scope),
    ttl=st.none() | st.floats(0.1, 1e6),
)  # fmt: skip


@st.composite
def traffics(draw: st.DrawFn) -> Traffic:
    parts = tuple(draw(st.lists(versions, max_size=4, unique_by=lambda each: each.version)))
    pinned = [Pin(f"t{number}", part.version) for number, part in enumerate(parts)]
    pairs = [(part.version, each.name) for part in parts for each in part.servers]
    pinned += [Pin(f"s{number}", *pair) for number, pair in enumerate(pairs)]
    pins = tuple(draw(st.lists(st.sampled_from(pinned), unique=True))) if pinned else ()
    return Traffic(draw(st.integers(0, 2**53)), draw(cookies), parts, pins)


def reported(content: bytes) -> Report:
    """Return the report of a Traefik that shows its file with the provider's name and nothing else."""
    http = json.loads(content).get("http", {})
    kinds = ("routers", "services", "middlewares")
    raw = {kind: {f"{name}@file": part for name, part in http.get(kind, {}).items()} for kind in kinds}
    return read_report(json.dumps(raw).encode(), names=NAMES)


@given(traffics())
def test_every_traffic_comes_back(wanted: Traffic):
    rendering = render(wanted, names=NAMES, shape=SHAPE)
    content = document(rendering, names=NAMES, shape=SHAPE)
    report = reported(content)
    notes = report.notes(NAMES)

    assert notes is not None
    assert (notes.traffic, notes.shape) == (wanted, SHAPE)
    assert notes_of(content, names=NAMES) == notes
    assert difference(report, rendering, wanted, names=NAMES) == ()


@given(traffics())
def test_no_weight_of_zero_is_ever_written(wanted: Traffic):
    rendering = render(wanted, names=NAMES, shape=SHAPE)
    rendered = json.dumps({"services": dict(rendering.services), "routers": dict(rendering.routers)})
    assert '"weight": 0' not in rendered


@given(traffics())
def test_go_templates_find_nothing_to_fill_in(wanted: Traffic):
    content = document(render(wanted, names=NAMES, shape=SHAPE), names=NAMES, shape=SHAPE)
    assert b"{{" not in content


@given(traffics(), traffics())
def test_two_traffics_differ(one: Traffic, other: Traffic):
    report = reported(document(render(one, names=NAMES, shape=SHAPE), names=NAMES, shape=SHAPE))
    lines = difference(report, render(other, names=NAMES, shape=SHAPE), other, names=NAMES)
    assert bool(lines) == (one != other)


@pytest.mark.parametrize("name", CORPUS)
def test_routers_use_only_services_that_are_there(name: str):
    rendering = render(CORPUS[name], names=NAMES, shape=SHAPE)
    used = [each["service"] for each in rendering.routers.values()]  # type: ignore[index, call-overload] # as rendered
    used += [
        each["failover"][key]  # type: ignore[index, call-overload] # as rendered
        for each in rendering.services.values() if "failover" in each  # type: ignore[operator] # as rendered
        for key in ("service", "fallback")
    ]  # fmt: skip
    assert set(used) <= set(rendering.services)


def test_a_version_with_no_ready_server_gets_no_share():
    wanted = traffic(version("1", server("a"), share=5_000), version("2", server("b", mode=Mode.MAINT), share=5_000))
    shares = render(wanted, names=NAMES, shape=SHAPE).services[NAMES.shares]
    assert json.dumps(shares).count('"weight"') == 1


@pytest.mark.parametrize("pin", [Pin("t", "9"), Pin("t", "1", "nobody")])
def test_a_pin_to_nowhere_is_refused(pin: Pin):
    with pytest.raises(BalancerError, match="a pin names"):
        render(traffic(version("1", server("a"), share=10_000), pins=(pin,)), names=NAMES, shape=SHAPE)


def test_services_of_one_balancer_have_names_of_their_own():
    prefixes = [Names.of(each).prefix for each in ("shop", "shop.app", "shop@file", "Shop", "shop app")]
    assert len(set(prefixes)) == len(prefixes)
    assert not any(one != other and other.startswith(one) for one in prefixes for other in prefixes)


def test_a_longer_rule_of_the_operators_own_still_wins():
    """Traefik's own priority is the length of the rule."""
    shape = Shape(rule="Host(`shop.example`)")
    pinned = traffic(version("1", server("a"), share=10_000), pins=(Pin("t", "1"),))
    routers = render(pinned, names=NAMES, shape=shape).routers
    highest = max(each["priority"] for each in routers.values())  # type: ignore[index, call-overload, type-var] # ints
    assert highest < len("Host(`shop.example`) && PathPrefix(`/static`)")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.05, "50ms"), (0.0001, "1ms"), (1, "1s"), (1.5, "1.5s"), (2.25, "2.25s"), (60, "1m0s"), (90.5, "1m30.5s"),
     (3_600, "1h0m0s"), (86_400, "24h0m0s"), (0.9999, "1s"), (59.9999, "1m0s")],
)  # fmt: skip
def test_durations_are_written_as_go_writes_them(seconds: float, text: str):
    assert go_duration(seconds) == text


def test_the_cookie_of_a_service_as_traefik_was_seen_to_write_it():
    assert cookie_value("v2") == "fb04dcb6970e4c3d"


@pytest.mark.parametrize(
    "middleware",
    [None, 7, [], {}, {"headers": None}, {"headers": {"customRequestHeaders": []}},
     *({"headers": {"customRequestHeaders": {NOTES_HEADER: text}}}
       for text in ("", "{", "[]", '{"format":1}', '{"format":2,"traffic":null,"shape":{}}', "[" * 100_000, 5))],
)  # fmt: skip
def test_notes_that_cannot_be_read_are_none(middleware: object):
    assert read_notes(middleware) is None


def test_notes_of_another_format_are_not_believed():
    content = document(render(CORPUS["pins"], names=NAMES, shape=SHAPE), names=NAMES, shape=SHAPE)
    value = json.loads(content)
    header = value["http"]["middlewares"][NAMES.notes]["headers"]["customRequestHeaders"]
    noted = msgspec.json.decode(header[NOTES_HEADER])
    header[NOTES_HEADER] = json.dumps({**noted, "format": 2})
    assert notes_of(json.dumps(value).encode(), names=NAMES) is None
