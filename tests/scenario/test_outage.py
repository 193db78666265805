from __future__ import annotations

from lvdeploy.model import Kind
from lvdeploy.scenario.keeping import Memory
from lvdeploy.scenario.outage import Answerer, Outage
from lvdeploy.scenario.steps import Keep
from lvdeploy.wire.session import Observe

KEEP = Keep.model_validate({"name": "it", "class": "form", "selector": "#it", "text": True})
BEFORE = Answerer("web-1", "1", "websocket")
AFTER = Answerer("web-4", "2", "websocket")


def outage() -> Outage:
    memory = Memory((KEEP,), fresh={"it": ""}, had={"it": "Ann"})
    return Outage(10.0, 1012, "", BEFORE, memory, unsettled=False)


def test_who_answers_is_remembered_where_an_answer_does_not_say():
    socket = Observe(Kind.OPENED, 0.1, {"instance": "web-4", "version": "", "transport": "longpoll"})
    assert BEFORE.after(socket) == Answerer("web-4", "1", "longpoll")
    assert BEFORE.after(Observe(Kind.LOST, None, {"instance": "web-9"})) == BEFORE


def test_attempts_losses_and_page_loads_are_counted():
    found = outage()
    for kind, detail in (
        (Kind.LOST, {}),
        (Kind.REFUSED, {}),
        (Kind.OPENED, {}),
        (Kind.LOST, {}),
        (Kind.PAGE_LOADED, {"reason": "stale"}),
        (Kind.PAGE_LOADED, {"reason": "redirect"}),
    ):
        found.take(Observe(kind, None, detail))
    assert (found.losses, found.attempts, found.page_loads) == (2, 2, 1)


def test_the_gap_ends_when_the_last_value_came():
    found = outage()
    assert found.look({"it": ""}, 10.2, answerer=AFTER) == {"it"}
    assert found.look({"it": "Ann"}, 10.9, answerer=AFTER) == frozenset()
    found.look({"it": "Ann"}, 11.5, answerer=AFTER)
    assert abs((found.back(answerer=AFTER, origin=0.0).value or 0) - 0.9) < 1e-9


def test_a_value_that_goes_again_is_told_as_it_was_last_seen():
    found = outage()
    found.look({"it": "Ann"}, 10.2, answerer=AFTER)
    found.look({"it": ""}, 10.4, answerer=AFTER)
    state = found.back(answerer=AFTER, origin=0.0).detail["state"]
    assert isinstance(state, dict)
    assert state["it"]["found"] == ""


def test_a_second_loss_makes_what_was_found_void():
    found = outage()
    found.look({"it": "Ann"}, 10.2, answerer=AFTER)
    found.take(Observe(Kind.LOST, None, {}))
    assert found.found is None
    found.look({"it": "Ann"}, 12.0, answerer=AFTER)
    assert found.back(answerer=AFTER, origin=4.0).value == 2.0
    assert found.back(answerer=AFTER, origin=4.0).detail["lost_at"] == 6.0
