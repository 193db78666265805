"""The one TLS context of a pump: certificates are always verified."""

from __future__ import annotations

import ssl


def tls_context(ca: str | None = None) -> ssl.SSLContext:
    """Trust the machine's authorities, or only those of the PEM file ``ca``. Raises ``OSError``, ``ssl.SSLError``."""
    return ssl.create_default_context(cafile=ca)
