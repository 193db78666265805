"""The page as the HTTP answer brought it: tokens, views, and the document around the views."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode

from lvdeploy.wire.phoenix.controls import ancestors, attributes

SESSION: Final = "data-phx-session"


@dataclass(frozen=True, slots=True)
class ViewElement:
    """
    The container of a view.

    ``session`` is "" for a nested view of a dead render: its parent's join brings the token.
    ``parent`` is the id of the view it is nested in; None for the main, sticky and other root views.
    """

    id: str
    session: str
    static: str | None
    main: bool = False
    sticky: bool = False
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Title:
    """The title's element: what stands around and instead of a view's own title."""

    text: str
    prefix: str
    suffix: str
    default: str | None

    def of(self, text: str) -> str:
        """phoenix_live_view dom.putTitle: an empty title is the default, or changes nothing without one."""
        if text.strip():
            return f"{self.prefix}{text}{self.suffix}"
        return self.text if self.default is None else f"{self.prefix}{self.default}{self.suffix}"


@dataclass(frozen=True, slots=True)
class DeadRender:
    """
    What a page load brought.

    ``inside`` maps a view's id to the views right inside it. ``bodies`` are their dead contents.
    ``around`` is the document cut at the views' contents and the title: text, then an id, then text …;
    the title's id is "".
    """

    title: Title | None
    csrf_token: str | None
    tracked_statics: tuple[str, ...]
    roots: tuple[ViewElement, ...]
    inside: Mapping[str, tuple[ViewElement, ...]]
    bodies: Mapping[str, str]
    around: tuple[str, ...]


def read(url: str, text: str) -> DeadRender:
    """Read the HTML of a page load; any text is some page."""
    document = LexborHTMLParser(text)
    containers = document.css(f"[{SESSION}]")
    outer = {node.mem_id: _outer(node) for node in containers}
    roots = tuple(element(node) for node in containers if outer[node.mem_id] is None)
    inside: dict[str, tuple[ViewElement, ...]] = {}
    for node in containers:
        around = outer[node.mem_id]
        if around is not None:
            inside[around] = (*inside.get(around, ()), element(node))
    meta = document.css_first("meta[name=csrf-token]")
    return DeadRender(
        title=_title(document.css_first("head title")),
        csrf_token=attributes(meta).get("content") if meta is not None else None,
        tracked_statics=_statics(document, url),
        roots=roots,
        inside=inside,
        bodies={str(node.id): node.inner_html or "" for node in containers},
        around=_around(document, [node for node in containers if outer[node.mem_id] is None], text),
    )


def element(node: LexborNode) -> ViewElement:
    """Read a view's container."""
    given = attributes(node)
    return ViewElement(
        id=given.get("id", ""),
        session=given[SESSION],
        static=given.get("data-phx-static") or None,
        main="data-phx-main" in given,
        sticky="data-phx-sticky" in given,
        parent=given.get("data-phx-parent-id") or None,
    )


def _outer(node: LexborNode) -> str | None:
    around = (each for each in ancestors(node) if each.mem_id != node.mem_id and SESSION in each.attributes)
    return next((each.id or "" for each in around), None)


def _title(node: LexborNode | None) -> Title | None:
    if node is None:
        return None
    given = attributes(node)
    text = " ".join(node.text().split())
    return Title(text, given.get("data-prefix", ""), given.get("data-suffix", ""), given.get("data-default"))


def _statics(document: LexborHTMLParser, url: str) -> tuple[str, ...]:
    found = (attributes(node) for node in document.css("[phx-track-static]"))
    named = (given.get("src") or given.get("href") for given in found)
    return tuple(urljoin(url, each) for each in named if each)


def _around(document: LexborHTMLParser, roots: list[LexborNode], text: str) -> tuple[str, ...]:
    mark = "lvdeploy-cut"
    while mark in text:
        mark += "-"
    title = document.css_first("head title")
    for node, key in [(title, ""), *((node, node.id or "") for node in roots)]:
        if node is not None:
            node.inner_html = f"{mark}{html.escape(key)}{mark}"
    pieces = (document.html or "").split(mark)
    return tuple(html.unescape(piece) if index % 2 else piece for index, piece in enumerate(pieces))
