"""One check over HTTP."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from lvdeploy.health.answers import BODY_BOUND, Answer, judge, judge_version, one_line
from lvdeploy.health.settings import HealthSettings
from lvdeploy.model import Slot, Version


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One answer; where it is not ok, ``reason`` quotes the check that failed and what was answered."""

    ok: bool
    reason: str = ""


async def probe(
    slot: Slot, version: Version | None, *, settings: HealthSettings, client: httpx.AsyncClient | None = None
) -> CheckResult:
    """Ask once; with a version, and where the settings say how, it must be that version that answers."""
    if client is None:
        async with new_client() as own:
            return await probe(slot, version, settings=settings, client=own)
    check = settings.http
    result = await _ask(slot, check.path, settings=settings, client=client, wrong=lambda it: judge(it, check))
    if result.ok and version is not None and check.version is not None:
        said = check.version
        result = await _ask(
            slot, said.path, settings=settings, client=client, wrong=lambda it: judge_version(it, said, version)
        )
    return result


def new_client() -> httpx.AsyncClient:
    """Return a client that does as it is told: no proxies, no redirects, each request on a fresh connection."""
    # A context without certificates: only http is spoken here, and reading the system's costs 20 ms each time.
    return httpx.AsyncClient(
        trust_env=False, follow_redirects=False, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        limits=httpx.Limits(max_keepalive_connections=0), headers={"accept-encoding": "identity"},
    )


# Private


async def _ask(
    slot: Slot, path: str, *, settings: HealthSettings, client: httpx.AsyncClient,
    wrong: Callable[[Answer], str],
) -> CheckResult:
    try:
        async with asyncio.timeout(settings.timeout):
            answer = await _get(f"http://{slot.address}{path}", path=path, client=client)
    except TimeoutError:
        return CheckResult(ok=False, reason=f"GET {path} did not answer within {settings.timeout:g}s")
    except httpx.ConnectError:
        return CheckResult(ok=False, reason=f"GET {path} was refused: nothing listens on {slot.address}")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return CheckResult(ok=False, reason=f"GET {path} broke off: {one_line(str(error)) or type(error).__name__}")
    reason = wrong(answer)
    return CheckResult(ok=not reason, reason=reason)


async def _get(url: str, *, path: str, client: httpx.AsyncClient) -> Answer:
    # An affinity cookie of an earlier check would make this one somebody's session.
    client.cookies.clear()
    async with client.stream("GET", url, timeout=None) as response:  # the caller has one for all of it
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > BODY_BOUND:
                break
        return Answer(path, response.status_code, bytes(body[: BODY_BOUND + 1]))
