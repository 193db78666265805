"""Traefik's answers are read with suspicion, and differences told in words."""

from __future__ import annotations

import json

import pytest

from lvdeploy.balancers.traefik_render import Names, Shape, render
from lvdeploy.balancers.traefik_report import difference, health, read_report
from lvdeploy.errors import BalancerError
from lvdeploy.model import Health, Mode, Pin
from tests.balancers.traffics import server, traffic, version

NAMES = Names.of("shop")
HELD = traffic(
    version("1", server("web-1", "127.0.0.1:4001"), server("web-2", "127.0.0.1:4002"), share=9_000),
    version("2", server("web-3", "127.0.0.1:4003"), server("web-4", "[::1]:4004", mode=Mode.MAINT), share=1_000),
    pins=(Pin("secret-token", "2", "web-3"),),
)
RENDERING = render(HELD, names=NAMES, shape=Shape())


def rawdata() -> dict[str, dict[str, dict]]:
    parts = {"routers": RENDERING.routers, "services": RENDERING.services, "middlewares": RENDERING.middlewares}
    copied = json.loads(json.dumps({kind: dict(each) for kind, each in parts.items()}))
    return {kind: {f"{name}@file": part for name, part in each.items()} for kind, each in copied.items()}


def lines_of(raw: object) -> tuple[str, ...]:
    return difference(read_report(json.dumps(raw).encode(), names=NAMES), RENDERING, HELD, names=NAMES)


def test_what_traefik_adds_by_itself_is_no_difference():
    raw = rawdata()
    raw["services"]["lvdeploy.shop.version.1@file"]["loadBalancer"] |= {"strategy": "wrr", "passHostHeader": True}
    raw["services"]["lvdeploy.shop.shares@file"]["weighted"]["sticky"]["cookie"]["path"] = "/"
    raw["routers"]["lvdeploy.shop.app@file"] |= {"status": "enabled", "using": ["web"], "ruleSyntax": "default"}
    raw["routers"]["lvdeploy.shop.app@file"]["middlewares"] = [
        f"{each}@file" for each in raw["routers"]["lvdeploy.shop.app@file"]["middlewares"]
    ]
    raw["routers"]["somebody@docker"] = {"rule": "Host(`x`)"}
    assert lines_of(raw) == ()


def test_each_change_is_a_line_a_person_can_act_on():
    raw = rawdata()
    one = raw["services"]["lvdeploy.shop.version.1@file"]["loadBalancer"]["servers"]
    one[0]["weight"] = 5
    one[1]["url"] = "http://127.0.0.1:9999"
    raw["services"]["lvdeploy.shop.version.2@file"]["loadBalancer"]["servers"] = []
    raw["services"]["lvdeploy.shop.withdrawn.2@file"]["loadBalancer"]["servers"].append({"url": "http://x"})
    weighted = raw["services"]["lvdeploy.shop.shares@file"]["weighted"]
    weighted["services"][1]["weight"] = 5_000
    weighted["sticky"]["cookie"]["name"] = "other"
    raw["routers"]["lvdeploy.shop.app@file"]["rule"] = "Host(`x`)"
    raw["routers"]["lvdeploy.shop.extra@docker"] = {}
    del raw["routers"]["lvdeploy.shop.pin.0@file"]

    assert set(lines_of(raw)) == {
        "server web-1: weight 1 → 5",
        "server web-2: address 127.0.0.1:4002 → http://127.0.0.1:9999",
        "server web-3: is gone from version 2",
        "server http://x: was added to withdrawn servers of version 2",
        "share of lvdeploy.shop.version.2: 1000 → 5000",
        "shares: cookie name lvdeploy → other",
        "router lvdeploy.shop.app: rule PathPrefix(`/`) → Host(`x`)",
        "router lvdeploy.shop.pin.0: is gone",
        "router lvdeploy.shop.extra@docker: is in lvdeploy's namespace, but lvdeploy did not write it",
    }


def test_a_cookie_or_middleware_where_none_was_written_is_a_difference():
    raw = rawdata()
    raw["services"]["lvdeploy.shop.version.1@file"]["loadBalancer"]["sticky"] = {"cookie": {"name": "x"}}
    raw["routers"]["lvdeploy.shop.app@file"]["middlewares"].append("auth@file")
    lines = lines_of(raw)
    assert any("sticky.cookie.name none → x" in each or "server cookie name none → x" in each for each in lines)
    assert any("auth" in each for each in lines)


def test_tokens_are_not_told():
    raw = rawdata()
    rule = raw["routers"]["lvdeploy.shop.pin.0@file"]["rule"]
    raw["routers"]["lvdeploy.shop.pin.0@file"]["rule"] = rule.replace("secret-token", "another-token")
    (line,) = lines_of(raw)
    assert "token" not in line.replace("tokens", "")


def test_health_is_unknown_where_traefik_does_not_check():
    raw = rawdata()
    raw["services"]["lvdeploy.shop.version.1@file"]["serverStatus"] = {
        "http://127.0.0.1:4001": "UP", "http://127.0.0.1:4002": "DOWN"
    }
    raw["services"]["lvdeploy.shop.version.2@file"]["serverStatus"] = None
    found = health(read_report(json.dumps(raw).encode(), names=NAMES), HELD, names=NAMES)
    assert found == {
        "web-1": Health.UP, "web-2": Health.DOWN, "web-3": Health.UNKNOWN, "web-4": Health.UNKNOWN
    }


def test_complaints_are_traefiks_own_words():
    raw = rawdata()
    raw["routers"]["lvdeploy.shop.app@file"]["error"] = ["no such service"]
    raw["routers"]["other@file"] = {"error": ["not ours"]}
    report = read_report(json.dumps(raw).encode(), names=NAMES)
    assert report.complaints() == ("lvdeploy.shop.app: no such service",)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"7", b"null", b"\xff", b"[" * 100_000])
def test_an_answer_that_is_not_traefiks_is_a_sentence(content: bytes):
    with pytest.raises(BalancerError, match="rawdata") as caught:
        read_report(content, names=NAMES)
    assert "balancer.traefik.api" in caught.value.hint


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"routers": [], "services": None, "middlewares": 3},
        {"services": {"lvdeploy.shop.version.1@file": []}},
        {"services": {"lvdeploy.shop.version.1@file": {"loadBalancer": {"servers": {"url": 1}}, "serverStatus": []}}},
        {"services": {"lvdeploy.shop.shares@file": {"weighted": {"services": [1, {"name": []}]}}}},
        {"routers": {"lvdeploy.shop.app@file": {"error": "text", "middlewares": "x"}}},
    ],
)
def test_odd_shapes_are_differences_and_no_crash(raw: object):
    report = read_report(json.dumps(raw).encode(), names=NAMES)
    assert difference(report, RENDERING, HELD, names=NAMES)
    assert report.complaints() == ()
    assert set(health(report, HELD, names=NAMES).values()) == {Health.UNKNOWN}
