"""Observations as JSON lines."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from lvdeploy.model import Observation

LINE_LIMIT = 256 * 1024

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Observation)


def encode(observation: Observation) -> bytes:
    """Return a line with its end; a detail too long for ``LINE_LIMIT`` is left out and said to be."""
    line = _encoder.encode(observation)
    if len(line) >= LINE_LIMIT:
        line = _encoder.encode(replace(observation, detail={"left_out": f"{len(line)} bytes of detail"}))
    return line + b"\n"


def decode(line: bytes) -> Observation:
    """Raises ``ValueError``."""
    return _decoder.decode(line)
