"""What a deployment file may say about health."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lvdeploy.health import HealthSettings


def test_example_of_a_deployment_file_is_understood() -> None:
    settings = HealthSettings.model_validate(
        {
            "http": {
                "path": "/up", "status": 204, "json": {"status": "healthy", "nodes": 3, "slow": False, "error": None},
                "contains": "ok", "version": {"path": "/v", "json": "build.version"},
            },
            "period": "250ms", "timeout": "1s", "success_threshold": 2, "failure_threshold": 4,
            "min_healthy_time": "0s", "healthy_deadline": "1m",
        }
    )

    assert settings.http.json_ == {"status": "healthy", "nodes": 3, "slow": False, "error": None}
    assert settings.http.version is not None
    assert (settings.http.version.path, settings.http.version.json_) == ("/v", "build.version")
    assert (settings.period, settings.min_healthy_time, settings.healthy_deadline) == (0.25, 0, 60)


@pytest.mark.parametrize(
    "document",
    [
        {"period": "0s"},
        {"timeout": "0ms"},
        {"healthy_deadline": "0s"},
        {"success_threshold": 0},
        {"failure_threshold": 0},
        {"http": {"path": "health"}},
        {"http": {"path": "/he alth"}},
        {"http": {"path": "/health\r\nx: y"}},
        {"http": {"status": 99}},
        {"http": {"json": {"status": ["healthy"]}}},
        {"http": {"contains": ""}},
        {"http": {"version": {"json": ""}}},
    ],
    ids=str,
)
def test_what_could_never_work_is_a_problem(document: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HealthSettings.model_validate(document)
