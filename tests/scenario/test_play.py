from __future__ import annotations

from typing import Any

import pytest

from lvdeploy.model import Kind
from lvdeploy.scenario.play import Phase, Play
from lvdeploy.scenario.steps import Names, Scenario
from lvdeploy.wire.session import Click, Effect, Leave, Lost, Observe, Visit, Woken
from tests.scenario.scripted import SOMETHING, Scripted

COUNT = {"name": "count", "class": "session", "selector": "#count", "text": True}


def playing(page: Scripted, *, origin: float = 0.0, **keys: Any) -> Play:
    scenario = Scenario.model_validate({"version": 1, "name": "s", "visit": "/start", "writes": True, **keys})
    return Play(
        page,
        scenario,
        names=Names(client="c-1", user="u-1", seed=7),
        step_timeout=scenario.step_timeout,
        restore_timeout=scenario.restore_timeout,
        origin=origin,
    )


def of(kind: Kind, effects: list[Effect]) -> list[Observe]:
    return [each for each in effects if isinstance(each, Observe) and each.kind is kind]


def lost(code: int = 1012, **detail: object) -> Observe:
    return Observe(Kind.LOST, None, {"code": code, "reason": "", **detail})


def opened(instance: str, version: str) -> Observe:
    detail = {"attempt": 1, "transport": "websocket", "instance": instance, "version": version}
    return Observe(Kind.OPENED, 0.01, detail)


def lose(play: Play, page: Scripted, now: float, *observed: Observe, code: int = 1012) -> list[Effect]:
    page.idle_next, page.next = False, [lost(code), *observed]
    return play.handle(Lost(code), now)


def come_back(play: Play, page: Scripted, now: float, *observed: Observe) -> list[Effect]:
    page.idle, page.next = True, list(observed)
    return play.handle(SOMETHING, now)


def ready_with_two(page: Scripted, **keys: Any) -> Play:
    """A client that clicked twice and holds a 2 where a fresh mount has a 0."""
    page.show("#count", "0")
    play = playing(page, **{"steps": [{"click": "#inc"}], "keep": [COUNT], **keys})
    play.begin(100.0)
    page.answers, page.idle = False, True
    play.handle(SOMETHING, 100.5)
    page.show("#count", "2")
    page.answers = True
    assert of(Kind.READY, come_back(play, page, 101.0, opened("web-1", "1")))
    return play


def state_of(effects: list[Effect]) -> dict[str, Any]:
    (back,) = of(Kind.BACK, effects)
    state = back.detail["state"]
    assert isinstance(state, dict)
    return state


# Getting ready


def test_it_is_ready_when_what_it_holds_is_not_a_fresh_mounts():
    page = Scripted()
    page.show("#count", "0")
    play = playing(page, steps=[{"click": "#inc"}], keep=[COUNT])
    play.begin(100.0)
    page.idle, page.answers = True, False
    assert not of(Kind.READY, play.handle(SOMETHING, 100.5))
    page.show("#count", "1")
    (ready,) = of(Kind.READY, come_back(play, page, 102.0))
    assert ready.value == pytest.approx(2.0)
    assert ready.detail["state"] == {"count": {"class": "session", "had": "1", "fresh": "0", "accepted": False}}
    assert play.phase is Phase.HOLDING


def test_what_stays_as_a_fresh_mount_has_it_is_waited_for_and_then_told():
    page = Scripted(idle=True)
    page.show("#count", "0")
    play = playing(page, steps=[], keep=[COUNT], step_timeout="3s")
    assert not of(Kind.READY, play.begin(100.0))
    assert play.wake_at == 103.0
    assert not of(Kind.READY, play.handle(Woken(), 102.9))
    (ready,) = of(Kind.READY, play.handle(Woken(), 103.0))
    assert ready.detail["state"]["count"]["had"] == ready.detail["state"]["count"]["fresh"] == "0"  # type: ignore[index]


def test_a_step_that_gets_no_answer_ends_the_scenario_at_its_deadline():
    page = Scripted(idle=True, answers=False)
    play = playing(page, steps=[{"wait": "0s"}, {"click": "#a"}], step_timeout="4s")
    play.begin(10.0)
    assert play.wake_at == 14.0
    assert not of(Kind.GONE, play.handle(Woken(), 13.9))
    (gone,) = of(Kind.GONE, play.handle(Woken(), 14.0))
    assert gone.detail["reason"] == "step 2 click: the service did not answer, for 4 s"
    assert gone.step == "2 click"
    assert play.wake_at is None


def test_an_expectation_is_recorded_and_the_scenario_goes_on_either_way():
    page = Scripted(idle=True)
    page.show("h1", "  Users \n online ")
    steps = [
        {"expect": {"selector": "h1", "text": "Users online"}},
        {"expect": {"selector": "h1", "count": 2, "timeout": "1s", "name": "two"}},
    ]
    play = playing(page, steps=steps)
    (met,) = of(Kind.EXPECTED, play.begin(0.0))
    assert (met.detail["wanted"], met.detail["found"]) == ("Users online", "Users online")
    effects = play.handle(Woken(), 1.0)
    (unmet,) = of(Kind.EXPECTED, effects)
    assert (unmet.detail["name"], unmet.detail["wanted"], unmet.detail["found"]) == ("two", "2", "1")
    assert of(Kind.READY, effects)


def test_a_loss_before_it_is_ready_starts_the_scenario_over():
    page = Scripted(idle=True, answers=False)
    play = playing(page, steps=[{"click": "#a"}])
    play.begin(0.0)
    lose(play, page, 1.0)
    effects = come_back(play, page, 2.0)
    page.answers = True
    effects += come_back(play, page, 3.0)
    assert page.acted == [Click("#a"), Visit("/start"), Click("#a")]
    assert of(Kind.READY, effects)
    assert not of(Kind.BACK, effects)


def test_a_thing_of_another_page_is_fresh_as_that_page_first_shows_it():
    page = Scripted(idle=True)
    page.show("#to", data_phx_link="redirect")
    play = playing(page, steps=[{"navigate": "#to"}, {"click": "#inc"}], keep=[COUNT], step_timeout="1s")
    page.answers = False
    play.begin(0.0)
    page.show("#count", "0")
    come_back(play, page, 0.1)
    page.show("#count", "1")
    (ready,) = of(Kind.READY, come_back(play, page, 0.2))
    assert ready.detail["state"]["count"]["fresh"] == "0"  # type: ignore[index]


# Coming back


def test_back_tells_the_gap_the_way_and_the_state():
    page = Scripted()
    play = ready_with_two(page, origin=90.0)
    assert not of(Kind.BACK, lose(play, page, 110.0))
    page.next = [Observe(Kind.REFUSED, None, {"attempt": 1})]
    play.handle(SOMETHING, 110.1)
    effects = come_back(play, page, 110.4, opened("web-4", "2"))
    (back,) = of(Kind.BACK, effects)
    assert back.value == pytest.approx(0.4)
    assert back.detail == {
        "lost_at": 20.0,
        "code": 1012,
        "reason": "",
        "losses": 1,
        "attempts": 2,
        "transport": "websocket",
        "page_loads": 0,
        "from_instance": "web-1",
        "from_version": "1",
        "to_instance": "web-4",
        "to_version": "2",
        "unsettled": False,
        "state": {
            "count": {
                "class": "session", "had": "2", "wanted": "2", "found": "2", "fresh": "0", "accepted": False,
            }
        },
    }  # fmt: skip


def test_back_needs_the_session_to_be_idle_again():
    page = Scripted()
    play = ready_with_two(page)
    lose(play, page, 110.0)
    page.next = [opened("web-4", "2"), Observe(Kind.JOINED, 0.1, {"topic": "lv:1", "rejoin": True})]
    assert not of(Kind.BACK, play.handle(SOMETHING, 110.2))
    assert of(Kind.BACK, come_back(play, page, 110.3))


def test_what_the_page_showed_before_the_loss_is_wanted_not_what_the_loss_made_of_it():
    page = Scripted()
    play = ready_with_two(page)
    page.show("#count", "5")
    page.forgets = True
    lose(play, page, 110.0)
    page.forgets = False
    page.show("#count", "0")
    come_back(play, page, 111.0)
    state = state_of(play.handle(Woken(), 113.0))
    assert (state["count"]["had"], state["count"]["found"]) == ("5", "0")


def test_state_that_comes_late_is_waited_for_and_ends_the_gap():
    page = Scripted()
    play = ready_with_two(page, restore_timeout="2s")
    lose(play, page, 110.0)
    page.show("#count", "0")
    assert not of(Kind.BACK, come_back(play, page, 110.2))
    page.show("#count", "2")
    (back,) = of(Kind.BACK, play.handle(SOMETHING, 111.0))
    assert back.value == pytest.approx(1.0)


def test_state_that_never_comes_does_not_lengthen_the_gap():
    page = Scripted()
    play = ready_with_two(page, restore_timeout="2s")
    lose(play, page, 110.0)
    page.show("#count", "0")
    come_back(play, page, 110.2)
    assert play.wake_at == pytest.approx(112.2)
    effects = play.handle(Woken(), 112.2)
    (back,) = of(Kind.BACK, effects)
    assert back.value == pytest.approx(0.2)
    assert state_of(effects)["count"]["found"] == "0"


@pytest.mark.parametrize("change", [{"class": "memory"}, {"accept": "lost"}])
def test_nobody_waits_for_what_is_known_to_be_lost(change: dict[str, str]):
    page = Scripted()
    play = ready_with_two(page, keep=[{**COUNT, **change}])
    lose(play, page, 110.0)
    page.show("#count", "0")
    assert state_of(come_back(play, page, 110.2))["count"]["found"] == "0"


def test_a_second_loss_before_it_is_back_belongs_to_the_same_outage():
    page = Scripted()
    play = ready_with_two(page)
    lose(play, page, 110.0)
    page.show("#count", "0")
    come_back(play, page, 110.1, opened("web-2", "1"))
    assert not of(Kind.BACK, lose(play, page, 110.5, code=1006))
    assert play.wake_at is None
    assert not of(Kind.BACK, play.handle(SOMETHING, 150.0))
    page.show("#count", "2")
    (back,) = of(Kind.BACK, come_back(play, page, 151.0, opened("web-4", "2")))
    assert (back.detail["losses"], back.detail["code"], back.detail["attempts"]) == (2, 1012, 2)
    assert (back.detail["from_instance"], back.detail["to_instance"]) == ("web-1", "web-4")
    assert back.value == pytest.approx(41.0)


def test_each_outage_has_its_own_back_and_wants_what_the_last_one_left():
    page = Scripted()
    play = ready_with_two(page, keep=[{**COUNT, "class": "memory"}])
    lose(play, page, 110.0)
    page.show("#count", "0")
    come_back(play, page, 110.1)
    lose(play, page, 120.0)
    state = state_of(come_back(play, page, 120.1))
    assert state["count"]["had"] == "0"


def test_a_page_load_is_counted_and_its_redirects_are_not():
    page = Scripted()
    play = ready_with_two(page)
    lose(play, page, 110.0, Observe(Kind.RELOAD_SCHEDULED, 5.0, {"reason": "code 1000", "tries": 1}), code=1000)
    page.next = [
        Observe(Kind.PAGE_LOADED, 0.1, {"reason": "code 1000", "instance": "web-4", "version": "2"}),
        Observe(Kind.PAGE_LOADED, 0.1, {"reason": "redirect", "instance": "web-4", "version": "2"}),
    ]
    play.handle(SOMETHING, 116.0)
    (back,) = of(Kind.BACK, come_back(play, page, 116.2))
    assert (back.detail["page_loads"], back.detail["code"], back.detail["losses"]) == (1, 1000, 1)
    assert back.detail["to_version"] == "2"
    assert back.value == pytest.approx(6.2)


def test_a_crashed_view_is_an_outage_without_a_lost_connection():
    page = Scripted()
    play = ready_with_two(page)
    page.next = [Observe(Kind.CRASHED, None, {"topic": "lv:1", "reason": "boom"})]
    page.idle_next = False
    play.handle(SOMETHING, 110.0)
    (back,) = of(Kind.BACK, come_back(play, page, 111.0))
    assert (back.detail["losses"], back.detail["code"], back.detail["reason"]) == (0, None, "crashed: boom")
    assert back.detail["unsettled"] is False


def test_a_join_that_leads_elsewhere_is_no_outage():
    page = Scripted()
    play = ready_with_two(page)
    page.next = [Observe(Kind.JOIN_FAILED, None, {"topic": "lv:1", "reason": "redirect", "rejoin": False})]
    play.handle(SOMETHING, 110.0)
    assert play.phase is Phase.HOLDING


def test_who_never_returns_is_never_back():
    page = Scripted()
    play = ready_with_two(page)
    lose(play, page, 110.0)
    for number in range(1, 50):
        page.next = [Observe(Kind.REFUSED, None, {"attempt": number})]
        assert not of(Kind.BACK, play.handle(SOMETHING, 110.0 + number))
    assert not play.idle
    assert play.wake_at is None


def test_a_migrated_value_is_wanted_from_the_other_version_only():
    keep = {**COUNT, "text": None, "attribute": "data-v", "migrates": {"from": "1.0", "to": "2.0"}}
    for version, wanted in (("1", "x 1.0"), ("2", "x 2.0")):
        page = Scripted(idle=True)
        page.show("#count", data_v="-")
        play = playing(page, keep=[{name: each for name, each in keep.items() if each}])
        play.begin(0.0)
        page.show("#count", data_v="x 1.0")
        come_back(play, page, 0.1, opened("web-1", "1"))
        lose(play, page, 1.0)
        page.show("#count", data_v=wanted)
        assert state_of(come_back(play, page, 1.1, opened("web-4", version)))["count"]["wanted"] == wanted


def test_a_loss_with_something_unanswered_is_unsettled():
    page = Scripted()
    play = ready_with_two(page)
    page.idle = False
    lose(play, page, 110.0)
    (back,) = of(Kind.BACK, come_back(play, page, 110.1))
    assert back.detail["unsettled"] is True


# Meanwhile


MEANWHILE = {"every": "5s", "steps": [{"click": "#more"}]}


def test_meanwhile_steps_run_again_and_again():
    page = Scripted()
    play = ready_with_two(page, meanwhile=MEANWHILE)
    assert play.wake_at == 106.0
    play.handle(Woken(), 106.0)
    assert page.acted.count(Click("#more")) == 1
    assert play.wake_at == 111.0
    play.handle(Woken(), 111.0)
    assert page.acted.count(Click("#more")) == 2


def test_a_pass_cut_by_a_loss_is_dropped_and_leaves_the_state_unsettled():
    page = Scripted()
    play = ready_with_two(page, meanwhile=MEANWHILE)
    page.answers = False
    play.handle(Woken(), 106.0)
    lose(play, page, 106.1)
    page.answers = True
    (back,) = of(Kind.BACK, come_back(play, page, 106.2))
    assert back.detail["unsettled"] is True
    assert page.acted.count(Click("#more")) == 1
    assert play.wake_at == pytest.approx(111.2)


def test_a_pass_that_fails_is_told_and_the_next_one_comes():
    page = Scripted()
    play = ready_with_two(page, meanwhile=MEANWHILE, step_timeout="2s")
    page.answers = False
    play.handle(Woken(), 106.0)
    (unanswered,) = of(Kind.UNANSWERED, play.handle(Woken(), 108.0))
    assert "did not answer" in str(unanswered.detail["reason"])
    assert play.wake_at == 113.0


# As a session


def test_its_own_deadline_is_no_business_of_the_inner_session():
    page = Scripted(idle=True, wake_at=50.0)
    play = playing(page, steps=[{"wait": "2s"}])
    play.begin(0.0)
    assert play.wake_at == 2.0
    play.handle(Woken(), 2.0)
    assert page.handled == []
    play.handle(Woken(), 50.0)
    assert page.handled == [Woken()]


def test_after_leaving_it_does_nothing_more():
    page = Scripted()
    play = ready_with_two(page, meanwhile=MEANWHILE)
    play.act(Leave(), 102.0)
    assert page.acted[-1] == Leave()
    assert play.wake_at is None


def test_long_values_are_told_short_and_still_tell_apart():
    page = Scripted()
    play = ready_with_two(page)
    page.show("#count", "x" * 5000)
    lose(play, page, 110.0)
    page.show("#count", "x" * 4999 + "y")
    come_back(play, page, 110.2)
    count = state_of(play.handle(Woken(), 120.0))["count"]
    assert count["wanted"] != count["found"]
    assert len(count["found"]) < 250
