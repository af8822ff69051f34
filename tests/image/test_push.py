"""Pushing to a real registry, what is refused there, and pulling back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdactl.container import Engine
from lambdactl.errors import BuildError
from lambdactl.image import oci
from lambdactl.image.build import find_local
from lambdactl.image.oci import Credentials, Manifest
from lambdactl.image.push import check_manifest, pull, push, registry_digest
from tests.image.test_oci import HTPASSWD, put_manifest
from tests.support.engine import Registry, serve_registry

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture(scope="session")
def small(engine: Engine, base_tag: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A small image: one layer, one file."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "file").write_text("content\n")
    archive = subprocess.run(["tar", "-C", str(folder), "-c", "file"], capture_output=True, check=True)
    engine.call("import", "-", "lambdactl-test-small:1", input=archive.stdout)
    yield "lambdactl-test-small:1"
    engine.call("rmi", "lambdactl-test-small:1", check=False)


def test_push_answers_what_the_registry_holds(engine: Engine, registry: Registry, small: str) -> None:
    repository = registry.repository("lambdactl/demo/main")
    assert registry_digest(repository, "f00") is None
    digest = push(engine, small, repository, "f00")
    found = oci.manifest_of(f"{repository}:f00")
    assert found
    assert (found.digest, found.media_type) == (digest, DOCKER)
    assert registry_digest(repository, "f00") == digest
    assert push(engine, small, repository, "f00") == digest
    assert find_local(engine, f"{repository}:f00") is None, "the registry's name stays in the engine"


def test_an_image_comes_back_by_digest(engine: Engine, registry: Registry, small: str) -> None:
    repository = registry.repository("pulled")
    digest = push(engine, small, repository, "1")
    ref = pull(engine, repository, digest)
    assert find_local(engine, ref) == find_local(engine, small)
    engine.call("rmi", ref)


def test_a_refused_push_of_what_is_there_already_is_a_success(
    engine: Engine, registry: Registry, small: str, tmp_path: Path
) -> None:
    """As with an immutable tag: a registry that takes no writes, holding the tag."""
    with serve_registry(tmp_path) as writable:
        digest = push(engine, small, writable.repository("a"), "1")
    with serve_registry(tmp_path, settings="maintenance: {readonly: {enabled: true}}") as readonly:
        repository = readonly.repository("a")
        assert push(engine, small, repository, "1") == digest
        with pytest.raises(BuildError, match="could not be pushed"):
            push(engine, small, repository, "2")


@pytest.mark.row("image-index")
def test_an_index_behind_the_tag_is_refused(engine: Engine, registry: Registry, small: str) -> None:
    repository = registry.repository("indexed")
    digest = push(engine, small, repository, "single")
    held = oci.manifest_of(f"{repository}:single")
    assert held
    entry = {"mediaType": DOCKER, "digest": digest, "size": len(held.content)}
    put_manifest(
        f"{repository}:index", OCI_INDEX, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
    )
    found = oci.manifest_of(f"{repository}:index")
    assert found
    with pytest.raises(BuildError, match=r"index of images.*--provenance=false"):
        check_manifest(found, "here")


@pytest.mark.parametrize(
    ("media_type", "layer", "text"),
    [
        ("application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.layer.v1.tar+zstd", "zstd"),
        (
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.oci.image.layer.v1.tar",
            "takes gzip",
        ),
        ("text/html", "", "not an image"),
    ],
)
def test_what_lambda_refuses_is_refused(media_type: str, layer: str, text: str) -> None:
    content = b'{"layers":[{"mediaType":"%s"}]}' % layer.encode()
    with pytest.raises(BuildError, match=text):
        check_manifest(Manifest("sha256:0", media_type, content), "here")


def test_credentials_are_used_and_left_nowhere(
    engine: Engine, small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users, home = tmp_path / "htpasswd", tmp_path / "home"
    users.write_text(HTPASSWD)
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    with serve_registry(tmp_path, users) as locked:
        right = Credentials("user", "open sesame")
        digest = push(engine, small, locked.repository("a"), "1", right)
        assert registry_digest(locked.repository("a"), "1", right) == digest
        with pytest.raises(BuildError, match="401") as refused:
            push(engine, small, locked.repository("a"), "2", Credentials("user", "wrong password"))
    assert "wrong password" not in str(refused.value)
    assert not list(home.rglob("config.json"))
