"""Templates of commands: filled in once, and problems named before anything starts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lvdeploy.instances.command import fill_in, values
from lvdeploy.instances.process import ProcessSettings
from lvdeploy.model import Slot

WEB_1 = Slot("web-1", "127.0.0.1", 4001)


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("--port={port}", "--port=4001"),
        ("{name}@{host}", "web-1@127.0.0.1"),
        ("/srv/{version}/bin", "/srv/2.0/bin"),
        ("{{port}}", "{port}"),
        ('{"a": [1, {}]}', '{"a": [1, {}]}'),
        ("$PORT `id`; rm -rf *", "$PORT `id`; rm -rf *"),
    ],
)
def test_placeholders_are_filled_in(template: str, filled: str) -> None:
    assert fill_in(template, values(WEB_1, "2.0")) == filled


@given(st.text(max_size=20))
def test_what_a_version_says_is_never_filled_in_again(version: str) -> None:
    assert fill_in("v={version};", values(WEB_1, version)) == f"v={version};"


@given(st.text(max_size=40))
def test_doubled_braces_give_any_text_back(text: str) -> None:
    template = text.replace("{", "{{").replace("}", "}}")

    assert fill_in(template, values(WEB_1, "2.0")) == text


def test_unknown_placeholder_is_a_problem() -> None:
    with pytest.raises(ValidationError, match=r"unknown placeholder \{vesion\}; known are \{version\}, \{port\}"):
        ProcessSettings.model_validate({"command": ["serve", "{vesion}"]})


def test_unknown_placeholder_in_the_environment_is_a_problem_that_tells_no_secret() -> None:
    with pytest.raises(ValidationError) as failure:
        ProcessSettings.model_validate({"command": ["serve"], "environment": {"TOKEN": "s3cr3t-{vesion}"}})

    told = failure.value.errors(include_input=False)
    assert "unknown placeholder {vesion}" in str(told)
    assert "s3cr3t" not in str(told)


def test_empty_command_is_a_problem() -> None:
    with pytest.raises(ValidationError):
        ProcessSettings.model_validate({"command": []})
    with pytest.raises(ValidationError):
        ProcessSettings.model_validate({"command": [""]})


def test_environment_is_masked_where_settings_are_printed() -> None:
    settings = ProcessSettings.model_validate({"command": ["serve"], "environment": {"TOKEN": "s3cr3t"}})

    assert "s3cr3t" not in repr(settings)
    assert "s3cr3t" not in settings.model_dump_json()
