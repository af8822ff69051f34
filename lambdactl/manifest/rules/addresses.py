"""URLs that a job may talk to. Pure: resolves no name."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_PRIVATE_SUFFIXES = (".internal", ".local", ".localhost", ".invalid")


def address_fault(url: str) -> tuple[str, str]:
    """What is wrong with `url` and its cure, or two empty texts. Never repeats the URL's user part."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
    except ValueError:
        return "is not a URL", "write it as in https://mcp.example.com/mcp"
    if parts.username is not None or parts.password is not None:
        return "holds credentials", "remove them from the URL and use headers with ${secrets.NAME}"
    if parts.scheme not in ("http", "https") or not host or port == 0 or any(c.isspace() for c in url):
        return "is not an http or https URL", "write it as in https://mcp.example.com/mcp"
    if parts.scheme == "http" and not _private(host):
        return "is not encrypted, and its host is not a private one", "use https"
    return "", ""


def _private(host: str) -> bool:
    if host == "localhost" or host.endswith(_PRIVATE_SUFFIXES):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False
