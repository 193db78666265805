"""Whatever a server sends: no exception out of the protocol, and no unbounded work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.wire.hostile import play

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.txt"))

PAGE = (
    '<meta name="csrf-token" content="C"><div id="phx-1" data-phx-main data-phx-session="S" data-phx-static="T">'
    '<form id="f" phx-change="v" phx-submit="s"><input name="a"></form><button phx-click="go">b</button></div>'
)
TREE = {"0": "", "s": ["<p>", "</p>"]}

STEPS = st.sampled_from([
    "open", "lose 1012", "lose 1000", "lose 1006", "refuse", "refuse 403", "fail", "wake", "wait 31", "ok", "ok {}",
    'ok {"link_redirect":true}', 'error {"reason":"stale"}', 'error {"reason":"join crashed"}', "page", f"page {PAGE}",
    "page 302 /else", "page 302 http://[", f"join {json.dumps(TREE)}", "push phx_error {}", "push phx_close {}",
    'push live_patch {"to":"/b","kind":"push"}', 'push live_redirect {"to":"/c"}', 'push redirect {"to":"//["}',
    "click button", "change #f a x", "submit #f", "hook h", "click a[", "look [[", "look input",
])  # fmt: skip

KEYS = st.sampled_from([*"0123", "s", "d", "k", "kc", "km", "p", "c", "r", "e", "t", "stream", "diff", "to", "-1", "x"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 9), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "<b>", "<div id=x data-phx-session=y>", '<p phx-update="stream" id=s>', "\x00", "𝔘", "é"]),
)  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)
INSERTS = st.lists(st.lists(SCALARS, min_size=1, max_size=4), max_size=3) | st.dictionaries(st.just("a"), VALUES)
STREAMS = st.tuples(st.just("0"), INSERTS | VALUES, st.lists(st.just("a"), max_size=2) | VALUES, st.booleans())


@st.composite
def nodes(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Draw a template or a comprehension that is nearly right: a reader gets far before it meets what is wrong."""
    width = draw(st.integers(0, 2))
    statics = ["<li id=a>", *("|" for _ in range(width))]
    row = st.fixed_dictionaries({str(index): inner for index in range(width)})
    rows = draw(st.lists(row, max_size=2))
    shape = draw(st.sampled_from(["template", "keyed", "rows", "stream", "wild"]))
    node: dict[str, Any] = {"s": statics}
    if shape in ("template", "wild"):
        node |= draw(row)
    elif shape == "rows":
        node["d"] = [list(each.values()) for each in rows]
    else:
        node["k"] = {str(index): each for index, each in enumerate(rows)} | {"kc": len(rows)}
    if shape == "stream":
        node["stream"] = draw(STREAMS)
    if shape == "wild":
        node[draw(KEYS)] = draw(inner)
    return node


NODES = st.recursive(VALUES, nodes, max_leaves=8)
PAYLOADS = NODES.map(json.dumps)
LINES = st.one_of(
    STEPS,
    st.builds("push diff {}".format, PAYLOADS),
    st.builds("join {}".format, PAYLOADS),
    st.builds("ok {}".format, PAYLOADS),
    st.builds('ok {{"diff":{}}}'.format, PAYLOADS),
    st.builds("error {}".format, PAYLOADS),
    st.builds("push {} {}".format, st.sampled_from(["live_patch", "live_redirect", "redirect", "msg"]), PAYLOADS),
    st.builds("frame {}".format, st.lists(VALUES, max_size=6).map(json.dumps)),
)
BEGINNING = [f"page {PAGE}", "open", f"join {json.dumps(TREE)}"]


@given(st.binary(max_size=400))
def test_any_bytes_as_what_happens(data: bytes) -> None:
    play(data)


@given(st.binary(max_size=400))
def test_any_bytes_as_a_page(body: bytes) -> None:
    play(b"page " + body.replace(b"\n", b"\r") + b"\nopen\nlook *")


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=60) | st.binary(max_size=60), max_size=8))
def test_any_bytes_as_frames(frames: list[str | bytes]) -> None:
    lines = [f"frame {each}".encode() if isinstance(each, str) else b"binary " + each for each in frames]
    play(b"\n".join([*(each.encode() for each in BEGINNING), *lines]))


@settings(max_examples=400)
@given(st.lists(LINES, max_size=20))
@example(['join {"0":0,"s":["",""],"c":{"0":{"0":0,"s":["",""]}}}', "push diff {}"])
def test_any_story_after_a_good_join(lines: list[str]) -> None:
    play("\n".join([*BEGINNING, *lines]).encode())


@given(st.lists(LINES, max_size=20), st.booleans())
def test_any_story_from_the_beginning(lines: list[str], polling: bool) -> None:
    play(("\n" if polling else "").encode() + "\n".join(lines).encode())


def nested(depth: int) -> str:
    return '{"0":' * depth + '""' + ',"s":["",""]}' * depth


def laughs(levels: int) -> dict[str, Any]:
    """Return components each of which holds the next one twice: 2 to the power of ``levels`` at the bottom."""
    return {str(cid): {"0": cid + 1, "1": cid + 1, "s": ["", "", ""]} for cid in range(1, levels)} | {
        str(levels): {"s": ["ha"]}
    }


@pytest.mark.parametrize(
    "tree",
    [
        nested(90),
        nested(5000),
        "[" * 100_000,
        json.dumps({"0": 1, "s": ["", ""], "c": laughs(60)}),
        json.dumps({"0": 1, "s": ["", ""], "c": {"1": {"0": 1, "s": ["<p>", "</p>"]}}}),
        json.dumps({"0": 1, "s": ["", ""], "c": {"1": {"s": 2}, "2": {"s": 1}}}),
        json.dumps({"0": {"k": {"0": {"0": "x"}, "kc": 10**12}, "s": ["", ""]}, "s": ["", ""]}),
        json.dumps({"0": {"d": [["x" * 1000]] * 1000, "s": ["<p>" * 1000, ""]}, "s": ["", ""]}),
        json.dumps({"0": {"k": {"0": {"0": "x"}, "kc": 1}, "s": 0, "stream": ["0", [["a", -(10**30), 10**30]], []]},
                    "p": {"0": ["<p>", "</p>"]}, "s": ["", ""]}),
        '{"0":"\\ud800","s":["",""]}',
        '{"0":1e999,"s":["",""]}',
        '{"0":1' + "0" * 5000 + ',"s":["",""]}',
    ],
    ids=[
        "nested", "nested deeply", "brackets", "laughs", "itself", "statics in a circle", "many rows", "much text",
        "far rows", "surrogate", "infinite", "long number",
    ],
)  # fmt: skip
def test_trees_made_to_hurt(tree: str) -> None:
    play("\n".join([*BEGINNING[:2], f"join {tree}", f"push diff {tree}", f'ok {{"diff":{tree}}}', "look p"]).encode())


@pytest.mark.parametrize(
    "page",
    ["<div>" * 20_000, "<div data-phx-session=x id=y>" * 500, "<form id=f>" * 500 + "<input name=a>" * 500,
     "<a href='" + "[" * 10_000, '<div id="phx-1" data-phx-main data-phx-session=S>' + '"' * 10_000, "<!--" * 10_000],
    ids=["deep", "views in views", "forms in forms", "link", "quotes", "comments"],
)  # fmt: skip
def test_pages_made_to_hurt(page: str) -> None:
    play(f"page {page}\nopen\nok {{}}\nclick a\nsubmit form\nlook input".encode())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_what_a_fuzzer_found_stays_mended(path: Path) -> None:
    """``corpus/`` is what the coverage-guided fuzzer kept; see ``fuzz.py`` beside it."""
    play(path.read_bytes())
