import pytest

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("services")]

FOUND_BY_PROOF = {
    "mount": ("proof_joins", "the join crashed there: the view's connected mount raises"),
    "form": ("proof_forms", "form #user-form was not recovered: its phx-change was 'validate' and is 'check' now"),
    "form-id": ("proof_forms", "form #user-form was not recovered: the new page has no form with the id 'user-form'"),
    "secret": ("proof_joins", "what 1.0 signed is not accepted, so the two versions' secrets differ"),
    "slow": ("proof_join_time", "took longer than 5 s, the slowest"),
}


@pytest.mark.parametrize("breakage", FOUND_BY_PROOF)
def test_a_bad_release_is_found_by_proof_before_a_user_meets_it(steady, breakage):
    check, sentence = FOUND_BY_PROOF[breakage]
    ended, report = steady.roll("2.0", clients=9, DEMO_BREAK=f"2.0:{breakage}")

    assert ended.code == 4, ended.stderr
    assert sentence in ended.last
    (proof,) = report["proofs"]
    assert (proof["slot"], proof["opened_on"]) == ("web-4", "1.0")
    assert check in [each["name"] for each in proof["checks"] if each["verdict"] == "fail"]
    assert report["clients"]["reconnects_per_session"]["histogram"] == {"0": 9}
    assert report["http"]["failed"] == 0
    status = steady.status()
    assert sorted(slot["version"] for slot in status["slots"] if slot["version"]) == ["1.0"] * 3
    assert [(part["version"], part["admission"]) for part in status["versions"]] == [("1.0", "open")]


def test_a_restart_in_the_wrong_place_hurts_and_is_named(operator):
    """Version 2's start stops an instance that is still routed: no proof can see it coming, but the checks do."""
    ended, report = operator.roll("2.0", clients=27, DEMO_BREAK="2.0:order")

    assert ended.code == 4, ended.stderr
    assert "is gone, and nobody here stopped it" in ended.last
    assert "version 1.0 (pid" in report["run"]["reason"]
    assert [check["name"] for check in report["checks"] if check["verdict"] == "fail"]
    assert operator.versions() == ["1.0"] * 3
