"""What a deployment file says about health."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from lvdeploy.document import Duration, Settings

Scalar: TypeAlias = str | int | float | bool | None
UrlPath: TypeAlias = Annotated[str, Field(pattern=r"^/[!-~]*$")]
Positive: TypeAlias = Annotated[Duration, Field(gt=0)]


class ReportedVersion(Settings):
    """Where an instance says which version it is; ``json`` is the way to it, such as ``build.version``."""

    path: UrlPath = "/version"
    json_: Annotated[str, Field(alias="json", min_length=1)] = "version"


class HttpCheck(Settings):
    """
    What an instance must answer to be healthy.

    ``json`` names places in the answer (``checks.database``) with the value each must have.
    """

    path: UrlPath = "/health"
    status: Annotated[int, Field(ge=100, le=599)] = 200
    json_: Annotated[dict[str, Scalar], Field(alias="json")] = Field(default_factory=dict)
    contains: Annotated[str, Field(min_length=1)] | None = None
    version: ReportedVersion | None = None


class HealthSettings(Settings):
    """How often instances are asked, and how many answers it takes; see ``Thresholds``."""

    http: HttpCheck = HttpCheck()
    period: Positive = 0.5
    timeout: Positive = 2.0
    success_threshold: Annotated[int, Field(ge=1)] = 1
    failure_threshold: Annotated[int, Field(ge=1)] = 3
    min_healthy_time: Annotated[Duration, Field(ge=0)] = 1.0
    healthy_deadline: Positive = 30.0
