"""What may be said about Traefik in a deployment file."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from lvdeploy.balancers.traefik_managed import complaint, file_name, find_binary, static_configuration
from lvdeploy.balancers.traefik_settings import TraefikSettings
from lvdeploy.errors import BalancerError
from lvdeploy.model import Cookie, Scope


def test_defaults_of_a_managed_traefik():
    settings = TraefikSettings(managed=True)
    assert settings.affinity() == Cookie("lvdeploy", Scope.VERSION, None)
    assert settings.shape().entry_points == ("web",)


def test_a_traefik_of_ones_own_needs_its_directory():
    with pytest.raises(ValidationError, match="file provider watches"):
        TraefikSettings()


@pytest.mark.parametrize(
    "wrong",
    [{"cookie": {"name": "a;b"}}, {"health": {"path": "health"}}, {"entry_points": []}, {"deadline": "0s"},
     {"health": {"interval": "often"}}, {"unknown": 1}, {"priority": 0}],
)  # fmt: skip
def test_mistakes_are_refused(wrong: dict[str, object]):
    with pytest.raises(ValidationError):
        TraefikSettings.model_validate({"managed": True, **wrong})


@pytest.mark.parametrize("api", ["http://0.0.0.0:8079", "http://10.0.0.1:8079", "http://127.0.0.1"])
def test_a_managed_api_stays_on_loopback(api: str):
    with pytest.raises(BalancerError, match="loopback"):
        static_configuration(TraefikSettings(managed=True, api=api), dynamic=Path("/x"))


def test_a_missing_binary_says_how_to_get_one():
    with pytest.raises(BalancerError, match="no such-a-binary") as caught:
        find_binary("such-a-binary")
    assert "lvdeploy[traefik]" in caught.value.hint


def test_a_files_name_cannot_leave_its_directory():
    assert "/" not in file_name("../../etc/passwd")


def test_a_complaint_is_what_traefik_called_an_error():
    log = "2026-01-01T00:00:00Z INF hello\n2026-01-01T00:00:01Z ERR bind: address already in use\n"
    assert complaint(log) == "2026-01-01T00:00:01Z ERR bind: address already in use"
    assert complaint("panic: x") == "panic: x"
    assert complaint("") == ""
