"""A TCP server for containers on one bridge, stopped with all its connections. Knows no protocol.

It binds the one address it is given, loopback or the gateway of the run's own bridge, and takes only
peers of `peers`: nothing else on this machine or its networks gets to talk to it. Without an address it
listens nowhere, and serves the connections that somebody else made (`adopt`).
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import socketserver
import sys
import threading
from types import TracebackType
from typing import Any, Self

IP_FREEBIND = 15  # Linux, <linux/in.h>: an address that comes up later (podman makes bridges at the start)


class BridgeServer(socketserver.ThreadingTCPServer):
    """Serves while its `with` block is open. A subclass or caller sets what its handler needs before that."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    most_open = 128  # connections: a job must not take this machine's threads and memory by opening more

    def __init__(
        self,
        address: tuple[str, int] | None,
        handler: type[socketserver.BaseRequestHandler],
        peers: ipaddress.IPv4Network | None = None,
    ) -> None:
        self._peers = peers
        self._open: set[socket.socket] = set()
        self._listens, self._ended = address is not None, False
        self.reached = False  # somebody has connected
        self._serving = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        super().__init__(address or ("", 0), handler, bind_and_activate=self._listens)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def adopt(self, connection: socket.socket) -> None:
        """Serve one end of a socket pair, whose peer is the caller's business. Closed if too many are."""
        if self._ended or len(self._open) >= self.most_open:
            self.shutdown_request(connection)
            return
        try:
            self.process_request(connection, "")
        except RuntimeError:  # no further thread
            self.shutdown_request(connection)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, peer = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, peer

    def server_bind(self) -> None:
        if self._peers is not None and sys.platform == "linux":
            self.socket.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
        super().server_bind()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        if len(self._open) >= self.most_open:
            return False
        if self._peers is None:
            return True
        peer = client_address[0]
        # The gateway itself is any other process of this machine.
        return ipaddress.IPv4Address(peer) in self._peers and peer != self.server_address[0]

    def process_request(self, request: Any, client_address: Any) -> None:
        self.reached = True
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        if request.family == socket.AF_UNIX:
            # Adopted: says at once that nothing is read any more either, which a TCP peer learns by a reset.
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is no event: containers are killed in the middle of things."""

    def __enter__(self) -> Self:
        if self._listens:
            self._serving.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        if self._listens:
            self.shutdown()
        self.server_close()
        for connection in list(self._open):
            # A killed container's end of a connection may never say that it is gone.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
