"""V2 text frames."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.wire.phoenix.message import Message, decode, decode_binary, encode, encode_binary, reply_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_frame_is_written_as_json_stringify_writes_it() -> None:
    """phoenix serializer.js: JSON.stringify([join_ref, ref, topic, event, payload]), compact and unescaped."""
    payload = {"value": 'é😀"</b>\n\x00\u2028', "url": None, "n": 1}
    frame = encode(Message("4", "4", "lv:phx-1", "phx_join", payload))
    assert frame == '["4","4","lv:phx-1","phx_join",{"value":"é😀\\"</b>\\n\\u0000\u2028","url":null,"n":1}]'


def test_absent_refs_are_null() -> None:
    assert encode(Message(None, "8", "phoenix", "heartbeat", {})) == '[null,"8","phoenix","heartbeat",{}]'


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_what_is_written_can_be_read(payload: dict[str, object]) -> None:
    message = Message("1", None, "t", "e", json.loads(json.dumps(payload)))
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    "frame",
    [
        "", "null", "{}", "[]", '["1","2","t","e"]', '["1",2,"t","e",{}]', '["1","2",null,"e",{}]',
        '["1","2","t","e",[]]', '["1","2","t","e",{}', "[" * 100_000, "\ud800", b"\x00\x01\x02", b"",
    ],
)  # fmt: skip
def test_what_is_no_frame_is_nothing(frame: str | bytes) -> None:
    assert decode(frame) is None


@given(st.text() | st.binary() | JSON.map(json.dumps))
def test_no_frame_raises(frame: str | bytes) -> None:
    decode(frame)


@pytest.mark.parametrize("payload", [{}, {"status": 1}, {"status": None, "response": {}}])
def test_reply_without_a_status_is_none(payload: dict[str, object]) -> None:
    assert reply_of(Message("1", "1", "t", "phx_reply", payload)) is None


def test_response_that_is_no_object_counts_as_empty() -> None:
    reply = reply_of(Message("1", "1", "t", "phx_reply", {"status": "ok", "response": [1]}))
    assert reply is not None
    assert reply.response == {}


# Binary frames


def test_bytes_are_pushed_with_the_lengths_of_their_names() -> None:
    """phoenix serializer.js binaryEncode."""
    frame = encode_binary(join_ref="29", ref="30", topic="lvu:0", event="chunk", data=b"aaa")
    assert frame == b"\x00\x02\x02\x05\x05" + b"29" + b"30" + b"lvu:0" + b"chunk" + b"aaa"


def test_name_too_long_for_its_length_is_refused() -> None:
    """phoenix serializer.js assertFieldSize."""
    with pytest.raises(ValueError, match="range"):
        encode_binary(join_ref="1", ref="2", topic="t" * 256, event="chunk", data=b"")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (b"\x00\x01\x02\x03" + b"1" + b"to" + b"evt" + b"\xff", Message("1", None, "to", "evt", {"data": b"\xff"})),
        (
            b"\x01\x01\x01\x02\x02" + b"1" + b"9" + b"to" + b"ok" + b"x",
            Message("1", "9", "to", "phx_reply", {"status": "ok", "response": {"data": b"x"}}),
        ),
        (b"\x02\x02\x03" + b"to" + b"evt", Message(None, None, "to", "evt", {"data": b""})),
        (b"", None),
        (b"\x03\x01\x01", None),
        (b"\x00\x01", None),
        (b"\x00\x01\x09\x09short", None),
    ],
)
def test_servers_bytes_are_read_by_their_kind(frame: bytes, message: Message | None) -> None:
    """phoenix serializer.js decodePush, decodeReply, decodeBroadcast."""
    assert decode_binary(frame) == message


@given(st.binary(max_size=64))
def test_no_bytes_are_too_strange_to_be_read(frame: bytes) -> None:
    decode_binary(frame)
