"""moto's server, faster: python moto_server.py PORT, on loopback.

It closes the connection after each answer, and tries 300 patterns to find each request's service: more
than half of its time.
"""

from __future__ import annotations

import sys
from functools import cache

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import run_simple


class Handler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: object) -> None:
        """Nobody reads it."""


if __name__ == "__main__":
    app = DomainDispatcherApplication(create_backend_app)
    app.get_backend_for_host = cache(app.get_backend_for_host)  # type: ignore[method-assign]
    run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True, request_handler=Handler)
