"""Page fetches: one HTTP request, one answer, and nothing a library would do on its own."""

from __future__ import annotations

import asyncio
import ssl

import httpx

from lvdeploy.client.dialer import explain
from lvdeploy.client.route import Outside, Route, Target
from lvdeploy.wire.session import Fetch, Fetched, FetchFailed

BODY_LIMIT = 8 * 1024 * 1024


class Fetcher:
    """
    Follows no redirect, keeps no cookie, retries nothing and knows no proxy: that is the session's business.

    ``timeout`` bounds the whole exchange, in seconds. Bodies are cut at ``body_limit`` bytes.
    """

    def __init__(
        self,
        *,
        route: Route,
        tls: ssl.SSLContext,
        timeout: float = 60.0,
        body_limit: int = BODY_LIMIT,
        keep_alive: float | None = None,
    ) -> None:
        """With ``keep_alive`` connections are used again until they were idle for so many seconds."""
        self._route = route
        self._timeout = timeout
        self._body_limit = body_limit
        limits = httpx.Limits(
            max_connections=None,
            max_keepalive_connections=0 if keep_alive is None else None,
            keepalive_expiry=keep_alive,
        )
        self._transport = httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits)

    async def fetch(self, fetch: Fetch, *, route: Route | None = None) -> Fetched | FetchFailed:
        """Ask by ``route``, or the usual way. Never raises, but for cancellation."""
        try:
            request = _request(fetch, (route or self._route).target(fetch.url))
            async with asyncio.timeout(self._timeout):
                return await self._exchange(fetch.number, request)
        except TimeoutError:
            return FetchFailed(fetch.number, f"no answer within {self._timeout:g} s")
        except (Outside, httpx.InvalidURL, UnicodeError, ValueError) as error:
            return FetchFailed(fetch.number, str(error))
        except (httpx.HTTPError, OSError) as error:
            return FetchFailed(fetch.number, _reason(error))

    async def close(self) -> None:
        await self._transport.aclose()

    async def _exchange(self, number: int, request: httpx.Request) -> Fetched:
        response = await self._transport.handle_async_request(request)
        try:
            body = await self._read(response)
        finally:
            await response.aclose()
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw)
        return Fetched(number, response.status_code, headers, body)

    async def _read(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) >= self._body_limit:
                break
        return bytes(body[: self._body_limit])


def _request(fetch: Fetch, target: Target) -> httpx.Request:
    scheme = "https" if target.secure else "http"
    url = httpx.URL(fetch.url).copy_with(scheme=scheme, host=target.host, port=target.port)
    return httpx.Request(
        fetch.method,
        url,
        headers=[("Host", target.authority), *fetch.headers],
        content=fetch.body,
        extensions={"sni_hostname": target.name},
    )


def _reason(error: Exception) -> str:
    """Say what the network said, which the library wraps several times."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and (cause.errno or isinstance(cause, ssl.SSLError)):
            return explain(cause)
        cause = cause.__cause__ or cause.__context__
    return explain(error)
