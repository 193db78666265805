"""The environment is read strictly, and its secrets are not shown."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lvdeploy.demo.settings import Break, SettingsError, from_environment

SECRET = {"DEMO_SECRET": "a secret"}


def test_every_setting_is_read():
    settings = from_environment({
        "PYVIEW_SECRET": "s", "APP_VERSION": "2.1", "DEMO_INSTANCE": "web-1", "DEMO_DATABASE": "x.db",
        "DEMO_TOKEN": "t", "DEMO_DRAIN_PAUSE": "0", "DEMO_BREAK": "slow",
    })
    assert (settings.version, settings.instance, str(settings.database)) == ("2.1", "web-1", "x.db")
    assert (settings.secret, settings.admin_token, settings.drain_pause) == ("s", "t", 0.0)
    assert settings.breakage is Break.SLOW


def test_the_secret_is_required_and_shown_nowhere():
    with pytest.raises(SettingsError, match="DEMO_SECRET"):
        from_environment({})
    assert "a secret" not in repr(from_environment(SECRET))


@pytest.mark.parametrize(("name", "value"), [
    ("DEMO_BREAK", "everything"), ("DEMO_BREAK", "2.0:"), ("DEMO_DRAIN_PAUSE", "soon"),
    ("DEMO_DRAIN_PAUSE", "-1"), ("DEMO_DRAIN_PAUSE", "nan"),
])
def test_a_setting_that_means_nothing_is_named(name: str, value: str):
    with pytest.raises(SettingsError, match=name):
        from_environment({**SECRET, name: value})


@pytest.mark.parametrize(("text", "version", "breakage"), [
    ("", "2.0", None), ("mount", "1.0", Break.MOUNT), ("2.0:mount", "2.0", Break.MOUNT), ("2.0:mount", "1.0", None),
    ("2.0:form-id", "2.0", Break.FORM_ID),
])
def test_a_fault_can_be_meant_for_one_version(text: str, version: str, breakage: Break | None):
    assert from_environment({**SECRET, "APP_VERSION": version, "DEMO_BREAK": text}).breakage is breakage


@pytest.mark.parametrize(("version", "state_version"), [
    ("1.0", "1.0"), ("1.9.3", "1.0"), ("2.0", "2.0"), ("v10", "2.0"), ("latest", "1.0"), ("", "1.0"),
])
def test_state_has_a_version_of_its_own(version: str, state_version: str):
    assert from_environment({**SECRET, "APP_VERSION": version}).state_version == state_version


def test_a_release_with_another_secret_differs_from_every_other():
    def secret(version: str, breakage: str) -> str:
        return from_environment({**SECRET, "APP_VERSION": version, "DEMO_BREAK": breakage}).secret

    assert len({secret("1.0", ""), secret("2.0", "secret"), secret("3.0", "secret")}) == 3
    assert secret("1.0", "") == secret("2.0", "")
    assert secret("2.0", "secret") == secret("2.0", "secret")


@pytest.mark.real
def test_a_missing_secret_is_one_line_and_exit_code_2():
    command = [sys.executable, "-m", "lvdeploy.demo", "--port", "1"]
    ended = subprocess.run(command, env={}, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "DEMO_SECRET" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
