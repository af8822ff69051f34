"""The registry client, against a real registry and its two ways to ask who we are."""

from __future__ import annotations

import hashlib
import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lambdactl.errors import BuildError
from lambdactl.image.oci import Credentials, Reference, digest_of, is_loopback, manifest_of, parse
from tests.support.engine import Registry, serve_registry

# "user" with the password "open sesame", bcrypt as docker-registry wants it.
HTPASSWD = "user:$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n"
DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("debian", Reference("", "debian", "latest")),
        ("library/debian:12", Reference("", "library/debian", "12")),
        ("localhost/a/b:1", Reference("localhost", "a/b", "1")),
        ("127.0.0.1:5000/base", Reference("127.0.0.1:5000", "base", "latest")),
        (f"a.example/b/c@{DIGEST}", Reference("a.example", "b/c", "", DIGEST)),
        (f"a.example:80/b:1@{DIGEST}", Reference("a.example:80", "b", "1", DIGEST)),
    ],
)
def test_parse(text: str, found: Reference) -> None:
    assert parse(text) == found
    assert parse(str(found)) == found


def test_loopback() -> None:
    assert [is_loopback(host) for host in ("localhost:1", "127.0.0.1:5000", "[::1]:5000")] == [True] * 3
    assert not is_loopback("localhost.example:80")
    assert not is_loopback("10.0.0.1:80")


def test_digest_and_manifest_of_a_real_image(base_image: str) -> None:
    name, digest = base_image.split("@")
    assert digest_of(f"{name}:bookworm") == digest
    found = manifest_of(f"{name}:bookworm")
    assert found
    assert found.digest == digest
    assert found.media_type == "application/vnd.docker.distribution.manifest.v2+json"
    assert json.loads(found.content)["layers"]


def test_absent_is_none(registry: Registry) -> None:
    assert digest_of(registry.repository("absent:1")) is None
    assert manifest_of(registry.repository("absent:1")) is None


def test_basic_authentication(tmp_path: Path) -> None:
    users = tmp_path / "htpasswd"
    users.write_text(HTPASSWD)
    with serve_registry(tmp_path, users) as locked:
        reference = locked.repository("absent:1")
        assert digest_of(reference, credentials=Credentials("user", "open sesame")) is None
        with pytest.raises(BuildError, match="401") as refused:
            digest_of(reference, credentials=Credentials("user", "wrong password"))
        assert "wrong password" not in str(refused.value)
    assert "open sesame" not in repr(Credentials("user", "open sesame"))


class _TokenRegistry(BaseHTTPRequestHandler):
    """Asks for a bearer token, as public registries do, and has one manifest without a digest header."""

    content = b'{"schemaVersion":2}'

    def do_GET(self) -> None:
        host = f"http://{self.headers['Host']}"
        if self.path.startswith("/token?service=here&scope=repository%3Aa%2Fb%3Apull"):
            self._answer(200, b'{"token":"t0ken"}')
        elif self.headers.get("Authorization") != "Bearer t0ken":
            challenge = f'Bearer realm="{host}/token",service="here",scope="repository:a/b:pull"'
            self._answer(401, b"", ("WWW-Authenticate", challenge))
        else:
            self._answer(200, self.content, ("Content-Type", "application/vnd.oci.image.manifest.v1+json"))

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, code: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(code)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def token_registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _TokenRegistry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_bearer_token(token_registry: str) -> None:
    expected = f"sha256:{hashlib.sha256(_TokenRegistry.content).hexdigest()}"
    assert digest_of(f"{token_registry}/a/b:1") == expected


def put_manifest(reference: str, media_type: str, document: dict[str, object]) -> None:
    """Store a manifest by hand, as a builder of another kind would."""
    to = parse(reference)
    url = f"http://{to.host}/v2/{to.repository}/manifests/{to.tag}"
    request = urllib.request.Request(url, json.dumps(document).encode(), {"Content-Type": media_type})
    request.method = "PUT"
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        assert answer.status == 201
