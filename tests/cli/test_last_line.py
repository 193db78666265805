import pytest

from lvdeploy.cli.last_line import exit_code, last_line
from lvdeploy.errors import ExitCode
from lvdeploy.model import Outcome, Verdict
from lvdeploy.rollout.engine import Result
from lvdeploy.rollout.intent import ASKED
from tests.rollout.fleets import intent

FORWARD, BACK = intent(3), intent(3).turned_back("web-4 died")
ASKED_BACK = intent(3).turned_back(ASKED)
PASSED = Verdict("gap_max", Outcome.PASS)
FAILED = Verdict("state_lost", Outcome.FAIL, evidence="3 lost their form")
UNSURE = Verdict("gap_p99", Outcome.INCONCLUSIVE, evidence="nobody was disturbed")


@pytest.mark.parametrize("verdicts, code", [((), 0), ((PASSED,), 0), ((PASSED, UNSURE), 7), ((UNSURE, FAILED), 4)])
def test_a_rollback_that_was_asked_for_is_done_unless_its_checks_say_otherwise(verdicts, code):
    assert exit_code(Result(ExitCode.ROLLED_BACK, ASKED_BACK, ASKED, verdicts)) == code


def test_a_rollback_that_nobody_asked_for_is_a_failure_that_was_rolled_back():
    assert exit_code(Result(ExitCode.ROLLED_BACK, BACK, "web-4 died", (PASSED,))) == 4


@pytest.mark.parametrize("result, verified, line", [
    (Result(ExitCode.OK, FORWARD), True, "2 serves everyone: done and verified; `lvdeploy status` shows it"),
    (Result(ExitCode.OK, FORWARD), False, "2 serves everyone: done, NOT verified; `lvdeploy status` shows it"),
    (Result(ExitCode.OK, intent(3, previous=None)), False, "2 is up in 3 instances; `lvdeploy status` shows them"),
    (Result(ExitCode.ROLLED_BACK, BACK, "web-4 died", hint="its output is in x.log"), True,
     "2 was rolled back, 1 serves everyone: web-4 died; its output is in x.log; `lvdeploy rolling --to 2` tries again"),
    (Result(ExitCode.ROLLED_BACK, ASKED_BACK, ASKED, (FAILED,)), True,
     "2 was rolled back, 1 serves everyone: a rollback was asked for, but on the way state_lost: 3 lost their form; "
     "`lvdeploy rolling --to 2` tries again"),
    (Result(ExitCode.ROLLED_BACK, ASKED_BACK, ASKED, (UNSURE,)), True,
     "1 serves everyone again, but: gap_p99 saw too little: nobody was disturbed; `lvdeploy status` shows it"),
    (Result(ExitCode.INCONCLUSIVE, FORWARD, "gap_p99 saw too little: x"), True,
     "2 serves everyone, but: gap_p99 saw too little: x; `lvdeploy rollback` goes back"),
    (Result(ExitCode.NEEDS_A_PERSON, FORWARD, "the disk is full"), True,
     "stopped where it stands, a person is needed: the disk is full; "
     "`lvdeploy resume` goes on, `lvdeploy rollback` goes back"),
    (Result(ExitCode.NEEDS_A_PERSON, FORWARD, "dead", hint="`lvdeploy resume` starts it"), True,
     "stopped where it stands, a person is needed: dead; `lvdeploy resume` starts it"),
    (Result(ExitCode.NEEDS_A_PERSON, intent(3, previous=None), "died"), False,
     "stopped where it stands, a person is needed: died; `lvdeploy resume` goes on, `lvdeploy down` stops everything"),
    (Result(ExitCode.NEEDS_A_PERSON, ASKED_BACK, "1 does not start", hint="its output is in x.log"), False,
     "stopped where it stands, a person is needed: 1 does not start; its output is in x.log; "
     "`lvdeploy resume` tries again, `lvdeploy rolling --to VERSION --supersede` goes to another version"),
])
def test_the_last_line_says_what_happened_and_what_to_run_next(result, verified, line):
    assert last_line(result, exit_code(result), verified=verified) == line
