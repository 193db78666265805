"""Rolling, blue-green and canary deploys of stateful websocket services, with proof that every user came back."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("lvdeploy")
except PackageNotFoundError:
    __version__ = "0.0.0"

__all__ = ["__version__"]
