"""What was seen against what is allowed: a verdict for each limit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from lvdeploy.measure.disruption import Disruption, Fate, Held
from lvdeploy.measure.limits import Limits as Limits  # part of this module's front
from lvdeploy.measure.tally import Oddity, Tally
from lvdeploy.model import Outcome, StateClass, Verdict

LATE = 2.0
"""Seconds by which a ``back`` may come after the gap's end: it waits for late state, and for its turn in the pipe."""

Checker: TypeAlias = Callable[[str, Tally, Limits], Verdict | None]
"""Gets its own name; ``None`` when its limit is off or it does not apply."""

NOBODY = "no session was ready before the first step, so nothing was watched"


def check(tally: Tally, limits: Limits) -> tuple[Verdict, ...]:
    """Judge a run that is over. A checker that breaks is inconclusive, as no data is."""
    return _run(CHECKERS, tally, limits)


def already_failed(tally: Tally, limits: Limits) -> tuple[Verdict, ...]:
    """Return what has failed while the run goes on: only limits that can no longer be kept."""
    verdicts = _run({name: CHECKERS[name] for name in FINAL}, tally, limits)
    overdue = _overdue(tally, limits)
    failed = [each for each in verdicts if each.outcome is Outcome.FAIL and each.name != "gap_max"]
    return (*failed, *(() if overdue is None else (overdue,)))


def overall(verdicts: Iterable[Verdict]) -> Outcome:
    """Return the worst: fail before inconclusive before pass; no verdicts are inconclusive."""
    outcomes = {each.outcome for each in verdicts}
    if Outcome.FAIL in outcomes:
        return Outcome.FAIL
    return Outcome.PASS if outcomes == {Outcome.PASS} else Outcome.INCONCLUSIVE


# Private: how users fared


def _reconnects(name: str, tally: Tally, limits: Limits) -> Verdict | None:
    limit = limits.reconnects_per_session
    if limit is None:
        return None
    reconnects = tally.reconnects
    if not reconnects:
        return Verdict(name, Outcome.INCONCLUSIVE, "", f"at most {limit}", NOBODY)
    most = max(reconnects.values())
    measured = f"at most {most}, {sum(reconnects.values()) / len(reconnects):.2f} on average"
    over = sorted(client for client, count in reconnects.items() if count > limit)
    if not over:
        return Verdict(name, Outcome.PASS, measured, f"at most {limit}", _of(0, reconnects, "reconnected more often"))
    path = [f"{each.instance or '?'} ({each.code})" for each in tally.losses if each.client == over[0] and each.joined]
    evidence = (
        f"{_of(len(over), reconnects, f'lost their connection more than {limit}×')}; "
        f"for example {over[0]} was dropped by {', then '.join(path)}. A session is dropped again when it "
        "reconnects to an instance that is still to be replaced"
    )
    return Verdict(name, Outcome.FAIL, measured, f"at most {limit}", evidence)


def _never_returned(name: str, tally: Tally, limits: Limits) -> Verdict | None:
    limit = limits.never_returned
    if limit is None:
        return None
    if not tally.sessions:
        return Verdict(name, Outcome.INCONCLUSIVE, "", f"at most {limit}", NOBODY)
    away = tally.away
    evidence = f"{len(away)} of {tally.sessions} sessions never came back"
    if away:
        evidence += f"; {_examples([_left(each) for each in away])}"
    return _limited(name, len(away), limit, evidence)


def _gap_p99(name: str, tally: Tally, limits: Limits) -> Verdict | None:
    return _gap(name, limits.gap_p99, tally.gap.p99, tally)


def _gap_max(name: str, tally: Tally, limits: Limits) -> Verdict | None:
    return _gap(name, limits.gap_max, tally.gap.max, tally)


def _gap(name: str, limit: float | None, measured: float | None, tally: Tally) -> Verdict | None:
    if limit is None:
        return None
    allowed = f"at most {limit:g} s"
    if measured is None:
        reason = "no session lost its connection, so there was no gap to measure" if tally.sessions else NOBODY
        return Verdict(name, Outcome.INCONCLUSIVE, "", allowed, reason)
    disruptions = tally.disruptions
    over = [each for each in disruptions if each.gap is None or each.gap > limit]
    evidence = f"{len(over)} of {len(disruptions)} outages took longer than {limit:g} s"
    if over:
        evidence += f"; {_examples([_left(each) for each in sorted(over, key=_length, reverse=True)])}"
    shown = "infinite" if math.isinf(measured) else f"{measured:.3f} s"
    return Verdict(name, Outcome.FAIL if measured > limit else Outcome.PASS, shown, allowed, evidence)


def _overdue(tally: Tally, limits: Limits) -> Verdict | None:
    """A gap that is over the limit stays so, also one that is not over yet."""
    limit = limits.gap_max
    if limit is None:
        return None
    gaps = [(tally.latest - each.lost_at - LATE if each.gap is None else each.gap, each) for each in tally.disruptions]
    over = sorted(((gap, each) for gap, each in gaps if gap > limit), key=lambda pair: -pair[0])
    if not over:
        return None
    evidence = f"{len(over)} of {tally.sessions} sessions were away for longer than {limit:g} s; "
    evidence += _examples([_left(each) for _, each in over])
    return Verdict("gap_max", Outcome.FAIL, f"at least {over[0][0]:.3f} s", f"at most {limit:g} s", evidence)


def _page_loads(name: str, tally: Tally, limits: Limits) -> Verdict | None:
    return _none_of(name, limits.full_page_loads, tally.full_page_loads, tally, "full page loads instead of a rejoin")


def _downgrades(name: str, tally: Tally, limits: Limits) -> Verdict | None:
    return _none_of(name, limits.transport_downgrades, tally.transport_downgrades, tally, "falls to another transport")


def _close_codes(name: str, tally: Tally, limits: Limits) -> Verdict | None:
    forbidden = limits.forbidden_close_codes
    if not forbidden:
        return None
    allowed = f"none of {', '.join(map(str, forbidden))}"
    if not tally.sessions:
        return Verdict(name, Outcome.INCONCLUSIVE, "", allowed, NOBODY)
    seen = tally.close_codes
    measured = ", ".join(f"{code}: {count}" for code, count in sorted(seen.items())) or "no connection was lost"
    bad = [each for each in tally.losses if each.code in forbidden]
    evidence = f"{len(bad)} connections were closed with a code that makes browsers load the page again"
    if bad:
        by = Counter(f"{each.instance or 'an instance that does not say its name'} ({each.code})" for each in bad)
        evidence += f", by {_counted(by)}"
    return Verdict(name, Outcome.FAIL if bad else Outcome.PASS, measured, allowed, evidence)


# Private: what became of their state


def _state_lost(name: str, tally: Tally, limits: Limits) -> Verdict | None:
    limit = limits.state_lost
    declared = sorted(tally.declared - {StateClass.MEMORY})
    if limit is None or not declared:
        return None
    state = tally.state
    lost = sum(state[each].lost for each in declared)
    measured = ", ".join(
        f"{each.value}: {state[each].lost} of {state[each].counted} lost" for each in declared
    )
    if lost > limit:
        return Verdict(name, Outcome.FAIL, measured, f"at most {limit}", _state_evidence(tally))
    unseen = [each.value for each in declared if not state[each].counted]
    if unseen:
        evidence = (
            f"nothing can be said of class {', '.join(unseen)}: no session lost its connection while it held "
            "a value that a fresh page does not show"
        )
        return Verdict(name, Outcome.INCONCLUSIVE, measured, f"at most {limit}", evidence)
    kept = sum(state[each].kept for each in declared)
    return Verdict(name, Outcome.PASS, measured, f"at most {limit}", f"{kept} values were found again")


def _state_evidence(tally: Tally) -> str:
    lost = [
        (disruption, held)
        for disruption in tally.disruptions
        for held in disruption.state
        if held.fate is Fate.LOST and held.state_class is not StateClass.MEMORY
    ]
    classes = sorted({held.state_class.value for _, held in lost})
    return "; ".join(_class_evidence(each, lost, tally.sessions) for each in classes)


def _class_evidence(name: str, lost: Sequence[tuple[Disruption, Held]], sessions: int) -> str:
    mine = [(disruption, held) for disruption, held in lost if held.state_class.value == name]
    clients = {disruption.client for disruption, _ in mine}
    sentence = f"{len(clients)} of {sessions} sessions lost class {name}"
    why = Counter(
        f"{form} was not recovered: {reason}" for disruption, _ in mine for form, reason in disruption.skipped.items()
    )
    if name == StateClass.FORM and why:
        return f"{sentence}: {'; '.join(each for each, _ in why.most_common(3))}"
    disruption, held = mine[0]
    return (
        f"{sentence}: for example {disruption.client}, {_way(disruption)} at {disruption.lost_at:.1f} s, "
        f"had {held.name} = {held.wanted!r} and found {held.found!r}"
    )


def _control(name: str, tally: Tally, _limits: Limits) -> Verdict | None:
    counts = tally.state[StateClass.MEMORY]
    if not counts.counted:
        return None
    measured = f"{counts.kept} of {counts.counted} survived"
    if not counts.kept:
        evidence = "what lives only in memory was lost every time, so the looking can tell"
        return Verdict(name, Outcome.PASS, measured, "0", evidence)
    survivor = next(key for key, fate in tally.fates.items() if fate == (StateClass.MEMORY, Fate.KEPT))
    evidence = (
        f"{survivor[1]} of {survivor[0]} is declared to live only in memory, yet it was found again: either it "
        "is of another class, or the page was not mounted anew; what this run says of state proves nothing"
    )
    return Verdict(name, Outcome.INCONCLUSIVE, measured, "0", evidence)


# Private: requests


def _failed_requests(name: str, tally: Tally, limits: Limits) -> Verdict | None:
    limit, http = limits.failed_requests, tally.http
    if limit is None:
        return None
    if not http.requests:
        return Verdict(name, Outcome.INCONCLUSIVE, "", f"at most {limit}", "no request was made")
    evidence = f"{http.failed} of {http.requests} requests failed"
    if http.failures:
        evidence += f"; {_examples([f'{what} at {at:.1f} s' for at, what in http.failures])}"
    return _limited(name, http.failed, limit, evidence)


def _writes_lost(name: str, tally: Tally, limits: Limits) -> Verdict | None:
    limit, http = limits.writes_lost, tally.http
    if limit is None or not http.acknowledged:
        return None
    if http.found is None:
        evidence = f"{http.acknowledged} writes were acknowledged, but they could not be looked for"
        return Verdict(name, Outcome.INCONCLUSIVE, "", f"at most {limit}", evidence)
    bad = len(http.missing) + len(http.doubled) + len(http.unknown)
    evidence = (
        f"of {http.acknowledged} acknowledged writes {len(http.missing)} were not found and {len(http.doubled)} "
        f"were found twice; {len(http.unknown)} were found that nobody made"
    )
    ids = (*http.missing, *http.doubled, *http.unknown)
    return _limited(name, bad, limit, f"{evidence}; {_examples(ids)}" if ids else evidence)


# Private: the rest


def _join_failures(name: str, tally: Tally, limits: Limits) -> Verdict | None:
    return _none_of(name, limits.join_failures, tally.join_failures, tally, "joins were refused")


def _crashes(name: str, tally: Tally, limits: Limits) -> Verdict | None:
    return _none_of(name, limits.crashes, tally.crashes, tally, "views crashed")


def _skew(name: str, tally: Tally, limits: Limits) -> Verdict | None:
    return _none_of(name, limits.version_skew, tally.skew, tally, "pages met a socket of another version")


def _unmet(name: str, tally: Tally, limits: Limits) -> Verdict | None:
    return _none_of(name, limits.expectations_unmet, tally.unmet, tally, "expectations were not met")


def _stuck(name: str, tally: Tally, limits: Limits) -> Verdict | None:
    if not tally.presence.count:
        return None
    return _none_of(name, limits.scenarios_stuck, tally.gone, tally, "clients could not go on with their scenario")


def _lag(name: str, tally: Tally, limits: Limits) -> Verdict | None:
    limit = limits.generator_lag
    if limit is None or not tally.worst_lag:
        return None
    measured, allowed = f"{tally.worst_lag:.3f} s", f"at most {limit:g} s"
    if tally.worst_lag <= limit:
        return Verdict(name, Outcome.PASS, measured, allowed, "the synthetic clients kept up")
    evidence = "the synthetic clients themselves were late, and gaps and latencies may be too long by that: use fewer"
    return Verdict(name, Outcome.INCONCLUSIVE, measured, allowed, evidence)


CHECKERS: Mapping[str, Checker] = MappingProxyType(
    {
        "reconnects_per_session": _reconnects,
        "never_returned": _never_returned,
        "gap_p99": _gap_p99,
        "gap_max": _gap_max,
        "state_lost": _state_lost,
        "control": _control,
        "full_page_loads": _page_loads,
        "transport_downgrades": _downgrades,
        "close_codes": _close_codes,
        "join_failures": _join_failures,
        "crashes": _crashes,
        "expectations_unmet": _unmet,
        "scenarios_stuck": _stuck,
        "version_skew": _skew,
        "failed_requests": _failed_requests,
        "writes_lost": _writes_lost,
        "generator_lag": _lag,
    }
)

FINAL = (
    "reconnects_per_session",
    "state_lost",
    "full_page_loads",
    "transport_downgrades",
    "close_codes",
    "join_failures",
    "crashes",
    "expectations_unmet",
    "version_skew",
    "failed_requests",
)
"""The checks whose failures time does not heal; a gap is looked at by itself."""


def _run(checkers: Mapping[str, Checker], tally: Tally, limits: Limits) -> tuple[Verdict, ...]:
    verdicts = (_judge(name, checker, tally, limits) for name, checker in checkers.items())
    return tuple(each for each in verdicts if each is not None)


def _judge(name: str, checker: Checker, tally: Tally, limits: Limits) -> Verdict | None:
    try:
        return checker(name, tally, limits)
    except Exception as error:  # noqa: BLE001 - whatever broke, it says nothing about the deploy (Jepsen's rule)
        evidence = f"the check itself broke, which is a bug in lvdeploy: {type(error).__name__}: {error}"
        return Verdict(name, Outcome.INCONCLUSIVE, evidence=evidence)


def _none_of(name: str, limit: int | None, oddities: Sequence[Oddity], tally: Tally, what: str) -> Verdict | None:
    if limit is None:
        return None
    if not oddities and not tally.sessions:
        return Verdict(name, Outcome.INCONCLUSIVE, "", f"at most {limit}", NOBODY)
    clients = {each.client for each in oddities}
    evidence = f"{len(oddities)} {what}"
    if oddities:
        reasons = Counter(each.what for each in oddities)
        evidence += f", of {len(clients)} clients: {_counted(reasons)}; first {oddities[0].client} "
        evidence += f"at {oddities[0].at:.1f} s"
    return _limited(name, len(oddities), limit, evidence)


def _limited(name: str, measured: int, limit: int, evidence: str) -> Verdict:
    outcome = Outcome.FAIL if measured > limit else Outcome.PASS
    return Verdict(name, outcome, str(measured), f"at most {limit}", evidence)


def _of(count: int, sessions: Mapping[str, int], what: str) -> str:
    return f"{count} of {len(sessions)} sessions {what}"


def _length(disruption: Disruption) -> float:
    return math.inf if disruption.gap is None else disruption.gap


def _left(disruption: Disruption) -> str:
    """Name one outage in a few words."""
    gap = "not back yet" if disruption.gap is None else f"back after {disruption.gap:.2f} s"
    code = f" with {disruption.code}" if disruption.code is not None else ""
    reason = f" ({disruption.reason})" if disruption.reason else ""
    where = disruption.from_instance or "its instance"
    return f"{disruption.client} lost {where} at {disruption.lost_at:.1f} s{code}{reason}, {gap}"


def _way(disruption: Disruption) -> str:
    start = f"{disruption.from_instance or '?'} ({disruption.from_version or '?'})"
    return f"moved from {start} to {disruption.to_instance or '?'} ({disruption.to_version or '?'})"


def _examples(found: Sequence[str]) -> str:
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return f"for example {'; '.join(found[:3])}{more}"


def _counted(counter: Counter[str]) -> str:
    shown = ", ".join(f"{what} ×{count}" if count > 1 else what for what, count in counter.most_common(3))
    return f"{shown} and {len(counter) - 3} more" if len(counter) > 3 else shown
