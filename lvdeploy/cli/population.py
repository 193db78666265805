"""What the swarm is told, taken from the deployment file."""

from __future__ import annotations

from lvdeploy.config import Deployment
from lvdeploy.swarm.order import Destination, LoadOrder, SwarmOrder, WriteOrder
from lvdeploy.wire.phoenix import WhichJavaScript


def destination(deployment: Deployment) -> Destination:
    """Return where the clients go, and how."""
    verify = deployment.verify
    return Destination(
        url=deployment.service.url, connect_to=verify.connect_to, ca=str(verify.ca) if verify.ca else None,
        headers={name: secret.get_secret_value() for name, secret in verify.headers.items()},
        instance=verify.identify.instance, version=verify.identify.version,
    )


def swarm_order(deployment: Deployment, *, clients: int | None, seed: int, origin: float) -> SwarmOrder:
    """Return the order of the synthetic clients."""
    verify = deployment.verify
    return SwarmOrder(
        destination=destination(deployment),
        scenarios=tuple(
            each.scenario.model_dump(mode="json", by_alias=True, exclude_unset=True)
            for each in verify.scenarios
        ),
        clients=clients or verify.clients, joins_per_second=verify.joins, seed=seed, origin=origin,
        javascript=_javascript(verify.javascript),
    )


def _javascript(text: str) -> WhichJavaScript:
    if text == "auto":
        return "auto"
    numbers = [int(part) for part in text.split(".")] + [0, 0]
    return (numbers[0], numbers[1], numbers[2])


def load_order(deployment: Deployment, *, seed: int, origin: float) -> LoadOrder:
    """Return the order of the HTTP load."""
    http, writes = deployment.verify.http, deployment.verify.http.writes
    return LoadOrder(
        destination=destination(deployment), seed=seed, origin=origin, rate=http.rate, paths=http.paths,
        timeout=http.timeout,
        writes=None if writes is None else WriteOrder(
            path=writes.path, rate=writes.rate, id=writes.id, found_path=writes.found.path,
            found_json=writes.found.json_,
        ),
    )
