"""A small client of the OCI distribution API: which digest is behind a tag, and what manifest.

Reads only. Anonymous, with a bearer token where the registry asks for one, or with a user's name
and password. Plain HTTP for registries on loopback only.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ipaddress
import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPResponse

from lambdactl.errors import BuildError

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)

TIMEOUT = 60  # seconds for one request


@dataclass(frozen=True, slots=True)
class Credentials:
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """An image's address. `host` is "" for one known to the engine only by a short name: Docker Hub."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        name = f"{self.host}/{self.repository}" if self.host else self.repository
        return name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


@dataclass(frozen=True, slots=True)
class Manifest:
    digest: str
    media_type: str
    content: bytes


def parse(reference: str) -> Reference:
    """`[host/]repository[:tag][@digest]`, as docker reads it."""
    rest, _, digest = reference.partition("@")
    first, slash, _ = rest.partition("/")
    host = first if slash and (re.search(r"[.:]", first) or first == "localhost") else ""
    path = rest.removeprefix(f"{host}/") if host else rest
    repository, _, tag = path.partition(":")
    return Reference(host, repository, tag or ("" if digest else "latest"), digest)


def digest_of(reference: str, *, ca_bundle: str = "", credentials: Credentials | None = None) -> str | None:
    """The digest behind a reference as its registry answers it, or None when there is no such image.

    An index keeps its own digest: it pins every platform at once, and builders choose from it.
    """
    found = parse(reference)
    with _request("HEAD", found, ca_bundle, credentials) as response:
        if response is None:
            return None
        digest = response.headers.get("Docker-Content-Digest", "")
    if re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        return digest
    manifest = manifest_of(reference, ca_bundle=ca_bundle, credentials=credentials)
    return manifest.digest if manifest else None


def manifest_of(
    reference: str, *, ca_bundle: str = "", credentials: Credentials | None = None
) -> Manifest | None:
    """The manifest behind a reference, or None when there is no such image."""
    with _request("GET", parse(reference), ca_bundle, credentials) as response:
        if response is None:
            return None
        content = response.read()
        media_type = response.headers.get("Content-Type", "").partition(";")[0]
    return Manifest(f"sha256:{hashlib.sha256(content).hexdigest()}", media_type, content)


@contextlib.contextmanager
def _request(
    method: str, reference: Reference, ca_bundle: str, credentials: Credentials | None
) -> Iterator[HTTPResponse | None]:
    host = reference.host or "registry-1.docker.io"
    repository = reference.repository
    if not reference.host and "/" not in repository:
        repository = f"library/{repository}"
    loopback = is_loopback(host)
    scheme = "http" if loopback else "https"
    url = f"{scheme}://{host}/v2/{repository}/manifests/{reference.digest or reference.tag}"
    opener = _opener(ca_bundle, direct=loopback)
    basic = f"Basic {_basic(credentials)}" if credentials else ""
    try:
        try:
            response = opener.open(_manifest_request(method, url, basic), timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            challenge = error.headers.get("WWW-Authenticate", "")
            if error.code != 401 or not challenge.lower().startswith("bearer "):
                raise
            token = _token(opener, challenge, basic)
            response = opener.open(_manifest_request(method, url, f"Bearer {token}"), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise BuildError(f"{host} answers {error.code} {error.reason}", where=str(reference)) from None
        response = None
    except OSError as error:
        why = str(getattr(error, "reason", error))
        raise BuildError(f"the registry {host} cannot be reached", where=str(reference), why=why) from None
    try:
        yield response
    finally:
        if response is not None:
            response.close()


def _manifest_request(method: str, url: str, authorization: str) -> urllib.request.Request:
    request = urllib.request.Request(url, method=method)
    request.add_header("Accept", ", ".join((*INDEXES, *MANIFESTS)))
    if authorization:
        # Not sent on to where a redirect leads.
        request.add_unredirected_header("Authorization", authorization)
    return request


def _token(opener: urllib.request.OpenerDirector, challenge: str, basic: str) -> str:
    """Answer `WWW-Authenticate: Bearer realm=...,service=...,scope=...`."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = fields.pop("realm", "")
    parts = urllib.parse.urlsplit(realm)
    if parts.scheme != "https" and not is_loopback(parts.netloc):
        raise OSError(f"its token service is not https: {realm!r}")
    request = urllib.request.Request(f"{realm}?{urllib.parse.urlencode(fields)}")
    if basic:
        request.add_unredirected_header("Authorization", basic)
    with opener.open(request, timeout=TIMEOUT) as response:
        answer = json.load(response)
    return str(answer.get("token") or answer.get("access_token") or "")


def _opener(ca_bundle: str, *, direct: bool) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context(cafile=ca_bundle or None)
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context)]
    if direct:
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


def _basic(credentials: Credentials) -> str:
    return base64.b64encode(f"{credentials.user}:{credentials.password}".encode()).decode()


def is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] or host
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
