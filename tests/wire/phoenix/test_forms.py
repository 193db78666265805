"""Clicks, changes, submits and recovery, held against what browsers sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import pytest

from lvdeploy.wire.phoenix.bindings import LoadUrl, NavigateTo, PatchTo, PushEvent
from lvdeploy.wire.phoenix.encoding import unused_key, urlencode
from lvdeploy.wire.phoenix.page import Page
from lvdeploy.wire.phoenix.rendered import Rendered
from lvdeploy.wire.session import CannotAct
from tests.wire.phoenix.pages import JAVASCRIPT, dead_html, joined, joins, sent_events, view_of

OLD = (0, 20, 17)
NONE: frozenset[str] = frozenset()

FORM = """<form id="f" phx-change="validate" phx-submit="save" phx-value-who="me">
  <input type="hidden" name="u[h]" value="hid">
  <input name="u[name]" value="">
  <input name="u[q]" value="">
  <button name="go" value="1">Go</button><button name="go" value="2" id="second">Go</button>
</form>"""


def clicked(page: Page, selector: str) -> Any:
    """The one thing that a click does."""
    (outcome,) = page.click(selector, javascript=JAVASCRIPT)
    return outcome


def payload(event: PushEvent | None) -> Mapping[str, object]:
    assert event is not None
    return event.payload


def changed(page: Page, form: str, name: str, value: object, javascript: tuple[int, int, int] = JAVASCRIPT) -> Any:
    return payload(page.change(form, name, value, javascript=javascript))


# Clicks


def test_a_click_sends_phx_values_and_the_button_s_value():
    """Case 42: official client, ``{"a":"1","value":""}``."""
    page = joined('<button id="b" phx-click="go" phx-value-a="1">x</button>')
    assert clicked(page, "#b") == PushEvent("phx-1", {"type": "click", "event": "go", "value": {"a": "1", "value": ""}})


def test_a_command_s_value_is_merged_over_the_element_s():
    """Case 42: JS.push on a div, ``{"b":"2","z":1}``."""
    command = "[[&quot;push&quot;,{&quot;event&quot;:&quot;go&quot;,&quot;value&quot;:{&quot;z&quot;:1}}]]"
    page = joined(f'<div id="d" phx-click="{command}" phx-value-b="2">x</div>')
    assert clicked(page, "#d").payload == {"type": "click", "event": "go", "value": {"b": "2", "z": 1}}


def test_a_click_inside_a_bound_element_reaches_it():
    page = joined('<div phx-click="go"><span id="inner">x</span></div>')
    assert clicked(page, "#inner").payload["event"] == "go"


@pytest.mark.parametrize(("attribute", "value"), [("", 0), ('value="3"', 3), ('value="x"', 0)])
def test_a_list_item_s_value_is_a_number(attribute: str, value: int):
    """HTMLLIElement.value: the official client sends what the DOM holds."""
    page = joined(f'<li id="x" phx-click="go" {attribute}>x</li>')
    assert clicked(page, "#x").payload["value"] == {"value": value}


def test_a_click_in_a_component_without_phx_target_goes_to_the_view():
    component = {"s": ['<p><b id="b" phx-click="go">x</b></p>'], "r": 1}
    page = joined("")
    page.patch("phx-1", Rendered({"0": 1, "s": ["", ""], "c": {"1": component}}, view_id="phx-1"))
    assert "cid" not in clicked(page, "#b").payload


@pytest.mark.parametrize(
    ("target", "cid"),
    [("1", 1), ("#inside", 1), ("#outside", None)],
    ids=["cid", "selector inside", "selector outside"],
)
def test_phx_target_names_a_component(target: str, cid: int | None):
    body = '<p id="outside"></p><div phx-click="go" id="b" phx-target="{}">x</div>'
    tree = {"0": 1, "s": [body.format(target), ""], "c": {"1": {"s": ['<div><i id="inside"></i></div>'], "r": 1}}}
    page = joined("")
    page.patch("phx-1", Rendered(tree, view_id="phx-1"))
    sent = clicked(page, "#b").payload
    assert sent.get("cid") == cid
    assert ("cid" in sent) == (cid is not None)


def test_a_target_that_is_not_there_gets_nothing():
    """view.ts withinTargets: logged, never sent."""
    assert joined('<p id="b" phx-click="go" phx-target="7">x</p>').click("#b", javascript=JAVASCRIPT) == ()


def test_live_links_patch_and_navigate():
    link = '<a id="{0}" href="/x?y=1" data-phx-link="{0}" data-phx-link-state="{1}">x</a>'
    page = joined(link.format("patch", "push") + link.format("redirect", "replace"))
    assert clicked(page, "#patch") == PatchTo("phx-1", "http://127.0.0.1:4110/x?y=1", "push")
    assert clicked(page, "#redirect") == NavigateTo("http://127.0.0.1:4110/x?y=1", "replace")


def test_commands_run_in_order():
    commands = (
        '[["push",{"event":"a"}],["navigate",{"href":"/n"}],["show",{}],["patch",{"href":"?t=2","replace":true}]]'
    )
    page = joined(f"<div id='d' phx-click='{commands}'>x</div>")
    push, navigate, patch = page.click("#d", javascript=JAVASCRIPT)
    assert isinstance(push, PushEvent)
    assert navigate == NavigateTo("http://127.0.0.1:4110/n", "push")
    assert patch == PatchTo("phx-1", "http://127.0.0.1:4110/here?t=2", "replace")


def test_plain_links_load_a_page_and_fragments_do_not():
    page = joined('<a id="a" href="/plain">x</a><a id="b" href="#here">x</a>')
    assert clicked(page, "#a") == LoadUrl("http://127.0.0.1:4110/plain")
    assert page.click("#b", javascript=JAVASCRIPT) == ()


def test_a_link_with_a_method_submits_a_form_of_its_own():
    """phoenix_html.js: how log out links work."""
    page = joined('<a id="a" href="/out" data-method="delete" data-to="/out" data-csrf="T~1">x</a>')
    assert clicked(page, "#a") == LoadUrl("http://127.0.0.1:4110/out", "POST", b"_method=delete&_csrf_token=T%7E1")


def test_a_dispatched_change_sends_the_form_with_the_button():
    """a-users-new: the button that adds an address."""
    page = joined(
        """<form id="f" phx-change="v"><input name="a" value="1">"""
        """<button type="button" id="add" name="sort[]" value="new" """
        """phx-click='[["dispatch",{"event":"change"}]]'>x</button></form>"""
    )
    sent = clicked(page, "#add").payload
    assert sent["value"] == "_unused_a=&a=1&sort%5B%5D=new"
    assert sent["meta"] == {"_target": "sort[]"}


def test_clicking_a_box_ticks_it():
    page = joined('<form id="f" phx-change="v"><input type="checkbox" name="a" value="y"></form>')
    assert clicked(page, "input").payload["value"] == "a=y"
    assert clicked(page, "input").payload["value"] == ""


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "finds nothing"),
        ('<p class="x"></p><p class="x"></p>', "finds 2 elements"),
        ('<button class="x" disabled>x</button>', "disabled"),
        ('<fieldset disabled><button class="x">x</button></fieldset>', "disabled"),
    ],
)
def test_a_click_that_cannot_be_says_why(body: str, why: str):
    with pytest.raises(CannotAct, match=why):
        joined(body).click(".x", javascript=JAVASCRIPT)


def test_no_selector_at_all_is_said():
    with pytest.raises(CannotAct, match="not a CSS selector"):
        joined("").find("p[")


# Changes


def test_a_change_sends_the_whole_form_with_unused_keys():
    """Case 43, official clients 1.0.19 to 1.2.12."""
    sent = changed(joined(FORM), "#f", "u[name]", "Ann B&C")
    assert sent == {
        "type": "form",
        "event": "validate",
        "value": "u%5Bh%5D=hid&u%5Bname%5D=Ann+B%26C&u%5B_unused_q%5D=&u%5Bq%5D=",
        "meta": {"_target": "u[name]", "who": "me"},
        "uploads": {},
    }
    assert list(sent) == ["type", "event", "value", "meta", "uploads"]


def test_before_1_0_6_the_target_travels_in_the_value():
    """view.js 1.0.5 and 0.20: ``serializeForm(form, {_target, ...meta})``."""
    sent = changed(joined(FORM), "#f", "u[name]", "x", (1, 0, 5))
    assert sent["value"].endswith("&u%5B_unused_q%5D=&u%5Bq%5D=&_target=u%5Bname%5D&who=me")
    assert list(sent) == ["type", "event", "value", "uploads"]


def test_from_1_0_6_the_target_travels_beside_the_value():
    sent = changed(joined(FORM), "#f", "u[name]", "x", (1, 0, 6))
    assert sent["value"].endswith("&u%5B_unused_q%5D=&u%5Bq%5D=")
    assert sent["meta"] == {"_target": "u[name]", "who": "me"}


def test_before_1_0_there_are_no_unused_keys():
    sent = changed(joined(FORM), "#f", "u[name]", "x", OLD)
    assert sent["value"] == "u%5Bh%5D=hid&u%5Bname%5D=x&u%5Bq%5D=&_target=u%5Bname%5D&who=me"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("q", "_unused_q"), ("u[q]", "u[_unused_q]"), ("tags[]", "_unused_tags[]"), ("a[b][]", "a[_unused_b][]")],
)
def test_the_unused_prefix_goes_on_the_last_part(name: str, wanted: str):
    """phoenix_live_view prependFormDataKey."""
    assert unused_key(name) == wanted


def test_values_are_encoded_as_url_search_params_does():
    assert urlencode([("a*-._~", "ü !'()\n+&")]) == "a*-._%7E=%C3%BC+%21%27%28%29%0A%2B%26"


def test_no_unused_field_suppresses_the_keys():
    page = joined(
        '<form id="f" phx-change="v"><input name="a"><input name="b" phx-no-unused-field><input name="c"></form>'
    )
    assert changed(page, "#f", "a", "1")["value"] == "a=1&b=&_unused_c=&c="


def test_an_input_with_its_own_change_sends_only_itself():
    """Case 45: view.ts pushInput."""
    page = joined('<form id="f" phx-change="v"><input name="a" phx-change="mine"><input name="b"></form>')
    sent = changed(page, "#f", "a", "1")
    assert (sent["event"], sent["value"]) == ("mine", "a=1")


def test_a_form_without_change_is_typed_into_silently():
    page = joined('<form id="f" phx-submit="s"><input name="a"></form>')
    assert page.change("#f", "a", "1", javascript=JAVASCRIPT) is None
    assert page.find("input")[0].value == "1"


def test_a_component_s_form_carries_its_cid():
    """a-component-form: two components with the same fields."""
    component = {"s": ['<div><form id="', '" phx-change="v" phx-target="', '"><input name="c"></form></div>'], "r": 1}
    parts = {"1": {**component, "0": "f1", "1": "1"}, "2": {"s": 1, "0": "f2", "1": "2"}}
    page = joined("")
    page.patch("phx-1", Rendered({"0": 1, "1": 2, "s": ["", "", ""], "c": parts}, view_id="phx-1"))
    assert changed(page, "#f2", "c", "x")["cid"] == 2


EVERYTHING = """<form id="f" phx-change="v">
  <textarea name="t">
one</textarea>
  <select name="s"><option value="1">One</option><option value="2" selected>Two</option></select>
  <select name="m[]" multiple><option>x</option><option>y</option><option disabled>z</option></select>
  <input type="radio" name="r" value="a" checked><input type="radio" name="r" value="b">
  <input type="hidden" name="c" value="false"><input type="checkbox" name="c" value="true">
  <input type="checkbox" name="g[]" value="1"><input type="checkbox" name="g[]" value="2">
  <input name="n[]"><input name="n[]">
  <input name="off" disabled><input name="ro" readonly><input type="file" name="doc"><button name="b">b</button>
</form><input form="f" name="outside" value="o">"""


@pytest.mark.parametrize(
    ("name", "value", "pairs"),
    [
        ("t", "two\r\nlines", [("t", "two\nlines")]),
        ("s", "1", [("s", "1")]),
        ("s", "One", [("s", "1")]),
        ("m[]", ["x", "y"], [("m[]", "x"), ("m[]", "y")]),
        ("r", "b", [("r", "b")]),
        ("c", True, [("c", "false"), ("c", "true")]),
        ("g[]", "2", [("g[]", "2")]),
        ("g[]", ["1", "2"], [("g[]", "1"), ("g[]", "2")]),
        ("n[]", ["p", "q"], [("n[]", "p"), ("n[]", "q")]),
        ("outside", "x", [("outside", "x")]),
    ],
)
def test_every_kind_of_input_is_set_and_sent(name: str, value: object, pairs: list[tuple[str, str]]):
    sent = changed(joined(EVERYTHING), "#f", name, value)
    assert [pair for pair in parse_qsl(sent["value"], keep_blank_values=True) if pair[0] == name] == pairs


def test_an_untouched_form_sends_what_the_page_shows():
    sent = changed(joined(EVERYTHING), "#f", "outside", "x", OLD)
    pairs = parse_qsl(sent["value"], keep_blank_values=True)
    assert pairs == [
        ("t", "one"), ("s", "2"), ("r", "a"), ("c", "false"), ("n[]", ""), ("n[]", ""), ("ro", ""), ("outside", "x"),
        ("_target", "outside"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("nobody", "x", "not there; it has"),
        ("off", "x", "disabled"),
        ("ro", "x", "read-only"),
        ("doc", "x", "files"),
        ("s", "3", "no choice 3; it has 1, 2"),
        ("s", ["1", "2"], "one option"),
        ("r", ["a", "b"], "one of the radio buttons"),
        ("g[]", True, "say which"),
        ("n[]", "x", "give a list"),
        ("t", True, "takes text"),
    ],
)
def test_a_change_that_cannot_be_says_why_and_changes_nothing(name: str, value: object, why: str):
    page = joined(EVERYTHING)
    with pytest.raises(CannotAct, match=why):
        page.change("#f", name, value, javascript=JAVASCRIPT)
    assert page.find("textarea")[0].value == "one"


def test_a_change_needs_a_form():
    with pytest.raises(CannotAct, match="is a <p>, not a form"):
        joined('<p id="f"></p>').change("#f", "a", "x", javascript=JAVASCRIPT)


# Submits


def test_a_submit_sends_the_named_button_in_its_place_and_no_unused_keys():
    """Case 44: official clients; meta holds no _target, and there is no uploads key."""
    page = joined(FORM)
    (sent,) = page.submit("#f", "#second", javascript=JAVASCRIPT)
    assert isinstance(sent, PushEvent)
    assert sent.payload == {
        "type": "form", "event": "save", "value": "u%5Bh%5D=hid&u%5Bname%5D=&u%5Bq%5D=&go=2", "meta": {"who": "me"},
    }  # fmt: skip
    assert changed(page, "#f", "u[name]", "x")["value"] == "u%5Bh%5D=hid&u%5Bname%5D=x&u%5Bq%5D="


def test_enter_presses_the_first_submit_button():
    (sent,) = joined(FORM).submit("#f", None, javascript=JAVASCRIPT)
    assert isinstance(sent, PushEvent)
    assert str(sent.payload["value"]).endswith("&go=1")


def test_clicking_a_submit_button_submits_by_it():
    assert str(clicked(joined(FORM), "#second").payload["value"]).endswith("&go=2")


def test_a_submitter_that_cannot_be_says_why():
    with pytest.raises(CannotAct, match="2 submit buttons"):
        joined(FORM).submit("#f", "go", javascript=JAVASCRIPT)
    with pytest.raises(CannotAct, match="disabled"):
        joined('<form id="f" phx-submit="s"><button disabled>x</button></form>').submit(
            "#f", None, javascript=JAVASCRIPT
        )


def test_a_form_without_phx_submit_is_sent_by_the_browser():
    fields = '<input name="a" value="1 2"><button name="b" value="c">x</button>'
    form = f'<form id="f" action="/post" method="post">{fields}</form>'
    assert clicked(joined(form), "button") == LoadUrl("http://127.0.0.1:4110/post", "POST", b"a=1+2&b=c")
    search = '<form id="f"><input name="q" value="x"></form>'
    assert joined(search).submit("#f", None, javascript=JAVASCRIPT) == (LoadUrl("http://127.0.0.1:4110/here?q=x"),)


# Recovery


def recover(
    page: Page, new: str, *, pending: frozenset[str] = NONE, javascript: tuple[int, int, int] = JAVASCRIPT
) -> Any:
    snapshot = page.snapshot_forms(javascript=javascript)
    return page.recoveries(snapshot, view_of(new), "phx-1", pending=pending, javascript=javascript)


def test_every_form_of_a_real_page_is_recovered_as_the_browser_did():
    """b-users-new, cases 48 and 50: values, used marks, target and order after a restart."""
    page, sent = Page.load("http://127.0.0.1:4110/users/new", dead_html("b-users-new")), sent_events("b-users-new")
    view = page.views[0].id
    before, after = joins("b-users-new")
    # the server had rendered every value back; typing them again into the first page leaves the same form
    page.patch(view, Rendered(before, view_id=view), join=True)
    for name, value in [("user[name]", "Ann"), ("user[email]", "ann@example.org"), ("user[role]", "editor"),
                        ("user[plan]", "pro"), ("user[newsletter]", True)]:  # fmt: skip
        page.change("#user-form", name, value, javascript=JAVASCRIPT)
    page.change("#wizard-form", "wizard[a]", "wa", javascript=JAVASCRIPT)
    got = page.recoveries(
        page.snapshot_forms(javascript=JAVASCRIPT), Rendered(after), view, pending=NONE, javascript=JAVASCRIPT
    )
    official = next(each for each in sent if each["event"] == "recover_wizard")
    assert [key for key, _ in got.events] == ["user-form", "wizard-form"]
    wizard = got.events[1][1].payload
    assert {**wizard, "value": ""} == {**official, "value": ""}
    assert wizard["value"] == "wizard%5Bstep%5D=1&wizard%5Ba%5D=wa"
    form = got.events[0][1].payload
    assert form["meta"] == {"_target": "user[name]"}
    assert str(form["value"]).startswith("user%5Bname%5D=Ann&user%5Bemail%5D=ann%40example.org&user%5B_unused_bio%5D=&")
    assert not got.skipped


def test_an_untouched_form_is_recovered_too():
    """Case 55."""
    ((key, event),) = recover(joined(FORM), FORM).events
    assert key == "f"
    assert event.payload["value"] == ("u%5Bh%5D=hid&u%5B_unused_name%5D=&u%5Bname%5D=&u%5B_unused_q%5D=&u%5Bq%5D=")


@pytest.mark.parametrize(
    "form",
    [
        '<form phx-change="v"><input name="a"></form>',
        '<form id="f"><input name="a"></form>',
        '<form id="f" phx-change="v" phx-auto-recover="ignore"><input name="a"></form>',
        '<form id="f" phx-change="v"></form>',
    ],
    ids=["no id", "no phx-change", "ignored", "empty"],
)
def test_a_form_that_recovery_does_not_consider_sends_nothing(form: str):
    """Case 49."""
    assert recover(joined(form), form).events == ()


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ('<form id="g" phx-change="v"><input name="a"></form>', "no form with the id 'f'"),
        ('<form id="f" phx-change="w"><input name="a"></form>', "phx-change was 'v' and is 'w' now"),
        ('<form id="f"><input name="a"></form>', "lost its phx-change 'v'"),
    ],
)
def test_a_form_left_behind_says_why(new: str, why: str):
    """Case 49: a renamed form or event is silently not recovered by browsers."""
    got = recover(joined('<form id="f" phx-change="v"><input name="a"></form>'), new)
    assert got.events == ()
    assert why in got.skipped["f"]


def test_a_form_without_named_inputs_is_left_behind():
    form = '<form id="f" phx-change="v"><input></form>'
    assert "no named inputs" in recover(joined(form), form).skipped["f"]


def test_a_form_given_up_stays_given_up():
    """Case 53: its recovery crashed the view before."""
    got = recover(joined(FORM), FORM, pending=frozenset({"f"}))
    assert got.events == ()
    assert "never answered" in got.skipped["f"]


def test_auto_recover_names_the_event():
    """Case 50."""
    form = '<form id="f" phx-change="v" phx-auto-recover="back"><input name="a"></form>'
    assert recover(joined(form), form).events[0][1].payload["event"] == "back"


def test_a_form_of_hidden_inputs_is_recovered_by_its_first():
    """Case 51."""
    form = '<form id="f" phx-change="v"><input type="hidden" name="a" value="1"><input type="hidden" name="b"></form>'
    event = recover(joined(form), form).events[0][1].payload
    assert event["meta"] == {"_target": "a"}
    assert event["value"] == "a=1&b="


def test_forms_are_recovered_in_the_new_page_s_order_with_the_new_page_s_target():
    """Case 54; view.ts: event and target come from the new form, values from the old."""
    one, two = ('<form id="{0}" phx-change="v"{1}><input name="{0}"></form>'.format(key, "{0}") for key in "ab")
    page = joined(one.format("") + two.format(""))
    page.change("#a", "a", "typed", javascript=JAVASCRIPT)
    new = Rendered(
        {"0": 4, "s": [two.format(""), ""], "c": {"4": {"s": [f"<div>{one.format(' phx-target=4')}</div>"], "r": 1}}},
        view_id="phx-1",
    )
    got = page.recoveries(page.snapshot_forms(javascript=JAVASCRIPT), new, "phx-1", pending=NONE, javascript=JAVASCRIPT)
    assert [(key, event.payload.get("cid")) for key, event in got.events] == [("b", None), ("a", 4)]
    assert got.events[1][1].payload["value"] == "a=typed"


def test_the_forms_of_a_nested_view_are_recovered_by_it():
    """Case 52: with the child's own join, from the root's snapshot."""
    child = '<div id="kid" data-phx-session="{}" data-phx-static="" data-phx-parent-id="phx-1"></div>'
    form = '<form id="f" phx-change="v"><input name="a"></form>'
    page = joined(child.format("K1"))
    page.patch("kid", view_of(form, "kid"), join=True)
    page.change("#f", "a", "typed", javascript=JAVASCRIPT)
    snapshot = page.snapshot_forms(javascript=JAVASCRIPT)
    root = page.recoveries(snapshot, view_of(child.format("K2")), "phx-1", pending=NONE, javascript=JAVASCRIPT)
    assert root.events == ()
    assert root.skipped == {}
    ((_, event),) = page.recoveries(snapshot, view_of(form, "kid"), "kid", pending=NONE, javascript=JAVASCRIPT).events
    assert (event.view, event.payload["value"]) == ("kid", "a=typed")
    assert page.snapshot_forms(javascript=(0, 20, 14)) == {}


def test_old_versions_recover_with_the_bugs_they_had():
    """LiveView #3809: used marks lost up to 1.0.13; #3831: selects lost in 1.0.14 to 1.0.16."""
    form = '<form id="f" phx-change="v"><input name="a"><select name="s"><option>1</option></select></form>'
    page = joined(form)
    page.change("#f", "a", "x", javascript=JAVASCRIPT)
    values = {version: recover(page, form, javascript=version).events[0][1].payload["value"]
              for version in [(1, 0, 13), (1, 0, 15), (1, 0, 17)]}  # fmt: skip
    assert values[1, 0, 13] == "_unused_a=&a=x&_unused_s=&s=1"
    assert values[1, 0, 15] == "a=x"
    assert values[1, 0, 17] == "a=x&_unused_s=&s=1"


def test_forms_of_another_root_view_are_not_the_main_view_s_to_recover():
    """view.ts getFormsForRecovery: ``#root form[phx-change]``."""
    form = '<form id="f" phx-change="v"><input name="a"></form>'
    body = '<div id="{}" data-phx-session="S"{}>{}</div>'
    page = Page.load("http://x/", body.format("phx-1", " data-phx-main", "") + body.format("other", "", form))
    assert page.snapshot_forms(javascript=JAVASCRIPT) == {}
    assert list(page.snapshot_forms(javascript=JAVASCRIPT, root="other")) == ["f"]
