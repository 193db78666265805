"""The last line of a rollout: what happened, and the one command to run next."""

from __future__ import annotations

from lvdeploy.errors import ExitCode
from lvdeploy.measure.checkers import overall
from lvdeploy.model import Outcome
from lvdeploy.rollout.engine import Result
from lvdeploy.rollout.intent import ASKED, Intent


def exit_code(result: Result) -> ExitCode:
    """Return the command's code: a rollback that was asked for is done, unless its checks fell short."""
    if result.exit_code is not ExitCode.ROLLED_BACK or result.intent.reason != ASKED:
        return result.exit_code
    match overall(result.verdicts) if result.verdicts else Outcome.PASS:
        case Outcome.PASS:
            return ExitCode.OK
        case Outcome.INCONCLUSIVE:
            return ExitCode.INCONCLUSIVE
        case _:
            return ExitCode.ROLLED_BACK


def last_line(result: Result, code: ExitCode, *, verified: bool) -> str:
    """Return the line."""
    intent = result.intent
    done = "done and verified" if verified else "done, NOT verified"
    if intent.previous is None and code is ExitCode.OK:
        return f"{intent.wanted} is up in {intent.replicas} instances; `lvdeploy status` shows them"
    match code:
        case ExitCode.OK:
            return f"{intent.wanted} serves everyone: {done}; `lvdeploy status` shows it"
        case ExitCode.ROLLED_BACK:
            return _sentences(
                f"{intent.target} was rolled back, {intent.wanted} serves everyone: {_why(result)}",
                result.hint, f"`lvdeploy rolling --to {intent.target}` tries again",
            )
        case ExitCode.INCONCLUSIVE:
            if intent.wanted != intent.target:
                return f"{intent.wanted} serves everyone again, but: {_unsure(result)}; `lvdeploy status` shows it"
            return f"{intent.target} serves everyone, but: {result.reason}; `lvdeploy rollback` goes back"
        case _:
            command = "" if "`lvdeploy " in result.hint else _next(intent)
            return _sentences(f"stopped where it stands, a person is needed: {result.reason}", result.hint, command)


# Private


def _why(result: Result) -> str:
    if result.reason != ASKED:
        return result.reason
    failed = [each for each in result.verdicts if each.outcome is Outcome.FAIL]
    return f"{ASKED}, but on the way {'; '.join(f'{each.name}: {each.evidence}' for each in failed)}"


def _unsure(result: Result) -> str:
    unsure = [each for each in result.verdicts if each.outcome is Outcome.INCONCLUSIVE]
    return "; ".join(f"{each.name} saw too little: {each.evidence}" for each in unsure)


def _next(intent: Intent) -> str:
    if intent.previous is None:
        return "`lvdeploy resume` goes on, `lvdeploy down` stops everything"
    if intent.wanted == intent.previous:
        return "`lvdeploy resume` tries again, `lvdeploy rolling --to VERSION --supersede` goes to another version"
    return "`lvdeploy resume` goes on, `lvdeploy rollback` goes back"


def _sentences(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
