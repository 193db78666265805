"""One view: form recovery, and views within views."""

from __future__ import annotations

from typing import Any

import pytest

from lvdeploy.model import Kind
from lvdeploy.wire.session import (
    Click,
)
from tests.wire.phoenix.peer import FORM, STICKY, TOPIC, Peer, page, reconnected, tree, typed

CHILD = '<div id="kid" data-phx-session="{}" data-phx-static="" data-phx-parent-id="phx-MAIN"></div>'
DEAD_CHILD = '<div id="kid" data-phx-session="" data-phx-static="KS" data-phx-parent-id="phx-MAIN">dead</div>'


def test_recovery_comes_after_the_rejoin_and_before_the_page_changes() -> None:
    """view.ts onJoin: join reply, recovery event, its reply, and only then the patch."""
    peer = reconnected(typed())
    assert peer.events() == ["phx_join"]
    peer.reply_join(tree(slot="new"))
    assert peer.events() == ["phx_join", "validate"]
    assert peer.last("event")[4] == {
        "type": "form", "event": "validate", "value": "u%5Bname%5D=Ann", "meta": {"_target": "u[name]"}, "uploads": {},
    }  # fmt: skip
    assert peer.client.look("i")[0].text == "0"
    assert not peer.client.idle
    peer.wait(0.5).reply(peer.last("event"), {"diff": {"0": "recovered"}})
    assert peer.client.look("i")[0].text == "recovered"
    assert peer.client.idle
    assert peer.seen(Kind.RECOVERED) == [{"forms": ["f"], "skipped": {}}]
    assert peer.observed[-1].value == pytest.approx(0.5)


def test_forms_recover_back_to_back_and_the_last_reply_decides() -> None:
    """view.ts maybeRecoverForms: sent without waiting; the last form's reply applies the join."""
    two = FORM + '<form id="g" phx-change="gv" phx-auto-recover="grec"><input name="gx"></form>'
    peer = reconnected(Peer().joined(rendered=tree(two))).reply_join(tree(two, slot="new"))
    assert peer.events() == ["phx_join", "validate", "grec"]
    first, last = peer.sent[1:]
    peer.reply(last, {"diff": {"0": "last"}})
    assert peer.client.look("i")[0].text == "last"
    peer.reply(first, {"diff": {"0": "first"}})
    assert peer.client.look("i")[0].text == "first"


@pytest.mark.parametrize(
    "form",
    [
        FORM.replace('phx-change="validate"', 'phx-change="validate" phx-auto-recover="ignore"'),
        FORM.replace(' id="f"', ""),
        '<form id="f" phx-change="validate"></form>',
    ],
)
def test_forms_that_cannot_be_recovered_are_not_sent(form: str) -> None:
    """view.ts getFormsForRecovery, maybeRecoverForms."""
    peer = reconnected(Peer().joined(rendered=tree(form))).reply_join(tree(form))
    assert peer.events() == ["phx_join"]
    assert peer.client.idle


def test_changed_event_name_skips_the_form_and_says_so() -> None:
    renamed = FORM.replace("validate", "check")
    peer = reconnected(typed()).reply_join(tree(renamed))
    assert peer.events() == ["phx_join"]
    assert list(peer.seen(Kind.RECOVERED)[0]["skipped"]) == ["f"]


def test_recovery_that_crashes_is_not_tried_again() -> None:
    """view.ts pendingForms: abandoned after the crash, and on every later reconnect of this page."""
    peer = reconnected(typed()).reply_join()
    assert peer.events()[-1] == "validate"
    assert peer.push("phx_error", {}).wake() == pytest.approx(1.0)
    peer.reply_join()
    assert peer.events()[-1] == "phx_join"
    assert peer.client.idle
    assert reconnected(peer).reply_join().events() == ["phx_join"]


def test_page_load_recovers_nothing() -> None:
    peer = typed().lose(1000)
    peer.wake()
    assert peer.answer_page().open().reply_join().events() == ["phx_join"]


def test_live_navigation_recovers_nothing() -> None:
    peer = typed().act(Click("#go"))
    assert peer.reply_join().events()[-1] == "phx_join"



def test_child_joins_after_its_parent_with_its_own_tokens() -> None:
    """view.ts onJoinComplete: session from the parent's join, static from the dead render, no url."""
    peer = Peer().answer_page(page(DEAD_CHILD)).open()
    assert len(peer.sent) == 1
    peer.reply_join(tree(CHILD.format("KT1")))
    join = peer.sent[-1]
    assert join[2:4] == ["lv:kid", "phx_join"]
    assert list(join[4]) == ["params", "session", "static", "sticky"]
    assert (join[4]["session"], join[4]["static"]) == ("KT1", "KS")
    assert not peer.client.idle
    assert peer.reply_join({"0": "k", "s": ["<b>", "</b>"]}).client.idle
    assert peer.client.look("#kid b")[0].text == "k"


def test_children_come_back_as_new_channels_after_their_parent() -> None:
    """view.ts: a parent's error destroys its children; they join again with fresh tokens and no static."""
    peer = Peer().answer_page(page(DEAD_CHILD)).open().reply_join(tree(CHILD.format("KT1")))
    reconnected(peer.reply_join({"s": ["k"]}))
    assert [frame[2:4] for frame in peer.sent] == [["lv:kid", "phx_leave"], [TOPIC, "phx_join"]]
    peer.reply_join(tree(CHILD.format("KT2")))
    join = peer.sent[-1]
    assert (join[2], join[4]["session"], join[4]["static"]) == ("lv:kid", "KT2", None)
    assert join[4]["params"]["_mounts"] == 1


def test_child_gives_up_after_three_joins() -> None:
    """view.ts MAX_CHILD_JOIN_ATTEMPTS: the child is destroyed, the page lives on."""
    peer = Peer().answer_page(page(DEAD_CHILD)).open().reply_join(tree(CHILD.format("KT1")))
    for wait in (1.0, 2.0):
        peer.refuse_join(reason="join crashed")
        assert peer.wake() == pytest.approx(wait)
    peer.refuse_join(reason="join crashed").wait(20.0)
    assert [frame[2:4] for frame in peer.sent].count(["lv:kid", "phx_join"]) == 3
    assert peer.client.idle


def test_child_that_leaves_the_page_leaves_its_channel() -> None:
    peer = Peer().joined(rendered={"0": CHILD.format("KT1"), "s": ["<p>", "</p>"]})
    peer.reply_join({"s": ["k"]}).push("diff", {"0": ""})
    assert peer.sent[-1][2:4] == ["lv:kid", "phx_leave"]
    assert peer.client.idle


def test_sticky_view_is_a_root_of_its_own() -> None:
    """live_socket.ts joinRootViews: joined at once, without url, sticky true."""
    peer = Peer().answer_page(page(more=STICKY)).open()
    main, sticky = peer.sent
    assert (main[2], sticky[2]) == (TOPIC, "lv:stick")
    assert "url" not in sticky[4]
    assert sticky[4]["sticky"] is True


# Components that leave the page

COMPONENT = {"0": "", "s": ["<p class='part'>", "</p>"]}


def with_components(*cids: int) -> dict[str, Any]:
    """A join whose keyed rows hold one component each."""
    rows: dict[str, Any] = {str(index): {"0": cid} for index, cid in enumerate(cids)}
    return {
        "0": {"s": ["<b>", "</b>"], "k": {**rows, "kc": len(cids)}},
        "s": ["<section>", "</section>"],
        "c": {str(cid): {**COMPONENT, "0": f"part {cid}"} for cid in cids},
    }


def showing(peer: Peer, *cids: int, **more: Any) -> Peer:
    """The server's diff leaves just these components."""
    rows: dict[str, Any] = {str(index): {"0": cid} for index, cid in enumerate(cids)}
    return peer.push("diff", {"0": {"k": {**rows, "kc": len(cids)}}, **more})


def test_components_that_left_the_page_are_taken_leave_of() -> None:
    """Case 41; view.ts maybePushComponentsDestroyed: will_destroy, its answer, destroyed."""
    peer = showing(Peer().joined(rendered=with_components(1, 2, 3)), 2)
    assert peer.sent[-1][3:] == ["cids_will_destroy", {"cids": [1, 3]}]
    peer.reply(peer.last("cids_will_destroy"))
    assert peer.sent[-1][3:] == ["cids_destroyed", {"cids": [1, 3]}]
    peer.reply(peer.last("cids_destroyed"), {"cids": [1, 3]})
    assert [each.text for each in peer.client.look(".part")] == ["part 2"]
    assert peer.client.idle


def test_component_that_came_back_meanwhile_is_kept() -> None:
    """Case 41: what is on the page again when the first answer comes is left out of the second push."""
    peer = showing(Peer().joined(rendered=with_components(1, 2)), 1)
    asked = peer.last("cids_will_destroy")
    showing(peer, 1, 2, c={"2": {**COMPONENT, "0": "again"}})
    peer.reply(asked)
    assert peer.events()[-1] == "cids_will_destroy"
    assert [each.text for each in peer.client.look(".part")] == ["part 1", "again"]


def test_nested_component_leaves_before_the_one_around_it() -> None:
    """view.ts afterElementsRemoved: what is inside an element is gathered before the element."""
    inner = {"0": 2, "s": ["<div class='outer'>", "</div>"]}
    rendered = {"0": 1, "s": ["<section>", "</section>"], "c": {"1": inner, "2": {**COMPONENT, "0": "in"}}}
    peer = Peer().joined(rendered=rendered).push("diff", {"0": ""})
    assert peer.sent[-1][4] == {"cids": [2, 1]}


def test_rejoin_takes_leave_of_nothing() -> None:
    """view.ts applyJoinPatch: no pruning on joins, the server's components are new ones."""
    peer = reconnected(Peer().joined(rendered=with_components(1, 2))).reply_join(with_components(1))
    assert peer.events() == ["phx_join"]


def test_user_waits_for_no_component() -> None:
    """What is pushed about components is no event of the user's, answered or not."""
    peer = showing(Peer().joined(rendered=with_components(1)))
    peer.lose()
    assert not peer.seen(Kind.UNANSWERED)
    assert not peer.seen(Kind.ACKNOWLEDGED)
