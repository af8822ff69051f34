"""Ports on loopback: finding a free one, and reading one out of a URL."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit


def free_port(host: str = "127.0.0.1") -> int:
    """Another process may take it before it is bound: callers check that."""
    with socket.socket() as one:
        one.bind((host, 0))
        return int(one.getsockname()[1])


def address_of(url: str) -> tuple[str, int]:
    """Host and port of a server's URL, which names both."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port
