"""A run as JSON: the contract with scripts, versioned by ``schema``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

from lvdeploy.measure.disruption import Disruption
from lvdeploy.measure.tally import Gap, StateCount
from lvdeploy.model import StateClass, Verdict
from lvdeploy.report.masking import mask
from lvdeploy.report.run import Clients, Requests, Run, finite

SCHEMA = 1

Json: TypeAlias = "Mapping[str, Json] | list[Json] | str | int | float | bool | None"


def as_json(run: Run) -> str:
    """Return the report, secrets masked, ending with a newline. An infinite time is ``null``."""
    document = {"schema": SCHEMA, "run": _run(run), **_sections(run)}
    return json.dumps(_masked(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


# Private


def _run(run: Run) -> Json:
    return {
        "id": run.id,
        "command": run.command,
        "service": run.service,
        "from": run.from_version,
        "to": run.to_version,
        "started": run.started,
        "ended": run.ended,
        "exit_code": int(run.exit_code),
        "verdict": None if run.verdict is None else run.verdict.value,
        "reason": run.reason,
        "lvdeploy": run.lvdeploy,
        "seed": run.seed,
    }


def _check(verdict: Verdict) -> Json:
    return {
        "name": verdict.name,
        "verdict": verdict.outcome.value,
        "measured": verdict.measured,
        "limit": verdict.limit,
        "evidence": verdict.evidence,
    }


def _sections(run: Run) -> dict[str, Json]:
    balancer = run.balancer
    return {
        "steps": [
            {
                "name": each.name,
                "subject": each.subject,
                "began": each.began,
                "ended": each.ended,
                "outcome": each.outcome,
                "detail": each.detail,
            }
            for each in run.steps
        ],
        "clients": _clients(run.clients),
        "state": _state(run.state),
        "http": _http(run.http),
        "balancer": {
            "driver": balancer.driver,
            "changes": balancer.changes,
            "reloads": balancer.reloads,
            "shares": [
                {
                    "at": each.at,
                    "asked": each.asked,
                    "new_sessions": each.new_sessions,
                    "connections": each.connections,
                }
                for each in balancer.shares
            ],
        },
        "checks": [_check(each) for each in run.checks],
        "proofs": [
            {
                "slot": each.slot,
                "version": each.version,
                "opened_on": each.old,
                "clients": each.clients,
                "checks": [_check(check) for check in each.checks],
            }
            for each in run.proofs
        ],
        "rounds": [
            {
                "fault": each.fault,
                "title": each.title,
                "began": each.began,
                "ended": each.ended,
                "clients": _clients(each.clients),
                "state": _state(each.state),
                "checks": [_check(check) for check in each.checks],
            }
            for each in run.rounds
        ],
        "disruptions": [_disruption(each) for each in run.disruptions],
    }


def _state(state: Mapping[StateClass, StateCount]) -> Json:
    return {
        each.value: {
            "counted": count.counted,
            "kept": count.kept,
            "lost": count.lost,
            "accepted": count.accepted,
            "indeterminate": count.indeterminate,
        }
        for each, count in state.items()
    }


def _clients(clients: Clients) -> Json:
    reconnects = clients.reconnects
    return {
        "count": clients.count,
        "sessions": clients.sessions,
        "reconnects_per_session": {
            "mean": reconnects.mean,
            "max": reconnects.max,
            "histogram": {str(each): reconnects.histogram[each] for each in sorted(reconnects.histogram)},
            "predicted": reconnects.predicted,
        },
        "never_returned": clients.never_returned,
        "gap_s": _times(clients.gap),
        "close_codes": {str(each): clients.close_codes[each] for each in sorted(clients.close_codes)},
        "full_page_loads": clients.full_page_loads,
        "transport_downgrades": clients.transport_downgrades,
        "skew": clients.skew,
    }


def _http(http: Requests) -> Json:
    return {
        "requests": http.requests,
        "failed": http.failed,
        "status": {str(each) if each else "none": http.status[each] for each in sorted(http.status)},
        "latency_s": _times(http.latency),
        "writes": {"acknowledged": http.acknowledged, "found": http.found},
    }


def _times(gap: Gap) -> Json:
    return {"p50": finite(gap.p50), "p95": finite(gap.p95), "p99": finite(gap.p99), "max": finite(gap.max)}


def _disruption(disruption: Disruption) -> Json:
    return {
        "client": disruption.client,
        "lost_at": disruption.lost_at,
        "back_at": disruption.back_at,
        "gap_s": disruption.gap,
        "code": disruption.code,
        "reason": disruption.reason,
        "losses": disruption.losses,
        "attempts": disruption.attempts,
        "transport": disruption.transport,
        "page_loads": disruption.page_loads,
        "from_instance": disruption.from_instance,
        "from_version": disruption.from_version,
        "to_instance": disruption.to_instance,
        "to_version": disruption.to_version,
        "state": {
            each.name: {
                "class": each.state_class.value,
                "wanted": each.wanted,
                "found": each.found,
                "fate": each.fate.value,
            }
            for each in disruption.state
        },
        "skipped_forms": dict(disruption.skipped),
    }


def _masked(value: Json) -> Json:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {name: _masked(each) for name, each in value.items()}
    return [_masked(each) for each in value] if isinstance(value, list) else value
