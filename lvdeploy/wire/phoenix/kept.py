"""What phx-update keeps in the DOM whatever the server renders: ignore, append and prepend."""

from __future__ import annotations

from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from lvdeploy.wire.phoenix.controls import attributes, view_of


@dataclass(frozen=True, slots=True)
class Ignored:
    """An element whose content and attributes, data-* apart, stay as they first were."""

    attributes: dict[str, str]
    content: str


@dataclass(slots=True)
class Kept:
    """The contents to put back after each parse, by the element's id."""

    ignored: dict[str, Ignored] = field(default_factory=dict)
    gathered: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)

    def hold(self, parsed: LexborHTMLParser) -> None:
        """Remember what a page shows for the first time."""
        self.restore(parsed)

    def joined(self, view: str) -> None:
        """A view joined: what append and prepend had gathered in it is pruned; dom_patch.ts phx-prune."""
        self.gathered = {key: item for key, item in self.gathered.items() if item[0] != view}

    def restore(self, parsed: LexborHTMLParser) -> None:
        """Put into a fresh parse what stays, and remember what is new in it."""
        ignored = [node for node in parsed.css('[phx-update="ignore"]') if node.id]
        self.ignored = {str(node.id): self._ignored(node) for node in ignored}
        gathering = [node for kind in ("append", "prepend") for node in parsed.css(f'[phx-update="{kind}"]') if node.id]
        self.gathered = {str(node.id): (view_of(node) or "", self._gathered(node)) for node in gathering}

    def _ignored(self, node: LexborNode) -> Ignored:
        known = self.ignored.get(str(node.id))
        if known is None:
            return Ignored(attributes(node), node.inner_html or "")
        for name in attributes(node):
            if not name.startswith("data-") and name not in known.attributes:
                del node.attrs[name]
        for name, value in known.attributes.items():
            if not name.startswith("data-"):
                node.attrs[name] = value
        node.inner_html = known.content
        return known

    def _gathered(self, node: LexborNode) -> dict[str, str]:
        known = self.gathered.get(str(node.id), ("", {}))[1]
        now = {child.id: child.html or "" for child in node.iter() if child.id}
        fresh = {key: text for key, text in now.items() if key not in known}
        updated = {key: now.get(key, text) for key, text in known.items()}
        whole = {**updated, **fresh} if attributes(node).get("phx-update") == "append" else {**fresh, **updated}
        node.inner_html = "".join(whole.values())
        return whole
