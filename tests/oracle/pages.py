"""Pages made comparable: without the attributes by which the client itself marks elements."""

from __future__ import annotations

from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

MARKS = "data-phx-"


def canonical(html: str) -> str:
    """Return the HTML parsed and written again: no marks, attributes by name."""
    body = LexborHTMLParser(f"<!doctype html><body>{html}").body
    assert body is not None
    return "".join(_written(body))


def _written(node: LexborNode) -> Iterator[str]:
    listed = node.attributes.get("phx-update") == "stream"
    for each in node.iter(include_text=True):
        if each.is_text_node:
            # a stream's rows move, and the white space between them stays where it was
            text = each.text_content or ""
            yield "" if listed and not text.strip() else text
        elif each.is_element_node:
            given = sorted((name, value or "") for name, value in each.attributes.items() if not name.startswith(MARKS))
            yield f"<{each.tag}" + "".join(f" {name}={value!r}" for name, value in given) + ">"
            yield from _written(each)
            yield f"</{each.tag}>"
