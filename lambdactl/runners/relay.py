"""Passes connections on from a run's bridge to one port of this machine. Reads nothing of them."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import socketserver
import threading

from lambdactl.runners.bridge import BridgeServer

CHUNK = 1 << 16
CONNECT = 5.0  # seconds


class RelayServer(BridgeServer):
    def __init__(
        self, host: str | None, target: tuple[str, int], peers: ipaddress.IPv4Network | None = None
    ) -> None:
        self.target = target
        super().__init__(None if host is None else (host, 0), _Relayed, peers)


class _Relayed(socketserver.BaseRequestHandler):
    request: socket.socket
    server: RelayServer

    def handle(self) -> None:
        with socket.create_connection(self.server.target, timeout=CONNECT) as there:
            there.settimeout(None)
            back = threading.Thread(target=_pass_on, args=(there, self.request), daemon=True)
            back.start()
            _pass_on(self.request, there)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Until the source ends; then says so to the target, whose own direction stays open."""
    with contextlib.suppress(OSError):
        while part := source.recv(CHUNK):
            target.sendall(part)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
