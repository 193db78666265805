"""What a deployment file says about Traefik."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from lvdeploy.balancers.traefik_render import Shape
from lvdeploy.document import Duration, Location, Settings
from lvdeploy.model import Cookie, Scope

Positive = Annotated[Duration, Field(gt=0)]


class CookieSettings(Settings):
    """The affinity cookie; without ``ttl`` it ends with the browser session."""

    name: Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")] = "lvdeploy"
    scope: Scope = Scope.VERSION
    ttl: Positive | None = None
    secure: bool = False


class HealthSettings(Settings):
    """Traefik's own check of every server; a server that fails it gets nothing until it passes again."""

    path: Annotated[str, Field(pattern=r"^/")] = "/health"
    interval: Positive = 1.0
    timeout: Positive = 1.0


class TraefikSettings(Settings):
    """
    Traefik with a file provider on ``directory``.

    Managed: lvdeploy writes the static configuration, starts Traefik on ``listen`` and keeps its
    directory. Otherwise ``directory`` is one that a running Traefik watches, and ``entry_points``,
    ``api`` and ``throttle`` are as its operator set them.
    """

    managed: bool = False
    binary: str = "traefik"
    listen: str = "127.0.0.1:8080"
    directory: Location | None = None
    api: str = "http://127.0.0.1:8079"
    entry_points: Annotated[tuple[str, ...], Field(min_length=1)] = ("web",)
    rule: Annotated[str, Field(min_length=1)] = "PathPrefix(`/`)"
    priority: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    middlewares: tuple[str, ...] = ()
    cookie: CookieSettings | None = CookieSettings()
    health: HealthSettings = HealthSettings()
    keep_idle: Positive = 4.0
    throttle: Annotated[Duration, Field(ge=0)] = 2.0
    deadline: Positive = 15.0
    stop_grace: Positive = 10.0

    @model_validator(mode="after")
    def _has_a_directory(self) -> TraefikSettings:
        if not self.managed and self.directory is None:
            raise ValueError("should name the directory that Traefik's file provider watches, or set managed: true")
        return self

    def shape(self) -> Shape:
        """Return the part that decides what is written for a traffic."""
        return Shape(
            entry_points=("web",) if self.managed else self.entry_points,
            rule=self.rule,
            priority=self.priority,
            middlewares=self.middlewares,
            secure_cookie=self.cookie is not None and self.cookie.secure,
            health_path=self.health.path,
            health_interval=self.health.interval,
            health_timeout=self.health.timeout,
            keep_idle=self.keep_idle,
        )

    def affinity(self) -> Cookie | None:
        """Return the cookie that traffic is to be kept by."""
        return Cookie(self.cookie.name, self.cookie.scope, self.cookie.ttl) if self.cookie else None
