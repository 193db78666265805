"""Judging answers: any of them, however hostile, is well or one bounded line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.health.answers import Answer, judge, judge_version
from lvdeploy.health.settings import HttpCheck, ReportedVersion

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()), st.integers(100, 599))
def test_any_answer_is_judged_in_one_bounded_line(body: bytes, status: int) -> None:
    wanted = HttpCheck.model_validate({"json": {"a.b": True}})

    for reason in (
        judge(Answer("/health", status, body), wanted),
        judge_version(Answer("/version", status, body), ReportedVersion(), "2.0"),
    ):
        assert "\n" not in reason
        assert len(reason) < 700


@pytest.mark.parametrize("deep", ["[" * 50_000, '{"a":' * 20_000, "9" * 10_000])
def test_hostile_json_is_only_another_wrong_answer(deep: str) -> None:
    wanted = HttpCheck.model_validate({"json": {"a": True}})

    assert judge(Answer("/health", 200, deep.encode()), wanted)


@pytest.mark.parametrize("value", ["2.0", 2.0])
def test_version_may_be_a_number(value: object) -> None:
    body = json.dumps({"version": value}).encode()

    assert judge_version(Answer("/version", 200, body), ReportedVersion(), "2.0") == ""
