"""A service that starts at once and has the whims a file says: ``python whims.py PORT VERSION NAME FILE``."""

from __future__ import annotations

import itertools
import json
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT, VERSION, NAME, FILE = int(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])
CHECKS = itertools.count()


def has(whim: str) -> bool:
    return FILE.exists() and whim in json.loads(FILE.read_text()).get(VERSION, ())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        match self.path:
            case "/health" if has("is sick") or (has("flaps") and next(CHECKS) % 2):
                self._answer({"status": "sick"}, status=503)
            case "/health":
                self._answer({"status": "healthy"})
            case "/version":
                self._answer({"version": VERSION})
            case _:
                self._answer({"hello": NAME})

    def do_POST(self) -> None:
        self._answer({"left": 3 if has("keeps its sockets") else 0})

    def _answer(self, document: dict[str, object], *, status: int = 200) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-instance", NAME)
        self.send_header("x-app-version", VERSION)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *values: object) -> None:
        """Stay silent."""


if __name__ == "__main__":
    if has("does not start"):
        sys.exit("database migration missing")
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    server.daemon_threads = True

    def end(*_: object) -> None:
        if not has("ignores SIGTERM"):
            threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    server.serve_forever(poll_interval=0.05)
