"""A service that starts at once and holds nothing: ``python tiny.py PORT VERSION NAME``."""

from __future__ import annotations

import json
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, VERSION, NAME = int(sys.argv[1]), sys.argv[2], sys.argv[3]
ANSWERS = {"/health": {"status": "healthy"}, "/version": {"version": VERSION}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer(ANSWERS.get(self.path, {"hello": NAME}))

    def do_POST(self) -> None:
        self._answer({"left": 0})

    def _answer(self, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-instance", NAME)
        self.send_header("x-app-version", VERSION)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *values: object) -> None:
        """Stay silent."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    server.daemon_threads = True
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.05)
