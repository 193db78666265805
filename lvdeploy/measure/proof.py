"""What proving sessions saw of a new instance, judged before any user meets it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field

from lvdeploy.document import Duration, Settings
from lvdeploy.measure.tally import Tally
from lvdeploy.model import Kind, Observation, Outcome, StateClass, Verdict, Version

CAUSES: Mapping[str, str] = {
    "join crashed": "the join crashed there: the view's connected mount raises",
    "stale": "the sessions were stale there: what {old} signed is not accepted, so the two versions' secrets differ",
    "unauthorized": "the join was unauthorized there: the path leads to another view, or to none",
    "timeout": "the join was not answered there",
}
"""What a join's failure means, by the reason the server gave."""


class ProofLimits(Settings):
    """
    What an instance must do for sessions that hold state on the version that serves.

    ``clients`` cross to each new instance, ``null``: one for each scenario, two where it has a peer.
    ``join_time`` is the most a rejoin may take, ``within`` the most that the whole way back may.
    """

    clients: int | None = Field(default=None, ge=1)
    join_time: Duration = Field(default=5.0, gt=0)
    within: Duration = Field(default=20.0, gt=0)


@dataclass(slots=True)
class Proof:
    """
    The sessions that cross to one instance; fed with their observations.

    ``old`` is the version they were opened on, ``None`` where no server of another version was left.
    """

    slot: str
    version: Version
    old: Version | None
    clients: int
    tally: Tally = field(default_factory=Tally)
    rejoins: dict[str, float] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    away: set[str] = field(default_factory=set)
    back: set[str] = field(default_factory=set)

    def take(self, seen: Observation) -> None:
        """Add one observation."""
        self.tally.take(seen)
        match seen.kind:
            case Kind.LOST:
                self.away.add(seen.client)
            case Kind.JOINED if seen.client in self.away:
                self.rejoins[seen.client] = max(self.rejoins.get(seen.client, 0.0), seen.value or 0.0)
            case Kind.JOIN_FAILED if seen.client in self.away:
                self.failures[str(seen.detail.get("reason", ""))] += 1
            case Kind.BACK:
                self.back.add(seen.client)

    @property
    def decided(self) -> bool:
        """True when more waiting changes nothing: everyone is back, or a join failed for good."""
        return len(self.back) >= self.clients or bool(self.failures)

    def judged(self, limits: ProofLimits) -> tuple[Verdict, ...]:
        """Return the verdicts. Nobody having crossed is inconclusive, as no data always is."""
        if not self.away:
            return (Verdict("proof_joins", Outcome.INCONCLUSIVE, "0 crossed", evidence="no session crossed"),)
        return (self._joins(limits), self._join_time(limits), self._forms(), self._state())

    def _joins(self, limits: ProofLimits) -> Verdict:
        measured = f"{len(self.back)} of {self.clients} came back"
        allowed = f"all, within {limits.within:g} s"
        if self.failures:
            reason, count = self.failures.most_common(1)[0]
            meaning = CAUSES.get(reason, f"the join was refused there: {reason}").format(old=self.old or "the old one")
            evidence = f"{count} of {self.clients} joins failed on {self.slot} ({self.version}): {meaning}"
            return Verdict("proof_joins", Outcome.FAIL, measured, allowed, evidence)
        if len(self.back) < self.clients:
            missing = self.clients - len(self.back)
            slow = f"; the slowest rejoin took {max(self.rejoins.values()):.1f} s" if self.rejoins else ""
            evidence = f"{missing} of {self.clients} sessions did not come back on {self.slot} ({self.version}){slow}"
            return Verdict("proof_joins", Outcome.FAIL, measured, allowed, evidence)
        return Verdict("proof_joins", Outcome.PASS, measured, allowed, self._opened())

    def _join_time(self, limits: ProofLimits) -> Verdict:
        if not self.rejoins:
            return Verdict("proof_join_time", Outcome.INCONCLUSIVE, "", f"{limits.join_time:g} s", "nobody rejoined")
        slowest = max(self.rejoins.values())
        over = sum(value > limits.join_time for value in self.rejoins.values())
        outcome = Outcome.FAIL if over else Outcome.PASS
        evidence = (
            f"{over} of {len(self.rejoins)} joins on {self.slot} ({self.version}) took longer than "
            f"{limits.join_time:g} s, the slowest {slowest:.1f} s"
        )
        return Verdict("proof_join_time", outcome, f"{slowest:.3f} s", f"at most {limits.join_time:g} s", evidence)

    def _forms(self) -> Verdict:
        skipped = self.tally.skipped_forms
        if skipped:
            evidence = "; ".join(f"form #{form} was not recovered: {why}" for form, why in _reasons(skipped))
            return Verdict("proof_forms", Outcome.FAIL, f"{sum(skipped.values())} not recovered", "none", evidence)
        return Verdict("proof_forms", Outcome.PASS, "0 not recovered", "none", "every form was recovered")

    def _state(self) -> Verdict:
        state = {each: count for each, count in self.tally.state.items() if each is not StateClass.MEMORY}
        lost = {each.value: count.lost for each, count in state.items() if count.lost}
        kept = sum(count.kept for count in state.values())
        if lost:
            names = ", ".join(f"{count} of class {name}" for name, count in lost.items())
            evidence = f"lost on {self.slot} ({self.version}): {names}; {self._example()}"
            return Verdict("proof_state", Outcome.FAIL, f"{sum(lost.values())} lost", "0", evidence)
        if not kept:
            return Verdict("proof_state", Outcome.INCONCLUSIVE, "0 looked for", "0 lost", "no session held state")
        return Verdict("proof_state", Outcome.PASS, f"{kept} found again", "0 lost", self._opened())

    def _example(self) -> str:
        for disruption in self.tally.disruptions:
            for held in disruption.state:
                if held.fate.value == "lost" and held.state_class is not StateClass.MEMORY:
                    return f"for example {held.name} was {held.wanted!r} and came back as {held.found!r}"
        return "no example was kept"

    def _opened(self) -> str:
        where = f"on {self.old}" if self.old else f"on {self.version} itself, as no other version was left"
        return f"{self.clients} sessions opened {where} crossed to {self.slot}"


def _reasons(skipped: Mapping[str, int]) -> list[tuple[str, str]]:
    """Split ``form: why`` again; the tally counts them together."""
    return [(form, why) for form, _, why in (each.partition(": ") for each in skipped)]
