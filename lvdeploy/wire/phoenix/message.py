"""Phoenix's V2 frames: text ``[join_ref, ref, topic, event, payload]``, and binary ones for what is no JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec

Payload: TypeAlias = Mapping[str, Any]
"""A decoded JSON object; what stands in it is the server's word and is checked where it is used."""

JOIN: Final = "phx_join"
LEAVE: Final = "phx_leave"
CLOSE: Final = "phx_close"
ERROR: Final = "phx_error"
REPLY: Final = "phx_reply"
HEARTBEAT: Final = "heartbeat"
EVENT: Final = "event"
DIFF: Final = "diff"
LIVE_PATCH: Final = "live_patch"
LIVE_REDIRECT: Final = "live_redirect"
REDIRECT: Final = "redirect"
CIDS_WILL_DESTROY: Final = "cids_will_destroy"
CIDS_DESTROYED: Final = "cids_destroyed"
ALLOW_UPLOAD: Final = "allow_upload"
CHUNK: Final = "chunk"
PROGRESS: Final = "progress"

PHOENIX: Final = "phoenix"
"""The topic of heartbeats."""

VSN: Final = "2.0.0"

OK: Final = "ok"
FAILED: Final = "error"


class Message(msgspec.Struct, array_like=True, frozen=True):
    """One frame, its fields in the order of the wire."""

    join_ref: str | None
    ref: str | None
    topic: str
    event: str
    payload: dict[str, Any]


class Reply(msgspec.Struct, frozen=True):
    """The payload of a ``phx_reply``."""

    status: str
    response: dict[str, Any]


_decoder = msgspec.json.Decoder(Message)
_encoder = msgspec.json.Encoder()


def encode(message: Message) -> str:
    """Return the frame as ``JSON.stringify`` writes it: compact, keys in order, non-ASCII as it is."""
    return _encoder.encode(message).decode()


def decode(frame: str | bytes) -> Message | None:
    """Return the message, or ``None`` for anything that is not a V2 text frame; never raises."""
    if not isinstance(frame, str):
        return None
    try:
        return _decoder.decode(frame)
    except (ValueError, RecursionError):
        # msgspec's errors and a lone surrogate's are ValueErrors
        return None


def encode_binary(*, join_ref: str, ref: str, topic: str, event: str, data: bytes) -> bytes:
    """Return a push whose payload is bytes. Raises ``ValueError`` where a name is longer than 255 bytes."""
    # phoenix serializer.js binaryEncode: kind 0, four lengths, four names, the data
    names = [each.encode() for each in (join_ref, ref, topic, event)]
    return bytes([0, *map(len, names)]) + b"".join(names) + data


def decode_binary(frame: bytes) -> Message | None:
    """Return the message, its payload ``{"data": bytes}``; ``None`` for what is no such frame; never raises."""
    # phoenix serializer.js binaryDecode: which names there are depends on the kind
    named = _BINARY.get(frame[0]) if frame else None
    if named is None or len(frame) <= len(named):
        return None
    at, found = 1 + len(named), {}
    for name, length in zip(named, frame[1:at], strict=True):
        found[name] = frame[at : at + length].decode("utf-8", "replace")
        at += length
    if at > len(frame):
        return None
    payload: dict[str, Any] = {"data": frame[at:]}
    event = found["event"]
    if frame[0] == 1:
        event, payload = REPLY, {"status": event, "response": payload}
    return Message(found.get("join_ref"), found.get("ref"), found["topic"], event, payload)


# push, reply (its status stands where the event does) and broadcast
_BINARY: Final = {
    0: ("join_ref", "topic", "event"),
    1: ("join_ref", "ref", "topic", "event"),
    2: ("topic", "event"),
}


def reply_of(message: Message) -> Reply | None:
    """Return the reply a ``phx_reply`` carries; a response that is no object counts as an empty one."""
    status = message.payload.get("status")
    if not isinstance(status, str):
        return None
    return Reply(status, mapping(message.payload.get("response")))


def mapping(value: object) -> dict[str, Any]:
    """Return the value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: object) -> str:
    """Return the value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""
