"""One check: whatever an instance answers, or does not, becomes a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from lvdeploy.health import CheckResult, HealthSettings, new_client, probe
from lvdeploy.model import Slot
from tests.health.served import accepting, response, serving
from tests.real import free_port

SICK = '{"status":"unhealthy","checks":{"database":false}}'
WELL = '{"status":"healthy","checks":{"database":true}}'


def settings(*, timeout: str = "30s", **http: object) -> HealthSettings:
    return HealthSettings.model_validate({"http": http, "timeout": timeout})


def check(
    answers: Mapping[str, bytes], *, of: str | None = None, timeout: str = "30s", **http: object
) -> CheckResult:
    async def story() -> CheckResult:
        async with serving(answers) as served:
            return await probe(served.slot, of, settings=settings(timeout=timeout, **http))

    return asyncio.run(story())


VERSIONED: dict[str, Any] = {"json": {"status": "healthy"}, "version": {"path": "/version", "json": "build.version"}}


@pytest.mark.real
@pytest.mark.parametrize(
    ("http", "status", "body"),
    [
        ({}, 200, "anything"),
        ({"status": 204}, 204, ""),
        ({"json": {"status": "healthy", "checks.database": True}}, 200, WELL),
        ({"contains": '"database":true'}, 200, WELL),
        ({"json": {"nodes.1.name": "b"}}, 200, '{"nodes": [{"name": "a"}, {"name": "b"}]}'),
        ({"json": {"error": None}}, 200, '{"error": null}'),
        ({"json": {"version": 1}}, 200, '{"version": 1.0}'),
    ],
)
def test_what_is_wanted_is_well(http: dict[str, object], status: int, body: str) -> None:
    assert check({"/health": response(status, body)}, **http) == CheckResult(ok=True)


@pytest.mark.real
@pytest.mark.parametrize(
    ("http", "status", "body", "reason"),
    [
        ({}, 503, SICK, f"GET /health answered 503, wanted 200: {SICK}"),
        ({}, 302, "", "GET /health answered 302, wanted 200: (nothing)"),
        (
            {"json": {"status": "healthy"}}, 200, SICK,
            f'GET /health answered "unhealthy" at status, wanted "healthy": {SICK}',
        ),
        (
            {"json": {"checks.cache": True}}, 200, SICK,
            f"GET /health answered nothing at checks.cache, wanted true: {SICK}",
        ),
        ({"json": {"ok": True}}, 200, '{"ok": 1}', 'GET /health answered 1 at ok, wanted true: {"ok": 1}'),
        ({"contains": "all well"}, 200, "not well", "GET /health does not contain 'all well': not well"),
        (
            {"json": {"status": "healthy"}}, 200, "<html>\n <p>\x1b[31mWelcome",
            "GET /health answered 200, but not JSON: <html> <p> [31mWelcome",
        ),
        (
            {"json": {"status": "healthy"}}, 200, '{"status": "' + "x" * 70_000 + '"}',
            'GET /health answered more than 64 KiB: {"status": "' + "x" * 188 + "…",
        ),
    ],
)
def test_what_is_wrong_is_quoted(http: dict[str, object], status: int, body: str, reason: str) -> None:
    assert check({"/health": response(status, body)}, **http) == CheckResult(ok=False, reason=reason)


@pytest.mark.real
def test_version_is_asked_at_its_own_path() -> None:
    answers = {"/health": response(200, WELL), "/version": response(200, '{"build": {"version": "2.0"}}')}

    assert check(answers, of="2.0", **VERSIONED) == CheckResult(ok=True)
    assert check(answers, of="1.0", **VERSIONED).reason == (
        'GET /version answered "2.0" at build.version, wanted version 1.0: {"build": {"version": "2.0"}}'
    )
    assert check({"/health": response(200, WELL)}, of=None, **VERSIONED) == CheckResult(ok=True)


@pytest.mark.real
def test_version_is_not_asked_of_the_sick() -> None:
    assert check({"/health": response(503, SICK)}, of="2.0", **VERSIONED).reason.startswith("GET /health")


@pytest.mark.real
def test_nobody_listening_is_told() -> None:
    slot = Slot("web-1", "127.0.0.1", free_port())

    result = asyncio.run(probe(slot, None, settings=settings()))

    assert result.reason == f"GET /health was refused: nothing listens on {slot.address}"


@pytest.mark.real
def test_silence_ends_at_the_timeout() -> None:
    assert check({"/health": b""}, timeout="200ms").reason == "GET /health did not answer within 0.2s"


@pytest.mark.real
def test_body_that_trickles_ends_at_the_timeout() -> None:
    """Each byte comes in time; it is the whole answer that must."""

    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def story() -> CheckResult:
        async with accepting(trickle) as slot:
            return await probe(slot, None, settings=settings(timeout="300ms"))

    assert asyncio.run(story()).reason == "GET /health did not answer within 0.3s"


@pytest.mark.real
@pytest.mark.parametrize(
    "garbage",
    [b"SSH-2.0-OpenSSH_9.6\r\n", b"\x00" * 100, b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", b"\x15\x03\x01"],
)
def test_garbage_is_told_and_harms_nobody(garbage: bytes) -> None:
    result = check({"/health": garbage})

    assert not result.ok
    assert result.reason.startswith("GET /health broke off: ")
    assert len(result.reason) < 300


@pytest.mark.real
def test_checks_carry_no_cookie_follow_no_redirect_and_use_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An affinity cookie kept from the last check would make the next one somebody's session."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    moved = response(302, "", headers="location: /elsewhere\r\nset-cookie: lvdeploy=1.0\r\n")

    async def story() -> list[str]:
        async with serving({"/health": moved}) as served, new_client() as client:
            for _ in range(2):
                await probe(served.slot, None, settings=settings(), client=client)
            return served.requests

    requests = asyncio.run(story())

    assert [each.split()[1] for each in requests] == ["/health", "/health"]
    assert not any("cookie:" in each.lower() for each in requests)
