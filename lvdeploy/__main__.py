"""``python -m lvdeploy`` and the ``lvdeploy`` command."""

from __future__ import annotations

from lvdeploy.cli.main import main

if __name__ == "__main__":
    main()
