"""A page as its user sees it; the snapshots of a real browser's DOM are the truth."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.wire.phoenix.page import Page, ViewElement
from lvdeploy.wire.phoenix.rendered import MalformedDiff, Rendered
from lvdeploy.wire.session import CannotAct
from tests.wire.phoenix.pages import JAVASCRIPT, URL, dead_html, joined, joins, lines, page_of, view_of

CHILD = '<div id="{0}" data-phx-session="{1}" data-phx-static="{2}" data-phx-parent-id="phx-1">{3}</div>'


def seen(page: Page, selector: str) -> str | None:
    (found,) = page.find(selector)
    return found.value


def text(page: Page, selector: str) -> str:
    (found,) = page.find(selector)
    return found.text


def type_in(page: Page, name: str, value: object, form: str = "#f") -> int | None:
    event = page.change(form, name, value, javascript=JAVASCRIPT)
    return event.lock if event is not None else None


# The dead render


def test_a_real_dead_render_gives_what_a_join_needs():
    """a-users-new, LiveView 1.2.10."""
    page = Page.load("http://127.0.0.1:4110/users/new", dead_html("a-users-new"))
    (view,) = page.views
    assert page.main == view
    assert (view.id, view.main, view.sticky, view.parent) == ("phx-GOpa-O1GI5QXfAAS", True, False, None)
    assert view.session.startswith("SFMyNTY.")
    assert view.static is not None
    assert view.static.startswith("SFMyNTY.")
    assert page.csrf_token == "Zj9sMzMzeAwXIHYRXV1vdyYFGwU7TQsA6RXfQKN9yLFH1lV3bZIHcxLE"
    assert page.tracked_statics == ("http://127.0.0.1:4110/assets/app-1.0.0.js?vsn=d",)
    assert page.title == "New user · Rig"
    assert page.find("main")[0].attributes["data-connected"] == "false"


def test_a_page_without_views_is_a_page():
    page = Page.load(URL, b"<h1>Bad gateway</h1>")
    assert (page.views, page.main, page.csrf_token, page.tracked_statics, page.title) == ((), None, None, (), None)
    assert text(page, "h1") == "Bad gateway"


def test_nested_views_of_a_dead_render_have_no_session_yet():
    page = page_of(CHILD.format("kid", "", "STATIC", "dead"))
    assert page.views[1] == ViewElement("kid", "", "STATIC", parent="phx-1")
    assert text(page, "#kid") == "dead"


@pytest.mark.parametrize(("given_title", "wanted"), [("Users", "A Users B"), ("", "A Home B"), ("  ", "A Home B")])
def test_a_title_keeps_its_prefix_suffix_and_default(given_title: str, wanted: str):
    """phoenix_live_view dom.putTitle."""
    head = '<title data-prefix="A " data-suffix=" B" data-default="Home">A Start B</title>'
    page = page_of("", head=head)
    page.set_title(given_title)
    assert page.title == wanted
    assert text(page, "title") == wanted


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_some_page(body: bytes):
    page = Page.load(URL, body)
    assert isinstance(page.views, tuple)
    page.find("*")


# Joined views


def test_a_join_replaces_the_dead_content_and_nothing_around_it():
    page = page_of('<p id="dead">x</p>')
    page.patch("phx-1", view_of('<p id="live">y</p>'), join=True)
    assert page.find("#dead") == ()
    assert text(page, "#phx-1 > #live") == "y"


def test_a_diff_shows_only_when_looked_at():
    """Cheap for a client that nobody looks at: no HTML is made for a diff."""
    page, rendered = page_of(""), Rendered({"0": "1", "s": ["<b>", "</b>"]}, view_id="phx-1")
    page.patch("phx-1", rendered, join=True)
    rendered.merge({"0": 9, "c": {}})
    page.patch("phx-1", rendered)
    with pytest.raises(CannotAct, match="there is no component 9"):
        page.find("b")
    rendered.merge({"0": "2"})
    page.patch("phx-1", rendered)
    assert text(page, "b") == "2"


def test_a_join_that_cannot_be_shown_is_refused():
    with pytest.raises(MalformedDiff):
        page_of("").patch("phx-1", Rendered({"0": 9, "s": ["", ""]}), join=True)


def test_a_nested_view_gets_its_session_from_the_parent_and_its_static_from_the_dead_render():
    """Case 7: and after the parent joined again it has no static token any more."""
    page = page_of(CHILD.format("kid", "", "STATIC", "dead"))
    page.patch("phx-1", view_of(CHILD.format("kid", "K1", "", "")), join=True)
    assert page.views[1] == ViewElement("kid", "K1", "STATIC", parent="phx-1")
    page.patch("kid", view_of("<i>live</i>", "kid"), join=True)
    again = view_of(CHILD.format("kid", "K2", "", ""))
    assert page.children("phx-1", again) == (ViewElement("kid", "K2", None, parent="phx-1"),)
    page.patch("phx-1", again, join=True)
    assert page.views[1].static is None


def test_a_nested_view_keeps_its_content_until_it_patches_it_itself():
    """dom_patch.ts isPhxChild: the parent's patch stops at the child's container."""
    page = page_of(CHILD.format("kid", "", "STATIC", "dead"))
    parent = Rendered({"0": "a", "1": CHILD.format("kid", "K1", "", ""), "s": ["<p>", "</p>", ""]}, view_id="phx-1")
    page.patch("phx-1", parent, join=True)
    assert text(page, "#kid") == "dead"
    page.patch("kid", view_of("<i>live</i>", "kid"), join=True)
    parent.merge({"0": "b"})
    page.patch("phx-1", parent)
    assert (text(page, "p"), text(page, "#kid i")) == ("b", "live")


def test_a_nested_view_that_went_and_came_back_is_another_one():
    page = page_of(CHILD.format("kid", "", "STATIC", "dead"))
    parent = Rendered({"0": CHILD.format("kid", "K1", "", ""), "s": ["", ""]}, view_id="phx-1")
    page.patch("phx-1", parent, join=True)
    page.patch("kid", view_of("live", "kid"), join=True)
    for value in ("", CHILD.format("kid", "K2", "", "")):
        parent.merge({"0": value})
        page.patch("phx-1", parent)
    assert page.views[1] == ViewElement("kid", "K2", None, parent="phx-1")
    assert text(page, "#kid") == ""


def test_a_sticky_view_is_a_root_and_keeps_its_tokens():
    """Case 8; b-nav: it rejoins with the static token it always had."""
    sticky = '<div id="music" data-phx-session="M" data-phx-static="N" data-phx-sticky>dead</div>'
    page = page_of(sticky)
    for _ in range(2):
        page.patch("phx-1", view_of(sticky.replace('"N"', '""').replace("dead", "")), join=True)
        page.patch("music", view_of("live", "music"), join=True)
    assert page.views[1] == ViewElement("music", "M", "N", sticky=True)
    assert text(page, "#music") == "live"


# What the user typed

SLOTS: dict[str, Any] = {
    "0": "0",
    "1": "",
    "s": ['<form id="f" phx-change="v" data-n="', '"><input name="a" value="', '"><input name="b"></form>'],
}


def typing() -> tuple[Page, Rendered]:
    page, rendered = page_of(""), Rendered(SLOTS, view_id="phx-1")
    page.patch("phx-1", rendered, join=True)
    return page, rendered


def answer(page: Page, rendered: Rendered, diff: dict[str, Any], lock: int | None) -> None:
    rendered.merge(diff)
    page.patch("phx-1", rendered)
    page.acknowledge(lock)


def test_the_focused_input_keeps_what_was_typed_and_the_others_do_not():
    page, rendered = typing()
    lock = type_in(page, "a", "typed")
    answer(page, rendered, {"0": "1", "1": "server"}, lock)
    assert seen(page, "[name=a]") == "typed"
    lock = type_in(page, "b", "more")
    answer(page, rendered, {"0": "2"}, lock)
    assert seen(page, "[name=a]") == "server"
    assert seen(page, "[name=b]") == "more"


def test_a_form_in_flight_is_shielded_from_older_diffs_until_the_last_reply():
    """element_ref.ts: the reply to the first keystroke must not undo the second."""
    page, rendered = typing()
    first, second = type_in(page, "a", "1"), type_in(page, "b", "2")
    answer(page, rendered, {"0": "1", "1": "1"}, first)
    event = page.change("#f", "b", "3", javascript=JAVASCRIPT)
    assert event is not None
    assert event.payload["value"] == "a=1&b=3"
    answer(page, rendered, {"0": "2"}, second)
    assert seen(page, "[name=b]") == "3"


def test_what_came_while_the_form_was_in_flight_shows_with_the_reply():
    page, rendered = typing()
    type_in(page, "a", "mine")
    lock = type_in(page, "b", "x")
    rendered.merge({"1": "the server's"})
    page.patch("phx-1", rendered)
    assert seen(page, "[name=a]") == "mine"
    page.acknowledge(lock)
    assert seen(page, "[name=a]") == "the server's"


def test_a_reply_without_a_diff_leaves_what_was_typed():
    page, _ = typing()
    type_in(page, "a", "mine")
    page.acknowledge(type_in(page, "b", "x"))
    assert seen(page, "[name=a]") == "mine"


def test_a_component_s_diff_leaves_the_view_s_own_forms_alone():
    tree = {**SLOTS, "1": "", "2": 1, "s": [*SLOTS["s"], ""], "c": {"1": {"0": "x", "s": ["<p>", "</p>"], "r": 1}}}
    page, rendered = page_of(""), Rendered(tree, view_id="phx-1")
    page.patch("phx-1", rendered, join=True)
    type_in(page, "a", "mine")
    page.acknowledge(type_in(page, "b", "x"))
    answer(page, rendered, {"c": {"1": {"0": "y"}}}, None)
    assert (text(page, "p"), seen(page, "[name=a]")) == ("y", "mine")


def test_a_component_s_diff_leaves_other_forms_alone():
    """rendered.js isComponentOnlyDiff: only that component is patched."""
    form = {"s": ['<form phx-change="v" id="', '"><input name="x"></form>'], "r": 1}
    parts = {"1": {**form, "0": "one"}, "2": {"s": 1, "0": "two"}}
    page, rendered = page_of(""), Rendered({"0": 1, "1": 2, "s": ["", "", ""], "c": parts}, view_id="phx-1")
    page.patch("phx-1", rendered, join=True)
    for key in ("one", "two"):
        page.acknowledge(type_in(page, "x", key, f"#{key}"))
    page.click("#two", javascript=JAVASCRIPT)
    rendered.merge({"c": {"2": {"0": "two"}}})
    page.patch("phx-1", rendered)
    assert seen(page, "#one input") == "one"
    assert seen(page, "#two input") == ""


def test_a_submit_lets_the_server_empty_the_form():
    """a-chat: the message typed is gone after Enter; view.ts submitForm blurs the input."""
    form = '<form id="f" phx-change="v" phx-submit="s" data-n="'
    page, rendered = (
        page_of(""),
        Rendered({"0": "0", "s": [form, '"><input name="a" value=""></form>']}, view_id="phx-1"),
    )
    page.patch("phx-1", rendered, join=True)
    page.acknowledge(type_in(page, "a", "hello"))
    (sent,) = page.submit("#f", None, javascript=JAVASCRIPT)
    rendered.merge({"0": "1"})
    page.patch("phx-1", rendered)
    page.acknowledge(getattr(sent, "lock", None))
    assert seen(page, "input") == ""


def test_a_rejoin_overwrites_all_but_the_focused_input():
    page, _ = typing()
    type_in(page, "a", "gone")
    type_in(page, "b", "stays")
    page.patch("phx-1", Rendered(SLOTS, view_id="phx-1"), join=True)
    assert (seen(page, "[name=a]"), seen(page, "[name=b]")) == ("", "stays")


def test_leaving_a_view_forgets_what_was_done_in_it():
    page, _ = typing()
    type_in(page, "b", "x")
    page.forget("phx-1")
    page.patch("phx-1", Rendered(SLOTS, view_id="phx-1"), join=True)
    event = page.change("#f", "a", "1", javascript=JAVASCRIPT)
    assert event is not None
    assert event.payload["value"] == "a=1&_unused_b=&b="


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('<input id="x" value="v">', "v"),
        ('<input id="x">', ""),
        ('<textarea id="x">\n two\nlines</textarea>', " two\nlines"),
        ('<select id="x"><option>a<option value="b" selected>B</select>', "b"),
        ('<select id="x"><option disabled>a<option>b</select>', "b"),
        ('<select id="x" multiple><option selected>a<option selected>b</select>', "a, b"),
        ('<input id="x" type="checkbox" value="1" checked>', "1"),
        ('<input id="x" type="checkbox" value="1">', None),
        ('<p id="x">no value</p>', None),
    ],
)
def test_a_value_is_what_the_user_sees(body: str, value: str | None):
    assert seen(joined(body), "#x") == value


# phx-update


def test_an_ignored_element_keeps_its_content_but_for_data_attributes():
    ignored = '<div id="map" phx-update="ignore" class="{0}" data-n="{0}">{0}</div>'
    page = page_of(ignored.format("dead"))
    page.patch("phx-1", view_of(ignored.format("live")), join=True)
    (found,) = page.find("#map")
    assert (found.text, found.attributes["class"], found.attributes["data-n"]) == ("dead", "dead", "live")


@pytest.mark.parametrize(("kind", "wanted"), [("append", "a b c"), ("prepend", "c a b")])
def test_rows_gather_where_the_page_appends_or_prepends(kind: str, wanted: str):
    page = page_of("")
    row = '<i id="{0}">{0} </i>'
    rendered = Rendered(
        {"0": row.format("a") + row.format("b"), "s": [f'<p id="p" phx-update="{kind}">', "</p>"]}, view_id="phx-1"
    )
    page.patch("phx-1", rendered, join=True)
    for new in (row.format("c"), ""):
        rendered.merge({"0": new})
        page.patch("phx-1", rendered)
    assert text(page, "#p") == wanted


def test_a_page_shows_the_same_after_many_others_were_looked_at():
    """Only the pages looked at last keep their parse; the rest is put together again."""
    page = page_of('<div id="map" phx-update="ignore">dead</div>')
    page.patch(
        "phx-1", view_of('<div id="map" phx-update="ignore">live</div><form id="f"><input name="a"></form>'), join=True
    )
    type_in(page, "a", "typed")
    for _ in range(100):
        joined("<p>x</p>").find("p")
    assert (text(page, "#map"), seen(page, "input")) == ("dead", "typed")


# Recorded pages


def attribute(name: str) -> str:
    """A dataset's key as the attribute it stands for."""
    return "data-" + re.sub("[A-Z]", lambda letter: "-" + letter[0].lower(), name)


def apply(page: Page, views: dict[str, Rendered], view: str, payload: dict[str, Any]) -> None:
    """Take in one frame from the server."""
    response = payload.get("response", {})
    if "rendered" in response:
        views[view] = Rendered(response["rendered"], view_id=view)
        page.patch(view, views[view], join=True)
        return
    diff = response.get("diff", payload if "status" not in payload else None)
    if diff is not None and view in views:
        views[view].merge(diff)
        page.patch(view, views[view])


@pytest.mark.parametrize(
    "name", ["a-chat", "a-dashboard", "a-counter", "a-nested", "b-chat", "b-dashboard", "f-child-crash"]
)
def test_joins_and_diffs_show_what_the_browser_s_dom_held(name: str):
    """Every element that the recording's own snapshots looked at, with its text or its data attributes."""
    page, views, looked = Page.load(URL, dead_html(name)), dict[str, Rendered](), 0
    for line in lines(name):
        if line["dir"] == "in" and "text" in line:
            _, _, topic, event, payload = json.loads(line["text"])
            if event in ("phx_reply", "diff"):
                apply(page, views, topic.removeprefix("lv:"), payload)
        if line.get("event") != "dom":
            continue
        for key, held in line["ids"].items():
            found = page.find(f'[id="{key}"]') or page.find(f'[data-label="{key.removeprefix("child:")}"]')
            assert len(found) == 1, (line["label"], key)
            if isinstance(held, dict):
                wanted = {attribute(data): value for data, value in held.items() if not data.startswith("phx")}
                assert {data: found[0].attributes.get(data) for data in wanted} == wanted, line["label"]
            else:
                assert found[0].text == " ".join(held.split()), (line["label"], key)
            looked += 1
    assert looked


def test_a_rejoined_chat_shows_each_message_once():
    """b-chat, case 40: the stream of the old page is not kept beside the new one's."""
    page = Page.load(URL, dead_html("b-chat"))
    view = page.views[0].id
    for rendered in joins("b-chat", view):
        page.patch(view, Rendered(rendered, view_id=view), join=True)
    rows = [found.attributes["id"] for found in page.find("#messages > li")]
    assert rows
    assert len(rows) == len(set(rows))
