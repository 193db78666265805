from __future__ import annotations

import msgspec
import pytest

from lvdeploy.measure.disruption import Fate, from_back, holdings
from lvdeploy.model import Kind, StateClass
from tests.measure.seen import back, entry, moved, ready, seen, tally_of


@pytest.mark.parametrize(
    ("held", "fate"),
    [
        (entry("Ann"), Fate.KEPT),
        (entry(""), Fate.LOST),
        (entry(None), Fate.LOST),
        (entry("", accepted=True), Fate.ACCEPTED),
        (entry("Ann", accepted=True), Fate.KEPT),
        ({**entry("v2 Ann", had="v1 Ann"), "wanted": "v2 Ann"}, Fate.KEPT),
        ({**entry("v1 Ann", had="v1 Ann"), "wanted": "v2 Ann"}, Fate.LOST),
    ],
)
def test_what_becomes_of_a_held_value(held: dict[str, object], fate: Fate):
    assert [each.fate for each in tally_of(moved("a", it=held)).disruptions[0].state] == [fate]


def test_a_back_becomes_a_disruption_with_its_gap():
    found = from_back(back("a", 10.5, gap=0.5, it=entry("Ann")), skipped={"#f": "gone"})
    assert (found.client, found.lost_at, found.back_at, found.gap) == ("a", 10.0, 10.5, 0.5)
    assert (found.from_instance, found.to_instance, found.code) == ("web-1", "web-4", 1012)
    assert dict(found.skipped) == {"#f": "gone"}


def test_an_outage_without_a_lost_connection_has_no_code():
    assert from_back(back("a", 10.5, code=None), skipped={}).code is None


def test_what_is_held_at_ready_cannot_be_told_yet_and_every_class_is_named():
    same = entry("0", state_class="session", had="0", fresh="0")
    held, classes = holdings(ready("a", it=entry(None), same=same))
    assert [(each.name, each.fate) for each in held] == [("it", Fate.INDETERMINATE)]
    assert classes == {StateClass.FORM, StateClass.SESSION}


@pytest.mark.parametrize("detail", [{}, {"lost_at": "x"}, {"lost_at": 1.0, "state": {"a": {"class": "disk"}}}])
def test_a_detail_that_is_none_is_an_error_that_the_caller_knows(detail: dict[str, object]):
    with pytest.raises(msgspec.ValidationError):
        from_back(seen(1.0, "a", Kind.BACK, 0.5, **detail), skipped={})
