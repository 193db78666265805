from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.scenario.keeping import LONGEST, Memory, look_for, shorten
from lvdeploy.scenario.steps import Keep, Names
from tests.scenario.scripted import Scripted

NAMES = Names(client="c-1", user="u-1", seed=7)


def keep(name: str = "it", **keys: Any) -> Keep:
    return Keep.model_validate({"name": name, "class": "form", "selector": f"#{name}", "text": True, **keys})


def test_text_attribute_and_value_are_seen_as_a_user_sees_them():
    page = Scripted()
    page.show("#text", " one \n two ")
    page.show("#attribute", data_tab="settings")
    page.show("#value", "not this", value="  Ann ")
    kept = [keep("text"), keep("attribute", text=None, attribute="data-tab"), keep("value", text=None, value=True)]
    assert look_for(page, kept, NAMES) == {"text": "one two", "attribute": "settings", "value": "  Ann "}


def test_what_is_not_there_is_none():
    page = Scripted()
    page.show("#attribute")
    kept = [keep("text"), keep("attribute", text=None, attribute="data-tab")]
    assert look_for(page, kept, NAMES) == {"text": None, "attribute": None}


def test_a_selector_may_name_the_client():
    page = Scripted()
    page.show("#of-c-1", "mine")
    assert look_for(page, [keep(selector="#of-{client}")], NAMES) == {"it": "mine"}


@given(st.text(max_size=3 * LONGEST), st.text(max_size=3 * LONGEST))
def test_cut_values_are_equal_only_when_the_whole_ones_are(one: str, other: str):
    assert (shorten(one) == shorten(other)) == (one == other)
    assert len(shorten(one)) <= LONGEST


def test_held_is_what_is_there_and_not_as_a_fresh_mount_has_it():
    kept = (keep("same"), keep("gone"), keep("new"), keep("changed"))
    memory = Memory(
        kept,
        fresh={"same": "0", "gone": "0", "new": None, "changed": "0"},
        had={"same": "0", "gone": None, "new": "1", "changed": "1"},
    )
    assert memory.held == {"new", "changed"}


def test_only_what_can_be_recovered_is_missing():
    kept = (keep("form"), keep("memory", **{"class": "memory"}), keep("given_up", accept="lost"), keep("same"))
    memory = Memory(kept, fresh=dict.fromkeys(("form", "memory", "given_up"), "0") | {"same": "1"}, had={
        each.name: "1" for each in kept
    })  # fmt: skip
    assert memory.missing(dict.fromkeys(("form", "memory", "given_up", "same"), "0"), crossed=False) == {"form"}
    assert memory.missing({"form": "1"}, crossed=False) == frozenset()


def test_a_migration_is_wanted_only_from_another_version():
    kept = (keep(migrates={"from": "1.0", "to": "2.0"}),)
    memory = Memory(kept, fresh={"it": "-"}, had={"it": "Ann of 1.0"})
    assert memory.wanted({}, crossed=False) == {"it": "Ann of 1.0"}
    assert memory.wanted({}, crossed=True) == {"it": "Ann of 2.0"}


def test_what_grows_may_be_more_and_never_less():
    memory = Memory((keep(grows=True),), fresh={"it": "0"}, had={"it": "3"})

    for found, missing in (("3", set()), ("4", set()), ("2", {"it"}), (None, {"it"}), ("four", {"it"})):
        assert memory.missing({"it": found}, crossed=False) == missing
        entry = memory.compared({"it": found}, crossed=False)["it"]
        assert (entry["wanted"] == entry["found"]) == (not missing)
        assert entry["had"] == "3"
