"""``python -m lvdeploy.demo``: serve one instance of the demo application."""

from __future__ import annotations

import argparse
import logging
import os
import sqlite3
import sys

from lvdeploy.demo.settings import Break, SettingsError, from_environment
from lvdeploy.demo.sockets import Sockets
from lvdeploy.demo.wrong_hook import stop_a_neighbour


def main() -> int:
    """Serve until a signal; the exit code is 0 after an orderly end, 2 where the environment is wrong."""
    parser = argparse.ArgumentParser(prog="python -m lvdeploy.demo", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"lvdeploy.demo: {error}\n")
        return 2
    if settings.breakage is Break.ORDER:
        stop_a_neighbour(os.environ)
    os.environ["PYVIEW_SECRET"] = settings.secret
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    # pyview logs a traceback for every crash of a view; the channel logs it in one line.
    logging.getLogger("pyview.ws_handler").setLevel(logging.CRITICAL)
    try:
        from lvdeploy.demo.application import build
        from lvdeploy.demo.server import serve

        sockets = Sockets()
        serve(build(settings, sockets), settings=settings, sockets=sockets, host=options.host, port=options.port)
    except (OSError, sqlite3.Error) as error:
        sys.stderr.write(f"lvdeploy.demo: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
