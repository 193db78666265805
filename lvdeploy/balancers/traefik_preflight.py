"""Whether a Traefik is there and set up as the driver needs it; nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lvdeploy.balancers.traefik_api import TraefikApi
from lvdeploy.balancers.traefik_render import Shape
from lvdeploy.errors import BalancerError, HostError
from lvdeploy.hosts import Host
from lvdeploy.model import Outcome, Verdict

_OLDEST = (3, 4)
"""Cookies hold the SHA-256 of the service's name since 3.3, server weights in files came later; 3.7 was tried."""


async def look(*, api: TraefikApi, host: Host, directory: Path, shape: Shape) -> tuple[Verdict, ...]:
    """Return a verdict for each need; only the first where the API cannot be reached."""
    try:
        version = await api.json("/api/version")
        entry_points = await api.json("/api/entrypoints")
        overview = await api.json("/api/overview")
    except BalancerError as error:
        return (Verdict("Traefik's API answers", Outcome.FAIL, evidence=f"{error.message}; {error.hint}"),)
    return (
        Verdict("Traefik's API answers", Outcome.PASS),
        check_version(version),
        check_entry_points(entry_points, wanted=shape.entry_points),
        check_provider(overview),
        await _check_directory(host, directory),
    )


def check_version(answer: object) -> Verdict:
    text = str(answer.get("Version", "")) if isinstance(answer, Mapping) else ""
    name, limit = "Traefik's version", f"{_OLDEST[0]}.{_OLDEST[1]} or newer, below {_OLDEST[0] + 1}"
    parts = text.removeprefix("v").split(".")
    if len(parts) < 2 or not all(each.isdigit() for each in parts[:2]):
        return Verdict(name, Outcome.INCONCLUSIVE, text, limit, "this is no released version; nobody tried it")
    found = (int(parts[0]), int(parts[1]))
    fits = _OLDEST <= found < (_OLDEST[0] + 1, 0)
    evidence = "" if fits else "the values of its sticky cookies and the weights of its servers are not as expected"
    return Verdict(name, Outcome.PASS if fits else Outcome.FAIL, text, limit, evidence)


def check_entry_points(answer: object, *, wanted: tuple[str, ...]) -> Verdict:
    entries = answer if isinstance(answer, list) else []
    names = [str(each.get("name")) for each in entries if isinstance(each, Mapping)]
    missing = [each for each in wanted if each not in names]
    outcome = Outcome.FAIL if missing else Outcome.PASS
    evidence = f"set balancer.traefik.entry_points: {', '.join(missing)} is not one of them" if missing else ""
    return Verdict("Traefik's entry points", outcome, ", ".join(names), ", ".join(wanted), evidence)


def check_provider(answer: object) -> Verdict:
    found = answer.get("providers") if isinstance(answer, Mapping) else None
    providers = [str(each) for each in found] if isinstance(found, list) else []
    there = "File" in providers
    evidence = "" if there else "its static configuration needs providers.file.directory, with watch: true"
    return Verdict(
        "Traefik's file provider", Outcome.PASS if there else Outcome.FAIL, ", ".join(providers), "File", evidence
    )


async def _check_directory(host: Host, directory: Path) -> Verdict:
    name = "Traefik's directory is writable"
    try:
        there = await host.run(["test", "-d", str(directory), "-a", "-w", str(directory)], timeout=10)
    except HostError as error:
        return Verdict(name, Outcome.INCONCLUSIVE, evidence=error.message)
    if there.code:
        return Verdict(name, Outcome.FAIL, evidence=f"{directory} is not a directory that lvdeploy may write to")
    return Verdict(name, Outcome.PASS, str(directory))
