"""Traefik's API, read only: bounded in time and size, and its failures in words."""

from __future__ import annotations

import json

import httpx

from lvdeploy.balancers.traefik_render import Names
from lvdeploy.balancers.traefik_report import Report, read_report
from lvdeploy.errors import BalancerError

_TIMEOUT = 5.0
_LARGEST = 32 * 1024 * 1024


class TraefikApi:
    """``url`` may carry a user and a password; they are never shown."""

    def __init__(self, url: str, *, names: Names) -> None:
        self._url = url.rstrip("/")
        self._shown = str(httpx.URL(self._url).copy_with(userinfo=b""))
        self._names = names
        self._client: httpx.AsyncClient | None = None

    async def report(self, *, timeout: float = _TIMEOUT) -> Report:
        """Return what Traefik does in lvdeploy's namespace."""
        return read_report(await self._get("/api/rawdata", timeout=timeout), names=self._names)

    async def json(self, path: str) -> object:
        """Return another answer of the API, decoded."""
        content = await self._get(path, timeout=_TIMEOUT)
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise self._error(f"answered {path} with something that is not JSON: {error}") from None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _get(self, path: str, *, timeout: float) -> bytes:
        # The environment's proxies are for the world outside, an API on loopback is not there.
        client = self._client = self._client or httpx.AsyncClient(trust_env=False)
        try:
            async with client.stream("GET", self._url + path, timeout=min(timeout, _TIMEOUT)) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise self._error(f"answered {path} with status {answer.status_code}")
                return await self._body(answer)
        except httpx.TimeoutException:
            raise self._error(
                "does not answer in time: it may be frozen, or the machine overloaded",
                hint="let it go on (kill -CONT) or end it: `lvdeploy resume` starts a managed one again and goes on",
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._error(f"cannot be reached ({error or type(error).__name__})") from None

    async def _body(self, answer: httpx.Response) -> bytes:
        content = bytearray()
        async for chunk in answer.aiter_bytes():
            content += chunk
            if len(content) > _LARGEST:
                raise self._error(f"answered with more than {_LARGEST // 1024 // 1024} MiB")
        return bytes(content)

    def _error(self, what: str, *, hint: str = "") -> BalancerError:
        return BalancerError(
            f"Traefik's API at {self._shown} {what}",
            hint=hint or "is Traefik running with its API enabled, and is balancer.traefik.api right? "
            "a managed one is started by `lvdeploy up` or `lvdeploy resume`",
        )
