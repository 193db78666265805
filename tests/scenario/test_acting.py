from __future__ import annotations

from typing import Any

from lvdeploy.model import Kind
from lvdeploy.scenario.acting import Acting
from lvdeploy.scenario.steps import Names, Step
from lvdeploy.wire.session import Change, Click, Effect, Observe, Push, Submit, Visit
from tests.scenario.scripted import Scripted


class Arrivals:
    """Counts how often a step led to another page."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def acting(page: Scripted, *steps: dict[str, Any], timeout: float = 10.0) -> Acting:
    names = Names(client="c-1", user="u-1", seed=7)
    return Acting([Step.model_validate(each) for each in steps], page, names=names, timeout=timeout)


def expected(effects: list[Effect]) -> list[Observe]:
    return [each for each in effects if isinstance(each, Observe) and each.kind is Kind.EXPECTED]


def test_every_action_is_done_as_written_with_names_filled_in():
    page, arrivals = Scripted(idle=True), Arrivals()
    page.show("#next", data_phx_link="patch")
    page.show("#other", data_phx_link="redirect")
    steps = acting(
        page,
        {"change": {"form": "#f", "values": {"name": "Ann {client}", "ok": True, "many": ["{user}"]}}},
        {"submit": {"form": "#f", "by": "#go"}},
        {"push": {"event": "ping", "value": {"who": "{client}", "n": 1}, "target": "#t"}},
        {"patch": "#next"},
        {"navigate": "#other"},
        {"visit": "/u/{user}/{seed}"},
    )
    steps.advance(0.0, arrived=arrivals)
    assert steps.done
    assert page.acted == [
        Change("#f", {"name": "Ann c-1", "ok": True, "many": ("u-1",)}),
        Submit("#f", "#go"),
        Push("ping", {"who": "c-1", "n": 1}, "#t"),
        Click("#next"),
        Click("#other"),
        Visit("/u/u-1/7"),
    ]
    assert arrivals.count == 2


def test_the_next_step_waits_until_the_last_one_is_answered():
    page = Scripted(idle=True, answers=False)
    steps = acting(page, {"click": "#a"}, {"click": "#b"})
    steps.advance(0.0, arrived=Arrivals())
    steps.advance(1.0, arrived=Arrivals())
    assert page.acted == [Click("#a")]
    page.idle = True
    steps.advance(2.0, arrived=Arrivals())
    assert page.acted == [Click("#a"), Click("#b")]


def test_each_step_has_a_deadline_of_its_own():
    page = Scripted(idle=True, answers=False)
    steps = acting(page, {"wait": "3s"}, {"click": "#a"}, timeout=4.0)
    steps.advance(0.0, arrived=Arrivals())
    assert steps.wake_at == 3.0
    steps.advance(3.0, arrived=Arrivals())
    assert steps.wake_at == 7.0
    steps.advance(7.0, arrived=Arrivals())
    assert steps.failure == "step 2 click: the service did not answer, for 4 s"
    assert steps.wake_at is None


def test_an_action_that_cannot_be_done_yet_is_tried_until_the_deadline():
    page = Scripted(idle=True)
    steps = acting(page, {"patch": "#next"}, timeout=2.0)
    steps.advance(0.0, arrived=Arrivals())
    page.show("#next", data_phx_link="patch")
    steps.advance(1.0, arrived=Arrivals())
    assert steps.done


def test_only_a_live_link_is_followed_as_one():
    page = Scripted(idle=True)
    page.show("#delete", phx_click="delete")
    for step, word in (("patch", "patch"), ("navigate", "navigation")):
        steps = acting(page, {step: "#delete"}, timeout=1.0)
        steps.advance(0.0, arrived=Arrivals())
        steps.advance(1.0, arrived=Arrivals())
        assert f"#delete is no live {word} link (its data-phx-link is missing)" in steps.failure
    assert page.acted == []


def test_waiting_for_something_that_never_comes_names_it():
    steps = acting(Scripted(idle=True), {"wait": {"for": "#list", "timeout": "9s"}})
    steps.advance(0.0, arrived=Arrivals())
    assert steps.wake_at == 9.0
    steps.advance(9.0, arrived=Arrivals())
    assert steps.failure == "step 1 wait: #list is not on the page, for 9 s"


def test_an_expectation_is_recorded_and_the_next_step_comes_either_way():
    page = Scripted(idle=True)
    page.show("h1", "  Users \n online ", data_n="3")
    page.show("input", value="Ann c-1")
    steps = acting(
        page,
        {"expect": {"selector": "h1", "text": "Users online"}},
        {"expect": {"selector": "h1", "attribute": "data-n", "value": "3"}},
        {"expect": {"selector": "input", "value": "Ann {client}"}},
        {"expect": {"selector": "h1"}},
        {"expect": {"selector": "h1", "count": 2, "timeout": "1s", "name": "two"}},
        {"expect": {"selector": "#nothing", "timeout": "0s"}},
    )
    met = expected(steps.advance(0.0, arrived=Arrivals()))
    assert [each.detail["found"] for each in met] == ["Users online", "3", "Ann c-1", "present"]
    assert all(each.detail["wanted"] == each.detail["found"] for each in met)
    unmet = [each.detail for each in expected(steps.advance(1.0, arrived=Arrivals()))]
    assert [(each["name"], each["wanted"], each["found"]) for each in unmet] == [
        ("two", "2", "1"),
        ("6 expect", "present", None),
    ]
    assert steps.done


def test_an_expectation_waits_until_what_was_done_is_answered():
    page = Scripted(idle=False)
    page.show("#count", "1")
    steps = acting(page, {"expect": {"selector": "#count", "text": "1"}})
    assert not expected(steps.advance(0.0, arrived=Arrivals()))
    page.idle = True
    assert expected(steps.advance(0.5, arrived=Arrivals()))
