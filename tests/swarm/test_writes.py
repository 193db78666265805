from __future__ import annotations

import pytest

from lvdeploy.swarm.writes import Writes, ids_in


def made() -> Writes:
    writes = Writes()
    for name, status in {"kept": 201, "other": 303, "failed": 500, "refused": 422, "unanswered": None}.items():
        writes.attempted(name)
        if status is not None:
            writes.answered(name, status)
    return writes


def test_acknowledged_writes_must_be_found():
    found = made().compare(["kept"])
    assert (found.count, found.missing, found.doubled, found.unknown) == (1, ("other",), (), ())


def test_writes_of_unknown_outcome_may_be_found_or_not():
    found = made().compare(["kept", "other", "failed", "unanswered"])
    assert (found.missing, found.doubled, found.unknown) == ((), (), ())


def test_a_write_found_twice_is_doubled_whatever_was_answered():
    assert made().compare(["kept", "kept", "other", "failed", "failed"]).doubled == ("kept", "failed")


def test_a_refused_write_must_not_be_found():
    assert made().compare(["kept", "other", "refused"]).unknown == ("refused",)


def test_others_writes_are_not_looked_at():
    found = made().compare(["kept", "other", "theirs", "theirs"])
    assert (found.count, found.missing, found.doubled, found.unknown) == (2, (), (), ())


@pytest.mark.parametrize(
    ("document", "way"),
    [
        (b'{"ids": ["a", "b"]}', "ids"),
        (b'{"data": {"notes": [{"id": "a"}, {"id": "b"}]}}', "data.notes"),
        (b'["a", "b"]', ""),
    ],
)
def test_ids_are_found_where_they_are_said_to_be(document: bytes, way: str):
    assert ids_in(document, way=way, field="id") == ["a", "b"]


@pytest.mark.parametrize("document", [b"<html>", b"{}", b'{"ids": "a"}', b"", b"\xff", b"[" * 100_000])
def test_a_document_without_a_list_is_said(document: bytes):
    with pytest.raises(ValueError, match=r"\w"):
        ids_in(document, way="ids", field="id")
