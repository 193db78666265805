from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lvdeploy.scenario.steps import WRITING, Names, Scenario, Step, cast

MINIMAL: dict[str, Any] = {"version": 1, "name": "s", "visit": "/"}


def problems(**keys: Any) -> dict[tuple[int | str, ...], str]:
    with pytest.raises(ValidationError) as caught:
        Scenario.model_validate({**MINIMAL, **keys})
    return {each["loc"]: each["msg"] for each in caught.value.errors()}


def test_steps_that_write_need_permission_and_each_is_named_with_its_place():
    found = problems(
        steps=[{"wait": "1s"}, {"click": "#a"}],
        meanwhile={"every": "5s", "steps": [{"submit": {"form": "#f"}}]},
        peer={"visit": "/", "steps": [{"push": {"event": "e"}}]},
    )
    assert set(found) == {("steps", 1, "click"), ("meanwhile", "steps", 0, "submit"), ("peer", "steps", 0, "push")}
    assert all("writes: true" in message for message in found.values())


def test_with_permission_the_same_steps_are_fine():
    Scenario.model_validate({**MINIMAL, "writes": True, "steps": [{"click": "#a"}, {"push": {"event": "e"}}]})


def test_reading_steps_need_no_permission():
    reading = [
        {"visit": "/x"}, {"patch": "a"}, {"navigate": "a"}, {"wait": {"for": "a"}}, {"expect": {"selector": "a"}},
    ]  # fmt: skip
    scenario = Scenario.model_validate({**MINIMAL, "steps": reading})
    assert {step.kind for step in scenario.steps} == set(Step.model_fields) - WRITING


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"steps": [{"clik": "#a"}]}, ("steps", 0, "clik")),
        ({"steps": [{"wait": "1s", "visit": "/"}]}, ("steps", 0)),
        ({"steps": [{}]}, ("steps", 0)),
        ({"steps": [{"visit": None}]}, ("steps", 0)),
        ({"steps": [{"wait": "2"}]}, ("steps", 0, "wait", "duration")),
        ({"steps": [{"wait": {"timeout": "1s"}}]}, ("steps", 0, "wait")),
        ({"steps": [{"expect": {"selector": "a", "attribute": "x"}}]}, ("steps", 0, "expect")),
        ({"steps": [{"expect": {"selector": "a", "text": "x", "count": 1}}]}, ("steps", 0, "expect")),
        ({"keep": [{"name": "a", "class": "url", "selector": "a"}]}, ("keep", 0)),
        ({"keep": [{"name": "a", "class": "disk", "selector": "a", "text": True}]}, ("keep", 0, "class")),
        ({"keep": [{"name": "a", "class": "url", "selector": "a", "text": True}] * 2}, ("keep",)),
        ({"visit": "/{usr}"}, ("visit",)),
        (
            {"writes": True, "steps": [{"change": {"form": "f", "values": {"a": "{x}"}}}]},
            ("steps", 0, "change", "values"),
        ),
        ({"version": 2}, ("version",)),
        ({"colour": "red"}, ("colour",)),
    ],
)  # fmt: skip
def test_mistakes_are_found_where_they_are(keys: dict[str, Any], place: tuple[int | str, ...]):
    assert place in problems(**keys)


def test_numbers_are_text_and_ticks_are_ticks():
    values = {"age": 42, "one": 1, "newsletter": True, "roles": ["a", 2]}
    scenario = Scenario.model_validate(
        {**MINIMAL, "writes": True, "steps": [{"change": {"form": "#f", "values": values}}]}
    )
    change = scenario.steps[0].change
    assert change is not None
    assert dict(change.values) == {"age": "42", "one": "1", "newsletter": True, "roles": ("a", "2")}


def test_placeholders_are_filled_and_other_braces_stay():
    names = Names(client="c-7", user="u-3", seed=11)
    assert names.fill("/chat/{user}?{client}#{seed}{other}{") == "/chat/u-3?c-7#11{other}{"


@given(number=st.integers(0, 1000))
def test_peer_and_first_client_share_their_user_and_nobody_else_has_it(number: int):
    scenario = Scenario.model_validate({**MINIMAL, "peer": {"visit": "/peer"}})
    played = [cast(scenario, each, client=f"c-{each}", seed=1) for each in range(2 * number, 2 * number + 4)]
    assert [part.visit for part, _ in played] == ["/peer", "/", "/peer", "/"]
    users = [names.user for _, names in played]
    assert users[0] == users[1] != users[2] == users[3]


def test_without_a_peer_every_client_is_a_user_of_its_own():
    scenario = Scenario.model_validate(MINIMAL)
    assert len({cast(scenario, each, client="c", seed=1)[1].user for each in range(5)}) == 5
