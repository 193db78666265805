"""The faults that ``verify`` puts clients through, and what each may cost them."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from lvdeploy.measure.checkers import check
from lvdeploy.measure.limits import Limits
from lvdeploy.measure.tally import Tally
from lvdeploy.model import Outcome, Verdict
from lvdeploy.wire.backoff import RELOAD_MAX_MS, reconnect_after


class Fault(StrEnum):
    """How a round breaks its clients' connections, named by the close code a client sees where there is one."""

    RESTART = "1012"
    GOING_AWAY = "1001"
    CUT = "1006"
    NORMAL = "1000"
    REFUSED = "refused"
    HANGING = "hanging"

    @property
    def code(self) -> int:
        """The close code that each client is to see."""
        return 1006 if self in (Fault.REFUSED, Fault.HANGING) else int(self)

    @property
    def loads_the_page(self) -> bool:
        """After a normal closure a browser loads the page again: what was typed and not sent is gone by nature."""
        return self is Fault.NORMAL


def title(fault: Fault, *, outage: float) -> str:
    """Say in a few words what is done."""
    match fault:
        case Fault.RESTART:
            return "close 1012 (service restart)"
        case Fault.GOING_AWAY:
            return "close 1001 (going away)"
        case Fault.CUT:
            return "cut without a word (1006)"
        case Fault.NORMAL:
            return "close 1000 (page reload)"
        case Fault.REFUSED:
            return f"cut, refuse for {outage:g} s"
        case Fault.HANGING:
            return f"cut, leave hanging for {outage:g} s"


def cost(fault: Fault, *, clients: int, pace: float, outage: float) -> float:
    """
    Return the seconds that this fault keeps a client away however well the service does.

    The last client is broken ``clients / pace`` seconds after the first, and the outage counts from there on.
    """
    breaking = clients / pace
    match fault:
        case Fault.NORMAL:
            return RELOAD_MAX_MS / 1000
        case Fault.REFUSED:
            return _first_attempt_after(breaking + outage)
        case Fault.HANGING:
            # who was held is let go at the same pace
            return breaking + outage + breaking
        case _:
            return 0.0


def limits_of(fault: Fault, limits: Limits, *, clients: int, pace: float, outage: float) -> Limits:
    """Return the limits of one round: what the fault itself costs is allowed, and nothing beyond."""
    extra = cost(fault, clients=clients, pace=pace, outage=outage)
    changes: dict[str, object] = {
        "gap_p99": None if limits.gap_p99 is None else limits.gap_p99 + extra,
        "gap_max": None if limits.gap_max is None else limits.gap_max + extra,
        # each connection is broken once, and nobody else may break it
        "reconnects_per_session": None if limits.reconnects_per_session is None else 1,
        "forbidden_close_codes": tuple(code for code in limits.forbidden_close_codes or () if code != fault.code),
        "failed_requests": None,
        "writes_lost": None,
    }
    if fault.loads_the_page and limits.full_page_loads is not None:
        changes["full_page_loads"] = limits.full_page_loads + clients
    return limits.model_copy(update=changes)


def judge(fault: Fault, tally: Tally, limits: Limits) -> tuple[Verdict, ...]:
    """Judge a round that is over, by the limits of that round."""
    return (_broken(fault, tally), *check(tally, limits))


# Private


def _broken(fault: Fault, tally: Tally) -> Verdict:
    """Who was not broken, or otherwise than meant, says nothing about this fault."""
    reconnects = tally.reconnects
    met = sum(count > 0 for count in reconnects.values())
    wanted = f"all, with {fault.code}"
    others = Counter({code: count for code, count in tally.close_codes.items() if code != fault.code})
    measured = f"{met} of {len(reconnects)}"
    if not met or met < len(reconnects):
        evidence = f"{len(reconnects) - met} sessions kept their connection, so this fault was not tried on them"
        return Verdict("broken", Outcome.INCONCLUSIVE, measured, wanted, evidence)
    if others:
        codes = ", ".join(f"{code} ×{count}" for code, count in sorted(others.items()))
        return Verdict("broken", Outcome.INCONCLUSIVE, measured, wanted, f"other close codes were seen: {codes}")
    return Verdict("broken", Outcome.PASS, measured, wanted, f"{met} sessions lost their connection as meant")


def _first_attempt_after(seconds: float) -> float:
    """Return when the JavaScript tries first once so many seconds are over."""
    at, tries = 0.0, 0
    while at < seconds:
        tries += 1
        at += reconnect_after(tries)
    return at
