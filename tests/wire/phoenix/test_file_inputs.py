"""File inputs of a page: which ones take files, and what choosing files there sends."""

from __future__ import annotations

import pytest

from lvdeploy.wire.session import CannotAct
from tests.wire.phoenix.pages import JAVASCRIPT, joined

INPUT = '<input type="file" name="doc" data-phx-upload-ref="phx-UP" phx-progress="moved">'


def test_upload_input_says_where_its_files_go() -> None:
    found = joined(f'<form id="f" phx-change="upl">{INPUT}</form>').file_input("#f", "doc", javascript=JAVASCRIPT)
    assert [found.ref, found.name, found.on_progress, found.is_auto, found.cid] == [
        "phx-UP",
        "doc",
        "moved",
        False,
        None,
    ]
    assert found.event is not None
    assert found.event.payload["event"] == "upl"


def test_form_without_a_change_event_sends_none() -> None:
    found = joined(f'<form id="f">{INPUT}</form>').file_input("#f", "doc", javascript=JAVASCRIPT)
    assert found.event is None


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('<form id="f"><input type="file" name="doc"></form>', "no LiveView upload"),
        ('<form id="f"><input type="text" name="doc"></form>', "has 0 file inputs"),
        (f'<form id="f">{INPUT}{INPUT}</form>', "has 2 file inputs"),
    ],
)
def test_what_takes_no_files_says_why(body: str, why: str) -> None:
    with pytest.raises(CannotAct, match=why):
        joined(body).file_input("#f", "doc", javascript=JAVASCRIPT)
