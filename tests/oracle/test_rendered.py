"""Joins and diffs of every form, drawn at random and shown by the official client and by ours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lvdeploy.wire.phoenix.page import Page
from lvdeploy.wire.phoenix.rendered import Rendered
from tests.oracle import install
from tests.oracle.pages import canonical
from tests.oracle.speech import GRAMMARS, Server
from tests.oracle.states import Chance, State, Text

STEPS = 6
SHRINKS = 25

pytestmark = [pytest.mark.real, pytest.mark.needs("node", "npm")]

VERSIONS = pytest.mark.parametrize("version", GRAMMARS)


@pytest.fixture(scope="session")
def packages(request: pytest.FixtureRequest) -> Path:
    """Where the official packages are installed."""
    return install.installed(request.config.cache.mkdir("official_client"))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--oracle-seed"))


@VERSIONS
def test_pages_are_those_of_the_official_client(
    version: str, seed: str, packages: Path, request: pytest.FixtureRequest
) -> None:
    """rendered.js and dom_patch.ts: HTML after every message, without the client's own marks."""
    _compare(version, seed, int(request.config.getoption("--oracle-count")), packages)


@pytest.mark.soak
@VERSIONS
def test_twenty_thousand_pages_are_those_of_the_official_client(version: str, seed: str, packages: Path) -> None:
    _compare(version, seed, 20_000 // len(GRAMMARS), packages)


@pytest.mark.timeout(300)
def test_a_difference_would_be_found(packages: Path) -> None:
    """A message that one of the two does not get is a difference."""
    states = [State(_page("one")), State(_page("two"))]
    messages = _said("1.2", states)
    (answer,) = install.run("rendered.mjs", [{"version": "1.2", "messages": messages}], packages)
    assert _difference(messages, answer) is None
    assert _difference([messages[0], {}], answer) == 1


def _compare(version: str, seed: str, renders: int, packages: Path) -> None:
    cases = [_states(f"{seed}-{version}-{number}", version) for number in range(-(-renders // (STEPS + 1)))]
    for states, messages, answer in _shown(version, cases, packages):
        if _difference(messages, answer) is not None:
            pytest.fail(_explained(version, _shrunk(version, states, packages), packages))


def _states(seed: str, version: str) -> list[State]:
    return Chance(seed, old=version == "0.20").states(STEPS)


def _said(version: str, states: Sequence[State]) -> list[dict[str, Any]]:
    server = Server(GRAMMARS[version])
    return [server.say(state) for state in states]


def _shown(
    version: str, cases: Sequence[list[State]], packages: Path
) -> Iterator[tuple[list[State], list[dict[str, Any]], dict[str, Any]]]:
    said = [_said(version, states) for states in cases]
    answers = install.run("rendered.mjs", ({"version": version, "messages": each} for each in said), packages)
    yield from zip(cases, said, answers, strict=True)


def _difference(messages: Sequence[dict[str, Any]], answer: dict[str, Any]) -> int | None:
    """Return the first message after which the pages differ."""
    ours = _ours(messages, answer["id"], answer["version"])
    for index, theirs in enumerate(answer["pages"]):
        if canonical(theirs) != canonical(next(ours)):
            return index
    return None if len(answer["pages"]) == len(messages) else len(answer["pages"])


def _ours(messages: Sequence[dict[str, Any]], name: str, version: str) -> Iterator[str]:
    container = f'<div id="{name}" data-phx-session="S" data-phx-static="T"></div>'
    page = Page.load("http://app.test/", f"<!doctype html><html><body>{container}</body></html>")
    rendered = Rendered(messages[0], view_id=name, names_components=version == "0.20")
    page.patch(name, rendered, join=True)
    yield page.html(f"#{name}")
    for message in messages[1:]:
        if not rendered.merge(message).empty:
            page.patch(name, rendered)
        yield page.html(f"#{name}")


# A smaller case that fails too


def _shrunk(version: str, states: list[State], packages: Path) -> list[State]:
    for _ in range(SHRINKS):
        smaller = [each for each in _smaller(states) if each != states]
        tried = _shown(version, smaller, packages)
        failing = (each for each, said, shown in tried if _difference(said, shown) is not None)
        best = min(failing, key=lambda each: len(json.dumps(_said(version, each))), default=None)
        if best is None:
            return states
        states = best
    return states


def _smaller(states: list[State]) -> Iterator[list[State]]:
    """The same without one state, and with one part of the root made a text in all of them."""
    if len(states) > 1:
        yield from (states[:index] + states[index + 1 :] for index in range(len(states)))
    for place in range(max(len(state.root.parts) for state in states)):
        yield [_without(state, place) for state in states]
    for cid in sorted({cid for state in states for cid in state.components}):
        for place in range(max(len(state.components[cid].parts) for state in states if cid in state.components)):
            yield [_without(state, place, cid) for state in states]


def _without(state: State, place: int, cid: int | None = None) -> State:
    template = state.root if cid is None else state.components.get(cid)
    if template is None or place >= len(template.parts):
        return state
    parts = (*template.parts[:place], Text("-"), *template.parts[place + 1 :])
    smaller = replace(template, parts=parts)
    if cid is None:
        return replace(state, root=smaller)
    return replace(state, components={**state.components, cid: smaller})


def _explained(version: str, states: list[State], packages: Path) -> str:
    ((_, messages, answer),) = _shown(version, [states], packages)
    at = _difference(messages, answer) or 0
    shown = [canonical(each) for each in _ours(messages, answer["id"], version)]
    theirs = canonical(answer["pages"][at]) if at < len(answer["pages"]) else answer["error"]
    said = "\n".join(json.dumps(each) for each in messages[: at + 1])
    return f"LiveView {version} differs after message {at}\n{said}\nofficial {theirs}\nours     {shown[at]}"


def _page(text: str) -> Any:
    return replace(Chance(0).template(0, root=True), statics=("<p>", "</p>"), parts=(Text(text),))
