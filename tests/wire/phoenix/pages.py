"""Pages and messages out of the recordings, and small pages made by hand."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lvdeploy.wire.phoenix.page import Page
from lvdeploy.wire.phoenix.rendered import Rendered

RECORDED = Path(__file__).parent / "recorded"
JAVASCRIPT = (1, 2, 10)
URL = "http://127.0.0.1:4110/here?tab=one"


def dead_html(name: str, number: int = 1) -> str:
    return gzip.decompress((RECORDED / name / f"html-{number}.html.gz").read_bytes()).decode()


def lines(name: str) -> Iterator[dict[str, Any]]:
    """Every line of a recording, in order."""
    text = gzip.decompress((RECORDED / name / "frames.jsonl.gz").read_bytes()).decode()
    yield from map(json.loads, text.splitlines())


def joins(name: str, topic: str = "") -> list[dict[str, Any]]:
    """The ``rendered`` of every good join in a recording whose topic ends so."""
    found = []
    for line in lines(name):
        if line["dir"] == "in" and "text" in line:
            _, _, on, _, payload = json.loads(line["text"])
            response = payload.get("response", {})
            if "rendered" in response and on.endswith(topic):
                found.append(response["rendered"])
    return found


def sent_events(name: str) -> list[dict[str, Any]]:
    """The payload of every event the browser sent, in order."""
    messages = [json.loads(line["text"]) for line in lines(name) if line["dir"] == "out" and "text" in line]
    return [payload for _, _, _, event, payload in messages if event == "event"]


def shape(html: str) -> str:
    """HTML without the attributes by which a browser knows what it need not parse again."""
    return re.sub(r' data-phx-(?:id|component|view)="[^"]*"', "", html)


def page_of(body: str, *, view: str = "phx-1", head: str = "") -> Page:
    """A page with one main view that holds ``body``, dead."""
    container = f'<div id="{view}" data-phx-main data-phx-session="S" data-phx-static="T">{body}</div>'
    return Page.load(URL, f"<html><head>{head}</head><body>{container}</body></html>")


def view_of(body: str, view: str = "phx-1") -> Rendered:
    """A joined view that renders just this HTML."""
    return Rendered({"0": body, "s": ["", ""]}, view_id=view)


def joined(body: str) -> Page:
    """A page whose main view is joined and shows ``body``."""
    page = page_of("")
    page.patch("phx-1", view_of(body), join=True)
    return page
