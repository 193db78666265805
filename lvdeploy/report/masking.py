"""Secrets taken out of whatever is about to be written."""

from __future__ import annotations

import re

MASK = "***"

_PATTERNS = (
    re.compile(r"(?i)\b(set-cookie|cookie|authorization|proxy-authorization)(\s*:\s*)[^\r\n]+"),
    re.compile(r"(?i)\b(bearer|basic)(\s+)[\w.~+/=-]{8,}"),
    re.compile(r"(?i)([\w-]*(?:token|password|passwd|secret|api_?key|phx-session|phx-static))(=)[^&\s\"',;]+"),
    re.compile(r"(://)([^/\s:@]+:)[^/\s@]+(?=@)"),
)
_PHOENIX_TOKEN = re.compile(r"SFMyNTY\.[\w.-]+")
"""A signed Phoenix token: ``HS256`` in Base64, then the payload."""


def mask(text: str) -> str:
    """Put ``***`` where a cookie, a token, a password or an authorization stands."""
    for pattern in _PATTERNS:
        text = pattern.sub(lambda match: f"{match[1]}{match[2]}{MASK}", text)
    return _PHOENIX_TOKEN.sub(MASK, text)
