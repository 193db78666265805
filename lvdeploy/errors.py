"""
Everything lvdeploy raises on purpose, named for who can mend it.

* LvdeployError
    * ConfigurationError   exit 2   the file or the command line is wrong; carries every Problem found
    * Refused              exit 3   nothing was changed, and why
    * LeaseHeld            exit 8   another rollout holds the lease
    * WaitExpired          exit 9   a wait that the user bounded ran out
    * BalancerError        exit 5   the balancer refused, cannot be reached, or did not get there in time
        * Changed          exit 5   somebody else changed what lvdeploy writes; carries the difference
    * InstanceError        exit 5   an instance could not be started, stopped or listed
    * HostError            exit 5   a command or a file on a host failed
    * StateError           exit 5   the journal cannot be read or written

The exit code of an error is what it means when nothing was done about it; the engine turns errors of
steps into a rollback before anybody sees the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The contract with scripts and CI; see the README's table."""

    OK = 0
    BUG = 1
    USAGE = 2
    REFUSED = 3
    ROLLED_BACK = 4
    NEEDS_A_PERSON = 5
    FELL_SHORT = 6
    INCONCLUSIVE = 7
    LEASE_HELD = 8
    WAIT_EXPIRED = 9
    COMMAND_FAILED = 10
    HANGUP = 129
    INTERRUPTED = 130
    TERMINATED = 143


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document, and where; line and column count from 1."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class LvdeployError(Exception):
    """What went wrong, and in ``hint`` what a person can do about it."""

    exit_code: ClassVar[ExitCode] = ExitCode.NEEDS_A_PERSON

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigurationError(LvdeployError):
    """The file or the command line is wrong; every problem at once."""

    exit_code = ExitCode.USAGE

    def __init__(self, problems: tuple[Problem, ...] | str, *, hint: str = "") -> None:
        self.problems = () if isinstance(problems, str) else problems
        text = problems if isinstance(problems, str) else "\n".join(str(each) for each in problems)
        super().__init__(text, hint=hint)


class Refused(LvdeployError):
    """Nothing was changed."""

    exit_code = ExitCode.REFUSED


class LeaseHeld(LvdeployError):
    """Another rollout holds the lease."""

    exit_code = ExitCode.LEASE_HELD


class WaitExpired(LvdeployError):
    """A wait that the user bounded ran out."""

    exit_code = ExitCode.WAIT_EXPIRED


class BalancerError(LvdeployError):
    """The balancer refused, cannot be reached, or did not get there in time."""


class Changed(BalancerError):
    """Somebody else changed what lvdeploy writes."""

    def __init__(self, difference: tuple[str, ...], *, hint: str = "") -> None:
        self.difference = difference
        lines = "\n".join(f"  {line}" for line in difference)
        super().__init__(f"the balancer was changed by somebody else:\n{lines}", hint=hint)


class InstanceError(LvdeployError):
    """An instance could not be started, stopped or listed."""


class HostError(LvdeployError):
    """A command or a file on a host failed."""


class StateError(LvdeployError):
    """The journal cannot be read or written."""
