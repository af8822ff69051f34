"""What a machine may say about builds, and what it may not."""

from __future__ import annotations

from pathlib import Path

from lambdactl.image.machine import on_machine
from lambdactl.manifest.job import Settings

PROJECT = Settings(name="demo", root=Path(), ca_bundle="/project.pem")


def test_a_machine_that_says_nothing_changes_nothing() -> None:
    assert on_machine(PROJECT, {}) == PROJECT
    assert on_machine(PROJECT, {"LAMBDACTL_BASE_IMAGE": ""}) == PROJECT


def test_a_bundle_of_the_project_is_found_from_anywhere() -> None:
    inside = Settings(name="demo", root=Path("/a/project"), ca_bundle="certificates/ca.pem")
    assert on_machine(inside, {}).ca_bundle == "/a/project/certificates/ca.pem"


def test_a_machine_replaces_three_settings() -> None:
    found = on_machine(
        PROJECT,
        {
            "LAMBDACTL_BASE_IMAGE": "127.0.0.1:5000/base",
            "LAMBDACTL_CA_BUNDLE": "/machine.pem",
            "LAMBDACTL_BUILD_NETWORK": "host",
            "LAMBDACTL_NAME": "other",
        },
    )
    assert (found.base_image, found.ca_bundle) == ("127.0.0.1:5000/base", "/machine.pem")
    assert (found.build_network, found.name) == ("host", "demo")


def test_the_certificates_of_the_whole_machine_serve_builds_too(tmp_path: Path) -> None:
    system = tmp_path / "ca.pem"
    system.touch()
    plain = Settings(name="demo", root=Path())
    assert on_machine(plain, {"SSL_CERT_FILE": str(system)}).ca_bundle == str(system)
    assert on_machine(plain, {"SSL_CERT_FILE": str(tmp_path / "absent.pem")}).ca_bundle == ""
    assert on_machine(PROJECT, {"SSL_CERT_FILE": str(system)}).ca_bundle == "/project.pem"
    ours = {"SSL_CERT_FILE": str(system), "LAMBDACTL_CA_BUNDLE": "/machine.pem"}
    assert on_machine(plain, ours).ca_bundle == "/machine.pem"
