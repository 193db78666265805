"""Phoenix's frames, version 2 of their serializer: ``[join_ref, ref, topic, event, payload]``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

NOTHING: Mapping[str, object] = {}


class Malformed(ValueError):
    """Not a frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    join_ref: str | None
    ref: str | None
    topic: str
    event: str
    payload: Mapping[str, object]


def decode(text: str) -> Frame:
    """Raises ``Malformed``."""
    try:
        parts = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed from None
    match parts:
        case [str() | None as join_ref, str() | None as ref, str() as topic, str() as event, dict() as payload]:
            return Frame(join_ref, ref, topic, event, payload)
    raise Malformed


def encode(frame: Frame) -> str:
    return json.dumps([frame.join_ref, frame.ref, frame.topic, frame.event, frame.payload])


def ok(frame: Frame) -> str:
    """The empty answer to a frame."""
    return _reply(frame, join_ref=frame.join_ref, status="ok", response=NOTHING)


def error(frame: Frame, reason: str) -> str:
    """The answer to a join that failed."""
    return _reply(frame, join_ref=frame.join_ref, status="error", response={"reason": reason})


def unmatched(frame: Frame) -> str:
    """The answer to a frame for a channel that is not there; phoenix socket.ex leaves its join_ref out."""
    return _reply(frame, join_ref=None, status="error", response={"reason": "unmatched topic"})


def crashed(join: Frame) -> str:
    """What a client hears of its channel's crash: phoenix 1.8.10 says why, and has the join_ref twice."""
    payload = {"reason": "channel_crash"}
    return encode(Frame(join.join_ref, join.join_ref, join.topic, "phx_error", payload))


def closed(join: Frame) -> str:
    """What a client hears of the orderly end of its channel."""
    return encode(Frame(join.join_ref, join.join_ref, join.topic, "phx_close", NOTHING))


def _reply(frame: Frame, *, join_ref: str | None, status: str, response: Mapping[str, object]) -> str:
    payload = {"response": response, "status": status}
    return encode(Frame(join_ref, frame.ref, frame.topic, "phx_reply", payload))
