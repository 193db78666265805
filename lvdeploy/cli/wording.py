"""A plan as an operator would tell it to a colleague."""

from __future__ import annotations

from collections.abc import Sequence

from lvdeploy.config import Deployment
from lvdeploy.model import Fleet
from lvdeploy.rollout.intent import Intent, Sessions
from lvdeploy.rollout.observe import shares
from lvdeploy.rollout.plan import (
    Admit,
    AwaitHealthy,
    AwaitOut,
    Conclude,
    Drain,
    Open,
    Prove,
    Start,
    Step,
    Stop,
    Withdraw,
    apply,
    serving,
)
from lvdeploy.rollout.predict import predict


def plan_in_words(deployment: Deployment, intent: Intent, fleet: Fleet, steps: Sequence[Step]) -> str:
    """Return the whole plan with what it will cost."""
    if not steps:
        return f"{intent.wanted} is live already: nothing to do."
    prediction = predict(intent, fleet, steps)
    lines = [
        f"{deployment.service.name}: {intent.previous or 'nothing'} → {intent.wanted} on {intent.replicas} replicas, "
        f"{len(serving(fleet))} of which serve now.",
        "",
        *_numbered(intent, fleet, steps),
        "",
        _reconnects(intent, prediction.reconnects),
        f"At most {prediction.worst:.0%} of the sessions are moved at once, no faster than "
        f"{deployment.rolling.max_joins_per_server:g} a second for each updated server; "
        f"draining one instance may take {deployment.drain.timeout:g} s at most.",
        f"Never fewer than {prediction.capacity} servers are ready; the balancer is changed {prediction.changes} "
        "times and never reloaded.",
        "If a step or a check fails, everything goes back to "
        f"{intent.previous}." if intent.previous else "Nothing serves yet, so there is nothing to go back to.",
    ]
    return "\n".join(lines)


def _reconnects(intent: Intent, mean: float) -> str:
    if not intent.previous:
        return "Nobody is connected yet."
    why = (
        "new sessions go to updated servers only" if intent.sessions is Sessions.UPDATED
        else "a session may land on a server that is still to be replaced"
    )
    return f"Each session that is open now reconnects {mean:.2f} times on average: {why}."


def _numbered(intent: Intent, fleet: Fleet, steps: Sequence[Step]) -> list[str]:
    lines = []
    for number, step in enumerate(steps, 1):
        after = apply(intent, fleet, step)
        changed = f"   [{shares(after.traffic)}]" if shares(after.traffic) != shares(fleet.traffic) else ""
        lines.append(f"{number:>3}. {_sentence(step)}{changed}")
        fleet = after
    return lines


def _sentence(step: Step) -> str:
    match step:
        case Open():
            return f"send new sessions to {step.version}"
        case Start():
            return f"start {step.version} in {step.slot}"
        case AwaitHealthy():
            return f"wait until {step.slot} is healthy"
        case Prove():
            return f"let synthetic sessions cross to {step.slot} before any user does"
        case Admit():
            return f"let users in at {step.slot}"
        case Withdraw():
            return f"take {step.slot} out of the balancer; its sockets stay"
        case AwaitOut():
            return f"wait until nothing new can reach {step.slot}"
        case Drain():
            return f"move the sockets of {step.slot} away"
        case Stop():
            return f"stop {step.slot}"
        case Conclude():
            return f"leave {step.version} alone in the balancer"
