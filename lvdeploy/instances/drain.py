"""Moving an instance's sockets away before it is stopped, no faster than the others take them."""

from __future__ import annotations

import asyncio
import json
import math
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

import httpx
from pydantic import Field, field_validator, model_validator

from lvdeploy.clock import Clock
from lvdeploy.document import Duration, Secret, Settings
from lvdeploy.hook import Hook, nobody
from lvdeploy.model import Instance, Slot

_BODY_BOUND = 65_536
_QUOTE_BOUND = 200
_CALL_TIMEOUT = 10.0
_SECRET_AT_LEAST = 8
"""Shorter words, such as ``Bearer``, are no secrets."""

Positive: TypeAlias = Annotated[Duration, Field(gt=0)]


class DrainHttp(Settings):
    """
    The request that closes ``{count}`` sockets and answers in JSON how many are ``left``.

    ``left`` is the way to that number, such as ``sockets.left``.
    """

    path: Annotated[str, Field(pattern=r"^/[!-~]*$")]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: dict[Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")], Secret] = Field(default_factory=dict)
    left: Annotated[str, Field(min_length=1)] = "left"
    batch: Annotated[int, Field(ge=1)] = 10
    interval: Positive = 0.25

    @field_validator("path")
    @classmethod
    def _says_how_many(cls, value: str) -> str:
        if "{count}" not in value:
            raise ValueError("should hold {count}, how many sockets to close at once")
        return value


class DrainSettings(Settings):
    """
    How sockets leave an instance that is to be stopped.

    signal: its own shutdown closes them, and it has ``timeout`` for that from SIGTERM on. http: lvdeploy
    asks for one batch after the other until none is left or ``timeout`` passed; then SIGTERM, and
    ``grace`` until SIGKILL.
    """

    close: Literal["signal", "http"] = "signal"
    timeout: Positive = 30.0
    grace: Positive = 10.0
    http: DrainHttp | None = None

    @model_validator(mode="after")
    def _http_is_described(self) -> DrainSettings:
        if self.close == "http" and self.http is None:
            raise ValueError("close: http needs a section http that says which request closes sockets")
        return self

    @property
    def stop_grace(self) -> float:
        """Seconds from SIGTERM to SIGKILL."""
        return self.timeout if self.close == "signal" else self.grace


class DrainOutcome(StrEnum):
    """How a drain ended; ``gone`` is an instance that nobody listens in any more."""

    DRAINED = "drained"
    EXPIRED = "expired"
    REFUSED = "refused"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Drained:
    """``left`` is the last number heard, ``None`` where none was; ``reason`` says why it is not done."""

    outcome: DrainOutcome
    left: int | None
    calls: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """So many sockets a call, and so many seconds from one call to the next."""

    count: int
    wait: float


def pace(rate: float, *, batch: int, interval: float) -> Pace:
    """Return the pace that moves at most ``rate`` sockets a second, in batches as small as the interval allows."""
    count = min(batch, math.ceil(rate * interval))
    return Pace(count, max(interval, count / rate))


async def drain(
    slot: Slot, settings: DrainSettings, *, rate: float, clock: Clock, on_batch: Callable[[int], None],
    transport: httpx.AsyncBaseTransport | None = None,
) -> Drained:
    """
    Ask for batch after batch at no more than ``rate`` sockets a second; ``on_batch`` hears how many are left.

    A refusal (4xx, an answer without the number) ends it at once, a failure (5xx, no answer) is tried
    again until the deadline.
    """
    http = settings.http
    if http is None:
        raise AssertionError("a drain by request has a request: the settings' own validation")
    step = pace(rate, batch=http.batch, interval=http.interval)
    deadline, calls, left, reason = clock.now() + settings.timeout, 0, None, ""
    async with _client(transport) as client:
        while clock.now() < deadline:
            asked = clock.now()
            said = await _call(client, slot, http, count=step.count, timeout=min(_CALL_TIMEOUT, deadline - asked))
            calls, reason = calls + 1, said.reason
            if said.left is not None:
                left = said.left
                on_batch(left)
            if said.outcome is not None:
                return Drained(said.outcome, left, calls, reason)
            await clock.sleep(max(0.0, min(asked + step.wait, deadline) - clock.now()))
    return Drained(DrainOutcome.EXPIRED, left, calls, _expired(settings.timeout, left, reason))


class InstanceDrainer:
    """Drains the instances of one service as its settings say."""

    def __init__(self, settings: DrainSettings, *, clock: Clock, hook: Hook = nobody) -> None:
        self._settings = settings
        self._clock = clock
        self._hook = hook

    async def drain(self, instance: Instance, slot: Slot, *, rate: float, tell: Callable[[str], None]) -> str:
        """
        Move the sockets at no more than ``rate`` a second; return why some are left, or nothing.

        An instance that is gone has none. Where it closes them itself at SIGTERM there is nothing to do yet.
        """
        del instance
        if self._settings.close == "signal":
            return ""

        def on_batch(left: int) -> None:
            self._hook("inside drain: a batch sent")
            tell(f"{left} sockets left")

        drained = await drain(slot, self._settings, rate=rate, clock=self._clock, on_batch=on_batch)
        return "" if drained.outcome in (DrainOutcome.DRAINED, DrainOutcome.GONE) else drained.reason


# Private


@dataclass(frozen=True, slots=True)
class _Said:
    """What one call brought; with an outcome it was the last one."""

    outcome: DrainOutcome | None
    left: int | None = None
    reason: str = ""


def _client(transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    # A context without certificates: only http is spoken here, to instances.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncClient(
        trust_env=False, follow_redirects=False, verify=context, transport=transport,
        headers={"accept-encoding": "identity"},
    )


async def _call(client: httpx.AsyncClient, slot: Slot, http: DrainHttp, *, count: int, timeout: float) -> _Said:
    path = http.path.replace("{count}", str(count))
    asked = f"{http.method} {path}"
    try:
        async with asyncio.timeout(timeout):
            status, body = await _answer(client, http, url=f"http://{slot.address}{path}")
    except TimeoutError:
        return _Said(None, reason=f"{asked} did not answer within {timeout:.3g}s")
    except httpx.ConnectError:
        return _Said(DrainOutcome.GONE, reason=f"{asked} was refused: nothing listens on {slot.address}")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return _Said(None, reason=f"{asked} broke off: {_one_line(str(error)) or type(error).__name__}")
    quote = _one_line(_masked(body.decode(errors="replace"), http)) or "(nothing)"
    return _judged(asked, status, body, quote=quote, left_at=http.left)


async def _answer(client: httpx.AsyncClient, http: DrainHttp, *, url: str) -> tuple[int, bytes]:
    headers = {name: value.get_secret_value() for name, value in http.headers.items()}
    async with client.stream(http.method, url, headers=headers, timeout=None) as response:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _BODY_BOUND:
                break
        return response.status_code, bytes(body)


def _judged(asked: str, status: int, body: bytes, *, quote: str, left_at: str) -> _Said:
    if not httpx.codes.is_success(status):
        outcome = None if httpx.codes.is_server_error(status) else DrainOutcome.REFUSED
        return _Said(outcome, reason=f"{asked} answered {status}: {quote}")
    left = _left(body, left_at)
    if left is None:
        return _Said(DrainOutcome.REFUSED, reason=f"{asked} answered no number at {left_at}: {quote}")
    return _Said(DrainOutcome.DRAINED if left == 0 else None, left)


def _left(body: bytes, left_at: str) -> int | None:
    try:
        found = json.loads(body) if len(body) <= _BODY_BOUND else None
    except (ValueError, RecursionError):
        return None
    for part in left_at.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def _masked(text: str, http: DrainHttp) -> str:
    """Take the headers' secrets out of what a server said, should it echo them."""
    words = {word for value in http.headers.values() for word in value.get_secret_value().split()}
    for word in sorted((each for each in words if len(each) >= _SECRET_AT_LEAST), key=len, reverse=True):
        text = text.replace(word, "[masked]")
    return text


def _expired(timeout: float, left: int | None, reason: str) -> str:
    passed = f"{timeout:g}s passed"
    if left is None:
        return f"{passed} and no call succeeded; {reason}"
    return f"{passed} and {left} sockets are left" + (f"; {reason}" if reason else "")


def _one_line(text: str) -> str:
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= _QUOTE_BOUND else f"{line[:_QUOTE_BOUND]}…"
