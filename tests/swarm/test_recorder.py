from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from lvdeploy.errors import StateError
from lvdeploy.model import Kind, Observation
from lvdeploy.swarm.lines import encode
from lvdeploy.swarm.recorder import Recorder, read


def seen(number: int) -> Observation:
    return Observation(number / 10, f"client-{number}", Kind.LOST, value=None, detail={"code": 1012, "reason": "ü\x85"})


def write(path: Path, *, members: int = 4, each: int = 5) -> list[Observation]:
    recorder = Recorder(path)
    observations = [seen(number) for number in range(members * each)]
    for number, observation in enumerate(observations):
        recorder.add(encode(observation))
        if number % each == each - 1:
            recorder.flush()
    recorder.close()
    return observations


def test_what_was_recorded_is_read_again(tmp_path: Path):
    path = tmp_path / "state" / "observations.gz"
    observations = write(path)
    assert list(read(path)) == observations
    assert gzip.decompress(path.read_bytes()).count(b"\n") == len(observations)


def test_recording_again_appends(tmp_path: Path):
    path = tmp_path / "o.gz"
    first, second = write(path), write(path)
    assert list(read(path)) == first + second


def test_a_file_cut_at_any_byte_is_read_up_to_there(tmp_path: Path):
    path, cut = tmp_path / "o.gz", tmp_path / "cut.gz"
    observations = write(path, members=3, each=4)
    content = path.read_bytes()
    longest = 0
    for length in range(len(content) + 1):
        cut.write_bytes(content[:length])
        got = list(read(cut))
        assert got == observations[: len(got)]
        assert len(got) >= longest
        longest = len(got)
    assert longest == len(observations)


def test_a_file_cut_at_any_byte_can_be_continued(tmp_path: Path):
    path, cut = tmp_path / "o.gz", tmp_path / "cut.gz"
    write(path, members=2, each=4)
    content = path.read_bytes()
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        kept = list(read(cut))
        more = write(cut, members=1, each=2)
        assert list(read(cut)) == kept + more


def test_a_damaged_end_hides_nothing_before_it(tmp_path: Path):
    path = tmp_path / "o.gz"
    observations = write(path, members=2, each=5)
    path.write_bytes(path.read_bytes() + b"\x00not gzip")
    assert list(read(path)) == observations


def test_only_flushed_observations_survive(tmp_path: Path):
    path = tmp_path / "o.gz"
    recorder = Recorder(path)
    recorder.add(encode(seen(1)))
    recorder.flush()
    recorder.add(encode(seen(2)))
    assert list(read(path)) == [seen(1)]
    recorder.close()
    assert list(read(path)) == [seen(1), seen(2)]


def test_nobody_else_may_read_the_record(tmp_path: Path):
    path = tmp_path / "o.gz"
    write(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot write observations"):
        Recorder(tmp_path / "file" / "o.gz")
    with pytest.raises(StateError, match="cannot read observations"):
        list(read(tmp_path / "none.gz"))
