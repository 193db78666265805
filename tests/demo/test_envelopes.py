"""
What the application answers, frame by frame, against what a Phoenix application was recorded to answer.

The excerpts in ``recorded/`` hold the envelopes; the content of rendered and diff is each application's own.
"""

from __future__ import annotations

import asyncio
import copy
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.demo.browser import Browser, View, run
from tests.demo.conftest import Launch
from tests.demo.instance import Instance

RECORDED = Path(__file__).parent / "recorded"


def recording(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (RECORDED / f"{name}.jsonl").read_text().splitlines()]


def as_browser(view: View, frame: list[Any]) -> list[Any]:
    """Put our page's tokens into a recorded frame, and the form's target where 0.20's JavaScript puts it."""
    join_ref, ref, topic, event, payload = frame
    if event == "phx_join":
        payload = view.join_payload()
    if payload.get("type") == "form":
        meta = payload["meta"]
        payload = {**payload, "value": f"{payload['value']}&{urlencode(meta)}"}
        del payload["meta"]
    return [join_ref, ref, view.topic if topic == "lv:PAGE" else topic, event, payload]


def envelope(view: View, frame: list[Any]) -> list[Any]:
    join_ref, ref, topic, event, payload = frame
    payload = copy.deepcopy(payload)
    for part in ("rendered", "diff", "liveview_version"):
        if part in payload.get("response", {}):
            payload["response"][part] = ...
    return [join_ref, ref, "lv:PAGE" if topic == view.topic else topic, event, payload]


async def replay(name: str, view: View, *, then: Instance | None = None) -> None:
    """Do what the recorded user did; each frame and close that comes must be the recorded one."""
    await view.connect()
    async with asyncio.timeout(60):
        for number, line in enumerate(recording(name)):
            where = f"{name}, line {number + 1}"
            if "signal" in line:
                view.here.terminate()
            elif "closed" in line:
                assert await view.closed() == line["closed"], where
                assert then is not None
                await view.connect(then)
            elif "out" in line:
                await view.send(*as_browser(view, line["out"]))
            else:
                assert envelope(view, await view.receive()) == envelope(view, line["in"]), where


@pytest.mark.real
def test_a_crash_is_told_on_the_channel_and_the_socket_lives(launch: Launch):
    async def scenario() -> None:
        await replay("f-crash", await Browser().visit(launch(), "/crash"))

    run(scenario())


@pytest.mark.real
def test_a_join_that_crashes_says_so(launch: Launch):
    async def scenario() -> None:
        await replay("g-boom-mount", await Browser().visit(launch(DEMO_BREAK="mount"), "/dashboard"))

    run(scenario())


@pytest.mark.real
def test_a_session_of_another_secret_is_stale_and_its_leaves_are_answered(launch: Launch):
    async def scenario() -> None:
        old, new = launch("old"), launch("new", version="2.0", DEMO_BREAK="secret")
        await replay("bsecret-users-new", await Browser().visit(old, "/users/new"), then=new)

    run(scenario())


@pytest.mark.real
@pytest.mark.parametrize(("name", "version"), [("d1-users-new", "1.0"), ("d2-users-new", "2.0")])
def test_a_drained_session_recovers_on_another_instance(launch: Launch, name: str, version: str):
    async def scenario() -> None:
        a, b = launch("a"), launch("b", version=version)
        await replay(name, await Browser().visit(a, "/users/new"), then=b)

    run(scenario())
