"""What a run was, on one screen: what changed, who was affected, what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from lvdeploy.errors import ExitCode
from lvdeploy.measure.tally import Gap, StateCount
from lvdeploy.measure.timeline import cause
from lvdeploy.model import Outcome, StateClass, Verdict
from lvdeploy.report.lines import duration
from lvdeploy.report.masking import mask
from lvdeploy.report.run import Clients, Requests, Round, Run, finite

_WIDTH = 10
_UNTIL_THE_END = (ExitCode.OK, ExitCode.INCONCLUSIVE)
_MARKS = {Outcome.FAIL: "FAILED", Outcome.INCONCLUSIVE: "UNSURE"}


def summary(run: Run) -> tuple[str, ...]:
    """Return the lines, without the last word: what happened and what to run next is the caller's."""
    sections = _of_rounds(run) if run.rounds else (
        ("", [_headline(run)]),
        ("clients", list(_clients(run.clients))),
        ("why", list(_causes(run))),
        ("state", list(_state(run.state))),
        ("requests", list(_requests(run.http))),
        ("proofs", list(_proofs(run))),
        ("checks", [_checks(run.checks)]),
    )
    lines = [line for name, texts in sections for line in _section(name, texts)]
    # Who was never disturbed leaves most checks without data, which needs no words where the run was taken back.
    told = [each for each in run.checks if each.outcome is Outcome.FAIL or run.exit_code in _UNTIL_THE_END]
    for verdict in sorted(told, key=lambda each: each.outcome is not Outcome.FAIL):
        lines += _verdict(verdict)
    return tuple(_clean(line) for line in lines)


# Private


def _of_rounds(run: Run) -> tuple[tuple[str, list[str]], ...]:
    """A run that broke its own clients' connections is told fault by fault."""
    version = f" {run.from_version}" if run.from_version else ""
    took = duration(max(0.0, run.ended - run.started))
    faults = f"{len(run.rounds)} fault{'s' if len(run.rounds) > 1 else ''}"
    headline = f"{run.service}{version}: {run.command} in {took}; {faults}"
    return (
        ("", [headline]),
        *((each.fault, list(_round(each))) for each in run.rounds),
        ("checks", [_checks(run.checks)]),
    )


def _round(told: Round) -> Iterator[str]:
    clients = told.clients
    loads = f"; {clients.full_page_loads} full page loads" if clients.full_page_loads else ""
    back = f"{clients.never_returned} never came back" if clients.never_returned else "all came back"
    yield f"{told.title}: {clients.sessions} sessions, {back}{loads}"
    yield f"gap {_times(clients.gap)}"
    yield from _state(told.state)


def _section(name: str, texts: Sequence[str]) -> list[str]:
    if not name:
        return list(texts)
    return [f"  {name if number == 0 else '':<{_WIDTH}}{text}" for number, text in enumerate(texts)]


def _clean(line: str) -> str:
    return "".join(each if each.isprintable() else " " for each in mask(line))


def _headline(run: Run) -> str:
    way = f"{run.from_version or 'nothing'} → {run.to_version}"
    took = duration(max(0.0, run.ended - run.started))
    done = sum(each.ended is not None for each in run.steps)
    balancer = run.balancer
    changes = f"{balancer.driver or 'the balancer'} changed {balancer.changes}×, reloaded {balancer.reloads}×"
    return f"{run.service}: {run.command} {way} in {took}; {done} steps; {changes}"


def _clients(clients: Clients) -> Iterator[str]:
    if not clients.sessions:
        yield "nobody was connected and watching: nothing here is verified"
        return
    reconnects = clients.reconnects
    planned = "" if reconnects.predicted is None else f", planned {reconnects.predicted:.2f}"
    most = f"most {reconnects.max}" if reconnects.max is not None else ""
    yield f"{clients.sessions} sessions open before the first step, of {clients.count} clients"
    mean = reconnects.mean or 0.0
    yield f"{mean:.2f} reconnects per session ({most}{planned}); {clients.never_returned} never returned"
    yield f"gap {_times(clients.gap)}"
    codes = ", ".join(f"{code} ×{count}" for code, count in sorted(clients.close_codes.items())) or "none"
    yield (
        f"close codes {codes}; {clients.full_page_loads} full page loads, "
        f"{clients.transport_downgrades} fell to another transport"
    )


def _proofs(run: Run) -> Iterator[str]:
    for proof in run.proofs:
        where = f"opened on {proof.old}" if proof.old else "opened on the new version, as no other was left"
        bad = [each for each in proof.checks if each.outcome is not Outcome.PASS]
        said = "; ".join(f"{each.name}: {each.evidence}" for each in bad) or f"{len(proof.checks)} checks passed"
        yield f"{proof.slot} ({proof.version}): {proof.clients} sessions {where}: {said}"


def _causes(run: Run) -> Iterator[str]:
    """Where the losses came from, those that no step meant first."""
    found = [(each.from_instance, cause(each.lost_at, each.from_instance, run.steps)) for each in run.disruptions]
    unasked = Counter(f"{instance or 'an instance'} {why}" for instance, why in found if not why.meant)
    for what, count in unasked.most_common(3):
        yield f"{count} sessions lost {what}"
    asked = Counter(f"{why.step.name} {why.step.subject}" for _, why in found if why.meant and why.step)
    if asked:
        yield "lost during " + ", ".join(f"{what} ×{count}" for what, count in asked.most_common(6))


def _state(state: Mapping[StateClass, StateCount]) -> Iterator[str]:
    for each, count in state.items():
        if count.counted or count.indeterminate:
            yield f"{each.value:<{_WIDTH}}{_fates(each, count)}"


def _fates(state_class: StateClass, count: StateCount) -> str:
    control = state_class is StateClass.MEMORY
    lost = f"{count.lost} lost{' as it must be (the control)' if control and not count.kept else ''}"
    parts = [f"{count.kept} kept"] if count.kept or not control else []
    parts += [lost] if count.lost or not control else []
    parts += [f"{count.accepted} lost as accepted"] if count.accepted else []
    parts += [f"{count.indeterminate} cannot be told"] if count.indeterminate else []
    return ", ".join(parts)


def _requests(http: Requests) -> Iterator[str]:
    if not http.requests:
        return
    yield f"{http.failed} of {http.requests} failed; latency {_times(http.latency)}"
    if http.acknowledged:
        found = "?" if http.found is None else http.found
        yield f"{http.acknowledged} writes acknowledged, {found} found"


def _times(gap: Gap) -> str:
    if gap.max is None:
        return "not measured: nobody was disturbed"
    named = (("p50", gap.p50), ("p95", gap.p95), ("p99", gap.p99), ("longest", gap.max))
    return ", ".join(f"{name} {_time(seconds)}" for name, seconds in named)


def _time(seconds: float | None) -> str:
    shown = finite(seconds)
    return "never" if shown is None else duration(shown)


def _checks(verdicts: Sequence[Verdict]) -> str:
    counts = Counter(each.outcome for each in verdicts)
    if not counts:
        return "none were made"
    words = {Outcome.PASS: "kept", Outcome.FAIL: "missed", Outcome.INCONCLUSIVE: "cannot be told"}
    return "limits " + ", ".join(f"{counts[each]} {word}" for each, word in words.items() if counts[each])


def _verdict(verdict: Verdict) -> list[str]:
    mark = _MARKS.get(verdict.outcome)
    if mark is None:
        return []
    measured = f": {verdict.measured}" if verdict.measured else ""
    limit = f" (limit: {verdict.limit})" if verdict.limit else ""
    return [f"  {mark:<{_WIDTH}}{verdict.name}{measured}{limit}", f"  {'':<{_WIDTH}}{verdict.evidence}"]
