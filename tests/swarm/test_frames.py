from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from lvdeploy.swarm.frames import FrameScanner, close_frame

data = st.tuples(
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT]),
    st.one_of(st.binary(max_size=140), st.integers(120, 70_000).map(bytes)),
)
control = st.tuples(st.sampled_from([Opcode.CLOSE, Opcode.PING]), st.binary(max_size=125))


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[list[tuple[int, bytes]], list[bytes]]:
    """Whole frames, and the same bytes in chunks."""
    frames = [
        (opcode, Frame(opcode, payload).serialize(mask=draw(st.booleans())))
        for opcode, payload in draw(st.lists(data | control, max_size=6))
    ]
    stream = b"".join(each for _, each in frames)
    places = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return frames, [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]


@given(cut_streams())
def test_every_byte_passes_once_and_every_frame_ends_where_it_ends(given_stream):
    frames, chunks = given_stream
    scanner = FrameScanner()
    pieces = [piece for chunk in chunks for piece in scanner.take(chunk)]

    assert b"".join(piece.data for piece in pieces) == b"".join(each for _, each in frames)
    assert scanner.between_frames
    whole, seen = b"", []
    for piece in pieces:
        whole += piece.data
        if piece.ends:
            seen.append((piece.opcode, whole))
            whole = b""
    assert seen == frames


@given(cut_streams())
def test_a_close_frame_can_be_put_wherever_it_says(given_stream):
    """What has passed by then is whole frames and nothing else."""
    frames, chunks = given_stream
    scanner, passed = FrameScanner(), b""
    ends = [0]
    for _, each in frames:
        ends.append(ends[-1] + len(each))
    for chunk in chunks:
        passed += b"".join(piece.data for piece in scanner.take(chunk))
        assert scanner.between_frames == (len(passed) in ends)


def test_close_frames_are_as_the_standard_writes_them():
    assert close_frame(1012, masked=False) == b"\x88\x02\x03\xf4"
    masked = close_frame(1001, masked=True)
    assert (masked[:2], len(masked)) == (b"\x88\x82", 8)
