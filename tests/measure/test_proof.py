import pytest

from lvdeploy.measure.proof import Proof, ProofLimits
from lvdeploy.model import Kind, Observation, Outcome

LIMITS = ProofLimits()
HELD = {"name": {"class": "form", "had": "Ann", "fresh": "", "accepted": False}}


def seen(client, kind, at, value=None, **detail):
    return Observation(at, client, kind, "", value, detail)


def held(found):
    return {"name": {"class": "form", "wanted": "Ann", "found": found, "fresh": "", "had": "Ann", "accepted": False}}


def crossed(client, *, found="Ann", join=0.2, skipped=None):
    where = {"from_instance": "web-1", "from_version": "1", "to_instance": "web-4", "to_version": "2"}
    return [
        seen(client, Kind.READY, 1.0, 1.0, state=HELD),
        seen(client, Kind.LOST, 2.0, code=1012, reason="", instance="web-1", version="1", transport="websocket"),
        seen(client, Kind.JOINED, 2.1 + join, join, topic="lv:x", rejoin=True, liveview_version="1.2.10"),
        seen(client, Kind.RECOVERED, 2.2 + join, 0.1, forms=[], skipped=skipped or {}),
        seen(client, Kind.BACK, 2.3 + join, 0.3 + join, lost_at=2.0, code=1012, reason="", attempts=1,
             transport="websocket", page_loads=0, state=held(found), **where),
    ]


def proof_of(*stories, clients=2, old="1"):
    proof = Proof("web-4", "2", old, clients)
    for story in stories:
        for observation in story:
            proof.take(observation)
    return proof


def verdicts(proof):
    return {each.name: each for each in proof.judged(LIMITS)}


def test_an_instance_where_everything_comes_back_has_proven_itself():
    proof = proof_of(crossed("a"), crossed("b"))
    found = verdicts(proof)

    assert proof.decided
    assert {each.outcome for each in found.values()} == {Outcome.PASS}
    assert found["proof_state"].evidence == "2 sessions opened on 1 crossed to web-4"


def test_a_proof_without_an_old_version_says_so():
    found = verdicts(proof_of(crossed("a"), crossed("b"), old=None))

    assert "opened on 2 itself, as no other version was left" in found["proof_joins"].evidence


def test_nobody_having_crossed_is_no_proof():
    (only,) = proof_of(clients=2).judged(LIMITS)

    assert only.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("reason, meaning", [
    ("join crashed", "the view's connected mount raises"), ("stale", "what 1 signed is not accepted"),
    ("unauthorized", "leads to another view"), ("strange", "the join was refused there: strange"),
])
def test_a_join_that_fails_is_explained_by_its_reason(reason, meaning):
    failing = [*crossed("a")[:2], seen("a", Kind.JOIN_FAILED, 2.2, topic="lv:x", reason=reason, rejoin=True)]
    proof = proof_of(failing)
    joins = verdicts(proof)["proof_joins"]

    assert proof.decided
    assert joins.outcome is Outcome.FAIL
    assert "1 of 2 joins failed on web-4 (2)" in joins.evidence
    assert meaning in joins.evidence


def test_a_join_that_failed_before_the_crossing_is_not_the_new_instance_s():
    early = seen("a", Kind.JOIN_FAILED, 0.5, topic="lv:x", reason="stale", rejoin=False)

    assert verdicts(proof_of([early], crossed("a"), crossed("b")))["proof_joins"].outcome is Outcome.PASS


def test_who_does_not_come_back_fails_the_proof():
    proof = proof_of(crossed("a"), crossed("b")[:2])

    assert not proof.decided
    assert "1 of 2 sessions did not come back on web-4 (2)" in verdicts(proof)["proof_joins"].evidence


def test_a_slow_join_fails_against_its_limit():
    found = verdicts(proof_of(crossed("a", join=5.5), crossed("b")))["proof_join_time"]

    assert (found.outcome, found.measured, found.limit) == (Outcome.FAIL, "5.500 s", "at most 5 s")
    assert found.evidence == "1 of 2 joins on web-4 (2) took longer than 5 s, the slowest 5.5 s"


def test_a_form_that_is_skipped_is_named_with_the_reason():
    why = {"user-form": "its phx-change was 'validate' and is 'check' now"}
    found = verdicts(proof_of(crossed("a", found="", skipped=why), crossed("b")))

    assert found["proof_forms"].evidence == f"form #user-form was not recovered: {why['user-form']}"
    assert found["proof_state"].outcome is Outcome.FAIL
    assert "1 of class form; for example name was 'Ann' and came back as ''" in found["proof_state"].evidence


def test_sessions_that_held_nothing_prove_nothing():
    bare = [each for each in crossed("a") if each.kind is not Kind.READY]
    assert verdicts(proof_of(bare, clients=1))["proof_state"].outcome is Outcome.INCONCLUSIVE
