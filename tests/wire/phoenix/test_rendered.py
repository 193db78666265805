"""The rendered tree; expectations marked (official) were printed by phoenix_live_view's own rendered.js."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.wire.phoenix.rendered import MalformedDiff, Rendered
from tests.wire.phoenix.pages import joins, shape


def html(rendered: Rendered) -> str:
    return shape(rendered.html())


def modern() -> dict[str, Any]:
    """A join as LiveView 1.1 and later send it."""
    return {
        "0": "hello",
        "1": {"s": 1, "r": 1, "0": "x"},
        "2": {
            "s": 2,
            "k": {
                "0": {"0": "a", "1": {"s": 3, "r": 1, "0": "A"}},
                "1": {"0": "b", "1": {"s": 3, "r": 1, "0": "B"}},
                "2": {"0": "c", "1": {"s": 3, "r": 1, "0": "C"}},
                "kc": 3,
            },
        },
        "3": 1,
        "4": 2,
        "s": 0,
        "r": 1,
        "p": {
            "0": ["<main>", "|", "|", "|", "|", "</main>"],
            "1": ['<p class="fn">', "</p>"],
            "2": ['<li id="', '">', "</li>"],
            "3": ["<b>", "</b>"],
        },
        "c": {"1": {"s": ['<div id="c1">', "</div>"], "r": 1, "0": "one"}, "2": {"s": 1, "r": 1, "0": "two"}},
        "t": "Title",
        "e": [["ev", {"a": 1}]],
    }


ROWS = '<li id="a"><b>A</b></li><li id="b"><b>B</b></li><li id="c"><b>C</b></li>'
COMPONENTS = '<div id="c1">one</div>|<div id="c1">two</div>'


def keyed(*rows: str, **more: Any) -> dict[str, Any]:
    """A view that is one keyed comprehension of single texts."""
    rows_ = {str(at): {"0": row} for at, row in enumerate(rows)}
    return {"0": {"s": ["<i>", "</i>"], "k": {**rows_, "kc": len(rows)}, **more}, "s": ["", ""]}


def texts(rendered: Rendered) -> list[str]:
    return [each.removeprefix("<i>") for each in html(rendered).split("</i>")[:-1]]


def test_a_join_renders_templates_rows_and_components():
    """(official) root templates, keyed rows, a component and one that shares its statics."""
    rendered = Rendered(modern(), view_id="phx-1")
    assert html(rendered) == f'<main>hello|<p class="fn">x</p>|{ROWS}|{COMPONENTS}</main>'
    assert rendered.joined.title == "Title"
    assert rendered.joined.events == (("ev", {"a": 1}),)
    assert rendered.joined.reply is None


def test_a_component_carries_its_cid_and_view_right_after_its_tag():
    text = Rendered(modern(), view_id="phx-1").html()
    assert '<div data-phx-id="c1-phx-1" data-phx-component="1" data-phx-view="phx-1" id="c1">one</div>' in text
    assert 'data-phx-component="2" data-phx-view="phx-1" id="c1">two</div>' in text


def test_a_recorded_join_of_a_real_server_is_read_whole():
    """The join of /users/new as LiveView 1.2.10 sent it."""
    text = Rendered(joins("a-users-new")[0], view_id="phx-1").html()
    assert 'id="user-form"' in text
    assert '<option selected value="viewer">viewer</option>' in text
    assert 'phx-auto-recover="recover_wizard"' in text
    assert "undefined" not in text


def test_a_diff_changes_only_its_slot():
    """rendered.js mergeDiff: what a diff does not name stays."""
    rendered = Rendered(modern())
    rendered.merge({"0": "bye"})
    assert html(rendered) == f'<main>bye|<p class="fn">x</p>|{ROWS}|{COMPONENTS}</main>'


def test_r_at_the_top_is_a_reply_and_inside_it_is_a_root():
    """rendered.js extract: the top level's r never is a root flag."""
    rendered = Rendered(modern(), view_id="phx-1")
    extracted = rendered.merge({"r": {"ok": True}, "1": {"0": "y"}})
    assert extracted.reply == {"ok": True}
    assert rendered.html().startswith("<main>hello|<p data-phx-id=")
    assert '<p class="fn">y</p>' in html(rendered)


def test_a_diff_of_events_alone_is_empty_and_a_third_element_is_only_when_to_dispatch():
    """LiveView 1.1.18 and later add ``true`` to an event dispatched before the patch."""
    extracted = Rendered(modern()).merge({"e": [["a", 1], ["b", {"x": 2}, True]]})
    assert extracted.events == (("a", 1), ("b", {"x": 2}))
    assert extracted.empty


def test_templates_of_another_message_do_not_leak():
    """Each message numbers its templates anew."""
    rendered = Rendered(modern())
    rendered.merge({"0": {"s": 0, "0": "n"}, "p": {"0": ["<u>", "</u>"]}})
    rendered.merge({"1": {"0": "z"}})
    assert html(rendered).startswith('<main><u>n</u>|<p class="fn">z</p>|<li id="a"><b>A</b>')


@pytest.mark.parametrize("marked", [True, False], ids=["with km", "without km"])
def test_keyed_rows_move_change_appear_and_go(marked: bool):
    """(official) servers before 1.2.8 do not mark moves; both must be read."""
    rendered = Rendered(keyed("a", "b", "c"))
    moves: dict[str, Any] = {"0": 2, "1": [0, {"0": "A"}], "2": {"0": "new"}, "3": 1, "kc": 4}
    rendered.merge({"0": {"k": {**moves, **({"km": True} if marked else {})}}})
    assert texts(rendered) == ["c", "A", "new", "b"]
    rendered.merge({"0": {"k": {"kc": 2}}})
    assert texts(rendered) == ["c", "A"]
    rendered.merge({"0": {"k": {"kc": 0}}})
    assert texts(rendered) == []


def test_rows_up_to_1_0_are_replaced_whole_and_use_their_own_templates():
    """(official, 1.0.19)"""
    join = {
        "0": {
            "s": ["<li>", "-", "</li>"],
            "d": [["a", {"s": 0, "0": "A"}], ["b", {"s": 0, "0": "B"}]],
            "p": {"0": ["<b>", "</b>"]},
        },
        "s": ["<ul>", "</ul>"],
    }
    rendered = Rendered(join)
    assert html(rendered) == "<ul><li>a-<b>A</b></li><li>b-<b>B</b></li></ul>"
    rendered.merge({"0": {"d": [["q", {"s": 0, "0": "Q"}]], "p": {"0": ["<u>", "</u>"]}}})
    assert html(rendered) == "<ul><li>q-<u>Q</u></li></ul>"
    rendered.merge({"0": {"d": []}})
    assert html(rendered) == "<ul></ul>"


def test_a_slot_turns_from_text_into_a_template_and_a_component_and_back():
    rendered = Rendered(modern())
    for value, wanted in [
        ({"s": ["<q>", "</q>"], "0": "1"}, "<q>1</q>"),
        (1, '<div id="c1">one</div>'),
        ("plain", "plain"),
        ("", ""),
    ]:
        rendered.merge({"0": value})
        assert html(rendered).startswith(f"<main>{wanted}|")


def test_sharers_of_a_component_s_statics_do_not_follow_its_later_changes():
    """(official) s: 1 shares with this message, s: -1 with what was there."""
    rendered = Rendered(modern())
    rendered.merge({"0": 3, "c": {"3": {"s": -1, "0": "three"}}})
    rendered.merge({"c": {"1": {"0": "ONE"}}})
    text = html(rendered)
    assert text.startswith('<main><div id="c1">three</div>|')
    assert text.endswith('|<div id="c1">ONE</div>|<div id="c1">two</div></main>')


def test_a_sharer_keeps_its_source_s_nested_parts_where_it_brings_none():
    source = {"s": ["<div>", ",", "</div>"], "0": "a", "1": {"s": ["<em>", "</em>"], "0": "in"}}
    rendered = Rendered({"0": 2, "s": ["", ""], "c": {"1": source, "2": {"s": 1, "0": "b"}}})
    assert html(rendered) == "<div>b,<em>in</em></div>"


def test_a_diff_of_components_alone_says_so():
    rendered = Rendered(modern(), view_id="phx-1")
    rendered.merge({"c": {"2": {"0": "TWO"}}})
    changes = rendered.take_changes()
    assert changes.components_only
    assert changes.roots == {("c2",)}
    assert html(rendered).endswith('<div id="c1">one</div>|<div id="c1">TWO</div></main>')


def test_templates_around_a_comprehension_win_over_its_own():
    """rendered.js comprehensionToBuffer: ``templates || rendered[TEMPLATES]``."""
    rows = {"s": 0, "k": {"0": {"0": "x"}, "kc": 1}, "p": {"0": ["<inner>", ""]}}
    assert html(Rendered({"0": rows, "s": ["", ""], "p": {"0": ["<outer>", ""]}})) == "<outer>x"
    assert html(Rendered({"0": rows, "s": ["", ""]})) == "<inner>x"


def test_a_whole_new_tree_drops_the_components_of_the_old_one():
    rendered = Rendered(modern())
    rendered.merge({"0": 1, "s": ["", ""]})
    with pytest.raises(MalformedDiff):
        rendered.html()


# Streams: phoenix_live_view dom_patch.ts


def stream(inserts: list[Any], rows: list[str], deletes: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """A stream's part of a message; ``inserts`` is [[at, limit, update_only] …], one a row."""
    named = [[row, *insert] for row, insert in zip(rows, inserts, strict=True)]
    extra = [True] if more.get("reset") else []
    return {
        "k": {**{str(at): {"0": row, "1": row.upper()} for at, row in enumerate(rows)}, "kc": len(rows)},
        "stream": ["0", named[::-1], deletes or [], *extra],
    }


def streaming(*rows: str) -> Rendered:
    part = stream([[-1, None, None]] * len(rows), list(rows))
    return Rendered({"0": {"s": ['<li id="', '">', "</li>"], **part}, "s": ["<ul>", "</ul>"]})


def ids(rendered: Rendered) -> list[str]:
    return [each.split('"')[0] for each in html(rendered).split('<li id="')[1:]]


@pytest.mark.parametrize(
    ("at", "wanted"), [(0, ["n", "a", "b"]), (-1, ["a", "b", "n"]), (1, ["a", "n", "b"]), (9, ["a", "b", "n"])]
)
def test_a_stream_row_goes_where_it_is_put(at: int, wanted: list[str]):
    """dom_patch.ts addChild: at 0 before, at -1 behind, at n before the n-th."""
    rendered = streaming("a", "b")
    rendered.merge({"0": stream([[at, None, None]], ["n"])})
    assert ids(rendered) == wanted


def test_a_stream_row_that_is_there_changes_in_place():
    rendered = streaming("a", "b")
    part = stream([[0, None, None]], ["b"])
    part["k"]["0"]["1"] = "changed"
    rendered.merge({"0": part})
    assert ids(rendered) == ["a", "b"]
    assert '<li id="b">changed</li>' in html(rendered)


def test_a_stream_forgets_what_is_deleted_and_everything_on_reset():
    rendered = streaming("a", "b", "c")
    rendered.merge({"0": stream([], [], ["b"])})
    assert ids(rendered) == ["a", "c"]
    rendered.merge({"0": stream([[-1, None, None]] * 2, ["x", "a"], reset=True)})
    assert ids(rendered) == ["x", "a"]


@pytest.mark.parametrize(("limit", "wanted"), [(2, ["n", "a"]), (-2, ["a", "b"])])
def test_a_stream_keeps_to_its_limit_from_the_end_it_names(limit: int, wanted: list[str]):
    rendered = streaming("a", "b")
    rendered.merge({"0": stream([[0, limit, None]], ["n"])})
    assert ids(rendered) == wanted


def test_an_update_only_row_is_not_inserted():
    rendered = streaming("a")
    rendered.merge({"0": stream([[-1, None, True]], ["n"])})
    assert ids(rendered) == ["a"]


def test_other_parts_of_the_page_leave_stream_rows_alone():
    rendered = streaming("a", "b")
    rendered.merge({"e": [["x", {}]]})
    rendered.merge({"0": stream([], [])})
    assert ids(rendered) == ["a", "b"]


def test_a_rejoin_shows_only_the_rows_it_brings():
    """dom_patch.ts isJoinPatch: children that are not inserted again are removed; a join is a new tree."""
    assert ids(streaming("a", "b")) == ["a", "b"]
    assert ids(streaming("b")) == ["b"]


@pytest.mark.parametrize(
    "written",
    [
        [{"a": -1, "b": -1}, []],
        ["0", {"a": [-1, None], "b": [-1, None]}, []],
        ["0", [["a", -1, None], ["b", -1, None]], []],
        ["0", [["a", -1, None, None], ["b", -1, None, None]], []],
    ],
    ids=["0.18", "0.19", "0.20.4", "1.1"],
)
def test_streams_of_every_version_are_read(written: list[Any]):
    rows = {"s": ['<li id="', '">', "</li>"], "d": [["a", "A"], ["b", "B"]], "stream": written}
    rendered = Rendered({"0": rows, "s": ["<ul>", "</ul>"]})
    assert ids(rendered) == ["a", "b"]


# What no server should send


@pytest.mark.parametrize(
    "diff",
    [
        {"0": {"0": "a template that is not there"}},
        {"0": None},
        {"0": [1]},
        {"0": True},
        {"0": {"s": 7, "0": "x"}},
        {"0": {"s": []}},
        {"0": {"s": ["a", "b"]}},
        {"2": {"k": {"0": 17, "kc": 1}}},
        {"2": {"k": {"kc": 10**9}}},
        {"2": {"k": []}},
        {"2": {"k": {"0": [9, {}], "kc": 1}}},
        {"p": 3, "0": {"s": 0}},
        {"c": {"x": {"s": ["a"]}}},
        {"c": {"9": {"0": "no such component"}}},
        {"c": {"9": {"s": -77}}},
        {"c": {"8": {"s": 9}, "9": {"s": 8}}},
        {"c": []},
        {"t": 5},
        {"e": [5]},
        {"0": {"s": ["a", "b"], "k": {"0": {"0": "x"}, "kc": 1}, "stream": [1]}},
    ],
)
def test_a_malformed_diff_is_refused_and_changes_nothing(diff: dict[str, Any]):
    rendered = Rendered(modern())
    before = rendered.html()
    with pytest.raises(MalformedDiff):
        rendered.merge(diff)
    assert rendered.html() == before


@pytest.mark.parametrize("join", [{}, {"0": "x"}, {"s": ["a", "b"]}, {"s": "ab"}, {"s": [1]}, [], None])
def test_a_malformed_join_is_refused(join: Any):
    with pytest.raises(MalformedDiff):
        Rendered(join)


def test_a_component_within_itself_is_refused():
    rendered = Rendered({"0": 1, "s": ["", ""], "c": {"1": {"s": ["<p>", "</p>"], "0": 1}}})
    with pytest.raises(MalformedDiff):
        rendered.html()


def test_components_that_double_without_end_are_refused():
    """Each of sixty components holds the next one twice: 2**60 of them."""
    components = {str(cid): {"s": ["<p>", "", "</p>"], "0": cid + 1, "1": cid + 1} for cid in range(1, 60)}
    rendered = Rendered({"0": 1, "s": ["", ""], "c": {**components, "60": {"s": ["end"]}}})
    with pytest.raises(MalformedDiff):
        rendered.html()


def test_a_tree_nested_without_end_is_refused():
    node: dict[str, Any] = {"s": ["x"]}
    for _ in range(5_000):
        node = {"s": ["<p>", "</p>"], "0": node}
    with pytest.raises(MalformedDiff):
        Rendered({"s": ["", ""], "0": node})


# Laws

KEYS = st.sampled_from(["0", "1", "2", "s", "d", "k", "kc", "km", "p", "c", "r", "e", "t", "stream", "-1", "x"])
SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 5) | st.floats(allow_nan=False) | st.sampled_from(["", "<p>", "x"])
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5))
STATICS = st.lists(st.sampled_from(["<p>", "</p>", "", "x"]), min_size=1, max_size=4)


@given(st.dictionaries(KEYS, JSON, max_size=6), STATICS, st.lists(st.dictionaries(KEYS, JSON, max_size=6), max_size=4))
def test_nothing_a_server_sends_raises_anything_else(join: dict[str, Any], statics: list[str], diffs: list[Any]):
    given = copy.deepcopy((join, diffs))
    for start in (join, modern(), {**join, "s": statics}):
        try:
            rendered = Rendered(start)
            rendered.html()
        except MalformedDiff:
            continue
        for diff in diffs:
            try:
                rendered.merge(diff)
                rendered.html()
            except MalformedDiff:
                continue
    assert (join, diffs) == given


def whole(values: list[Any]) -> dict[str, Any]:
    """The full tree of a page whose state is a list: texts, nested lists, and a keyed list at the end."""
    tree: dict[str, Any] = {"s": ["<div>", *["|"] * (len(values) - 1), "</div>"], "r": 1}
    for at, value in enumerate(values):
        tree[str(at)] = whole(value) if isinstance(value, list) else value
    return tree


def difference(old: list[Any], new: list[Any]) -> dict[str, Any]:
    diff: dict[str, Any] = {}
    for at, (before, after) in enumerate(zip(old, new, strict=True)):
        if before == after:
            continue
        both = isinstance(before, list) and isinstance(after, list) and len(before) == len(after)
        diff[str(at)] = difference(before, after) if both else whole(after) if isinstance(after, list) else after
    return diff


STATES = st.recursive(
    st.sampled_from(["", "a", "b &amp; c", "<i>d</i>"]), lambda inner: st.lists(inner, min_size=1, max_size=3)
)
VIEWS = st.lists(STATES, min_size=3, max_size=3)


@given(st.lists(VIEWS, min_size=1, max_size=5))
def test_merging_differences_shows_what_the_whole_would(states: list[list[Any]]):
    rendered = Rendered(whole(states[0]))
    for before, after in itertools.pairwise(states):
        rendered.merge(difference(before, after))
    assert html(rendered) == html(Rendered(whole(states[-1])))


@given(st.lists(st.permutations("abcdef").map(lambda order: order[: len(order) - 2]), min_size=2, max_size=5))
def test_keyed_moves_show_what_the_whole_would(orders: list[list[str]]):
    rendered = Rendered(keyed(*orders[0]))
    for before, after in itertools.pairwise(orders):
        rows = {
            str(at): before.index(row) if row in before else {"0": row}
            for at, row in enumerate(after)
            if before[at : at + 1] != [row]
        }
        rendered.merge({"0": {"k": {**rows, "kc": len(after)}}})
    assert texts(rendered) == orders[-1]


def test_component_like_another_has_its_own_stream_rows() -> None:
    """rendered.js: a tree never holds the rows of a stream, so a component that shares one's statics starts empty."""
    row = ["<li id='", "'></li>"]
    first = {"0": {"s": row, "k": {"0": {"0": "a"}, "kc": 1}, "stream": ["0", [["a", -1, None, False]], []]}}
    rendered = Rendered({"0": 1, "1": "", "s": ["", "", ""], "c": {"1": {**first, "s": ["<ul>", "</ul>"], "r": 1}}})
    second = {"0": {"k": {"0": {"0": "b"}, "kc": 1}, "stream": ["1", [["b", -1, None, False]], []]}}
    rendered.merge({"1": 2, "c": {"2": {**second, "s": -1}}})
    assert shape(rendered.html()) == "<ul><li id='a'></li></ul><ul><li id='b'></li></ul>"


def test_old_clients_name_components() -> None:
    """rendered.js 0.20.1 recursiveCIDToString: a root without an id gets one."""
    message = {"0": 1, "1": 2, "s": ["", "", ""], "c": {"1": {"s": ["<p>x</p>"]}, "2": {"s": ["<p id='own'>y</p>"]}}}
    html = shape(Rendered(message, view_id="v", names_components=True).html())
    assert html == "<p id=\"v-1-0\">x</p><p id='own'>y</p>"
    assert shape(Rendered(message, view_id="v").html()) == "<p>x</p><p id='own'>y</p>"


def test_stream_row_that_a_limit_took_away_does_not_come_back_in_the_same_message() -> None:
    """dom_patch.ts: rows on the page are found by their ids when the patch begins."""
    row = ["<li id='", "'></li>"]
    ids = {str(at): {"0": name} for at, name in enumerate("abc")}
    inserts = [[name, -1, None, False] for name in "abc"]
    stream = {"s": row, "k": {**ids, "kc": 3}, "stream": ["0", inserts, []]}
    rendered = Rendered({"0": stream, "s": ["<ul>", "</ul>"]})
    again = [["d", 2, 3, False], ["c", -1, None, False]]
    rendered.merge({"0": {"k": {"0": {"0": "d"}, "1": {"0": "c"}, "kc": 2}, "stream": ["0", again, []]}})
    assert rendered.html() == "<ul><li id='a'></li><li id='b'></li><li id='d'></li></ul>"
