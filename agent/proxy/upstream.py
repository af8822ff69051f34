"""The one host that the proxy talks to, and the way there: TLS, its authorities, the network's own proxy.

Its address is never told to the client: what goes wrong on the way is said in words of ours.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http.client import HTTPConnection, HTTPSConnection
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

CONNECT = 30.0  # seconds
SILENCE = 600.0  # seconds between two bytes of an answer; a long answer that is no stream takes minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """`base` is the API's URL; `variables` are the settings of the network that the function was given."""

    base: str
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    def connect(self) -> tuple[HTTPConnection, str]:
        """An open connection, and what stands before the path in a request on it. Raises OSError."""
        parts = urlsplit(self.base)
        host, port = parts.hostname or "", parts.port
        way = self._way(parts.scheme, host)
        prefix = parts.path.rstrip("/")
        if parts.scheme == "http":
            if way is None:
                connection = HTTPConnection(host, port, timeout=CONNECT)
            else:  # a proxy wants to be told the whole URL
                connection = HTTPConnection(way.hostname or "", way.port, timeout=CONNECT)
                prefix = f"http://{parts.netloc}{prefix}"
        else:
            connection = self._encrypted(host, port, way)
        try:
            connection.connect()
            connection.sock.settimeout(SILENCE)
        except BaseException:
            connection.close()
            raise
        return connection, prefix

    def headers(self) -> Mapping[str, str]:
        """What a plain proxy on the way wants to see with each request."""
        parts = urlsplit(self.base)
        way = self._way(parts.scheme, parts.hostname or "") if parts.scheme == "http" else None
        return _login(way) if way else {}

    @property
    def host(self) -> str:
        return urlsplit(self.base).netloc

    @property
    def origin(self) -> str:
        return f"{urlsplit(self.base).scheme}://{self.host}"

    def _encrypted(self, host: str, port: int | None, way: SplitResult | None) -> HTTPConnection:
        context = trust(self.variables)
        if way is None:
            return HTTPSConnection(host, port, timeout=CONNECT, context=context)
        connection = HTTPSConnection(way.hostname or "", way.port or 80, timeout=CONNECT, context=context)
        connection.set_tunnel(host, port or 443, dict(_login(way)))
        return connection

    def _way(self, scheme: str, host: str) -> SplitResult | None:
        """The network's proxy for `host`, if it is to be used."""
        name = f"{scheme}_proxy"
        url = self.variables.get(name) or self.variables.get(name.upper(), "")
        spared = self.variables.get("no_proxy") or self.variables.get("NO_PROXY", "")
        bypassed: Any = proxy_bypass_environment(host, {"no": spared}) if spared else False
        if not url or bypassed or _is_loopback(host):
            return None
        return urlsplit(url if "://" in url else f"http://{url}")


def trust(variables: Mapping[str, str]) -> ssl.SSLContext:
    """SSL_CERT_FILE takes the place of the system's authorities, NODE_EXTRA_CA_CERTS adds to them."""
    return _context(variables.get("SSL_CERT_FILE") or None, variables.get("NODE_EXTRA_CA_CERTS"))


@lru_cache(maxsize=4)  # reading a hundred certificates takes longer than a handshake
def _context(only: str | None, extra: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=only)
    none = not only and not context.cert_store_stats()["x509_ca"]
    if none and (botocore := find_spec("botocore")) and botocore.origin:
        # A slim base image has none; boto3, which is in every image, brings those it trusts itself.
        context.load_verify_locations(Path(botocore.origin).with_name("cacert.pem"))
    if extra:
        context.load_verify_locations(cafile=extra)
    return context


def _login(way: SplitResult) -> Mapping[str, str]:
    if way.username is None:
        return {}
    login = f"{unquote(way.username)}:{unquote(way.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
