"""Serves one sandbox's Runtime API over HTTP, outside its container. Knows no container engine."""

from __future__ import annotations

import ipaddress
import select
import socket
import socketserver
from http import HTTPStatus

from lambdactl.runners.bridge import BridgeServer
from lambdactl.runners.protocol import RESPONSE_MAX
from lambdactl.runners.runtime_api import RuntimeApi, refused
from lambdactl.runners.wire import Malformed, read_request

PORT = 9001  # as in Lambda: 169.254.100.1:9001


class RuntimeServer(BridgeServer):
    """The Runtime API on one address, loopback or the gateway of the run's own bridge; or see `adopt`.

    `api` is that of the sandbox's present runtime: each one that starts gets its own.
    """

    most_open = 16  # a runtime uses two; each may hold a response of 6 MB

    def __init__(
        self,
        api: RuntimeApi,
        address: tuple[str, int] | None = None,
        peers: ipaddress.IPv4Network | None = None,
    ) -> None:
        self.api = api
        super().__init__(address, _Connection, peers)

    def server_close(self) -> None:
        self.api.close()
        super().server_close()


class _Connection(socketserver.StreamRequestHandler):
    """One client's connection, kept alive: awslambdaric uses a single one for next, response and error."""

    connection: socket.socket
    server: RuntimeServer
    wbufsize = -1

    def handle(self) -> None:
        try:
            while request := read_request(self.rfile, RESPONSE_MAX):
                answer = self.server.api.answer(request, self._alive)
                if answer is None:
                    return
                self.wfile.write(answer.dump())
                self.wfile.flush()
                if request.headers.get("connection", "").lower() == "close":
                    return
        except Malformed as broken:
            self.wfile.write(refused(HTTPStatus.BAD_REQUEST, "BadRequest", str(broken)).dump())

    def _alive(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        try:
            return not readable or bool(self.connection.recv(1, socket.MSG_PEEK))
        except OSError:
            return False
