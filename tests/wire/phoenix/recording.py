"""Recordings of a real browser on a real LiveView application, read and put in order."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "recorded"

HANDSHAKE_LEEWAY = 0.3
"""Seconds by which the two clocks of a recording, the browser's and the page's, may disagree."""


@dataclass
class Frame:
    """A websocket frame; ``sent`` by the browser."""

    at: float
    sent: bool
    message: list[Any]


@dataclass
class Attempt:
    """One websocket the page opened, and what came of it; ``refused`` if it never opened."""

    id: str
    at: float
    answered_at: float = 0.0
    refused: bool = False
    cookie: str = ""
    url: str = ""
    closed_at: float | None = None
    code: int = 1006
    frames: list[Frame] = field(default_factory=list)


@dataclass
class Exchange:
    """One request of long polling, and its answer; an empty one if there was none."""

    at: float
    method: str
    url: str
    frames: list[list[Any]]
    answered_at: float | None = None
    status: int | None = None
    body: str = ""


@dataclass
class Load:
    """One page load of the browser."""

    at: float
    url: str
    status: int
    headers: dict[str, str]
    html: bytes
    by_user: bool


@dataclass
class Snapshot:
    """What the page held at one moment, as scripts in it saw it."""

    at: float
    label: str
    holds: dict[str, Any]


@dataclass
class Recording:
    """A recorded session. All times are seconds since it began."""

    name: str
    start: str
    loads: list[Load]
    attempts: list[Attempt]
    exchanges: list[Exchange]
    snapshots: list[Snapshot]
    ended_at: float

    @property
    def fallback(self) -> float | None:
        """The page's longPollFallbackMs in seconds: where it is set, every connection begins with a ping."""
        joins = [each for attempt in self.attempts for each in attempt.frames[:2]]
        return 2.5 if any(each.message[3] == "heartbeat" for each in joins) else None


def read(folder: Path) -> Recording:
    """Read a folder of ``frames.jsonl`` and ``html-N.html``, each plain or gzipped."""
    entries = [json.loads(line) for line in _open(folder / "frames.jsonl").decode().splitlines()]
    goto = next(each for each in entries if each.get("event") == "http_request")
    return Recording(
        name=folder.name,
        start=goto["url"],
        loads=_loads(folder, entries),
        attempts=_attempts(entries),
        exchanges=_exchanges(entries),
        snapshots=[Snapshot(_at(each), each["label"], each) for each in entries if each.get("event") == "dom"],
        ended_at=_at(entries[-1]),
    )


def _loads(folder: Path, entries: list[dict[str, Any]]) -> list[Load]:
    requests = [_at(each) for each in entries if each.get("event") == "http_request" and each.get("nav")]
    answers = [each for each in entries if each.get("event") == "http_response" and not _is_poll(each)]
    deeds = [each for each in entries if each.get("event") in ("goto", "action")]
    typed = [_at(each) for each in deeds if each.get("label", "goto").startswith(("goto", "reload"))]
    by_user = {min(request for request in requests if request >= at) for at in typed}
    return [
        Load(
            at=request,
            url=each["url"],
            status=each["status"],
            headers=each.get("headers", {}) | ({"location": each["location"]} if "location" in each else {}),
            html=_open(folder / each["saved_html"]) if "saved_html" in each else b"",
            by_user=request in by_user,
        )
        for request, each in zip(requests, answers, strict=False)
    ]


def _exchanges(entries: list[dict[str, Any]]) -> list[Exchange]:
    """Pair requests and answers: an answer says no method, but only a poll's has more than a status."""
    exchanges: list[Exchange] = []
    for each in entries:
        if not _is_poll(each):
            continue
        if each["event"] == "http_request":
            frames = [json.loads(line) for line in (each["body"] or "").splitlines()]
            exchanges.append(Exchange(_at(each), each["method"], each["url"], frames))
            continue
        method = "POST" if each.get("body") == '{"status":200}' else "GET"
        asked = next(
            known
            for known in exchanges
            if known.answered_at is None and known.url == each["url"] and known.method == method
        )
        asked.answered_at, asked.status, asked.body = _at(each), each.get("status"), each.get("body", "")
    return exchanges


def _is_poll(entry: dict[str, Any]) -> bool:
    return str(entry.get("event")).startswith("http_") and "/longpoll?" in entry["url"]


def _attempts(entries: list[dict[str, Any]]) -> list[Attempt]:
    """Pair what the page's script saw of each websocket with what the browser saw: both count in one order."""
    attempts: list[Attempt] = []
    open_in_page: dict[int, Attempt] = {}
    for each in entries:
        match each.get("event"):
            case "js_ws_new":
                attempts.append(Attempt(f"ws{len(attempts) + 1}", _at(each)))
                open_in_page[each["js_ws"]] = attempts[-1]
            case "js_ws_open":
                open_in_page[each["js_ws"]].answered_at = _at(each)
            case "js_ws_close":
                attempt = open_in_page[each["js_ws"]]
                attempt.closed_at, attempt.code = _at(each), each["code"]
                if not attempt.answered_at:
                    attempt.refused, attempt.answered_at = True, _at(each)
    by_id = {attempt.id: attempt for attempt in attempts}
    for each in entries:
        _add(by_id, each)
    return attempts


def _add(by_id: dict[str, Attempt], entry: dict[str, Any]) -> None:
    attempt = by_id.get(entry.get("ws_id", ""))
    if attempt is None:
        return
    if "text" in entry:
        frame = Frame(_at(entry), entry["dir"] == "out", json.loads(entry["text"]))
        attempt.frames.append(frame)
    elif entry.get("event") == "ws_handshake_request":
        attempt.cookie = entry["headers"].get("Cookie", "")
    elif entry.get("event") == "ws_created":
        attempt.url = entry["url"]


def _at(entry: dict[str, Any]) -> float:
    return float(entry["t_ms"]) / 1000


def _open(path: Path) -> bytes:
    packed = path.with_name(path.name + ".gz")
    return gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()


def names(folder: Path) -> Iterator[str]:
    """Return the recordings a folder holds."""
    yield from sorted(each.name for each in folder.iterdir() if each.is_dir())
