"""The sandbox as a function sees it from within: what Lambda gives and denies."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from lambdactl.container import Engine
from lambdactl.runners.host import host, visible_cpus
from tests.conformance.conftest import Shared, answer

row = pytest.mark.row
SECRET = "a secret\nof two lines"
FUNCTION = {
    "environment": {"GIVEN": SECRET},
    "memory": 1024,
    "ephemeral_storage": 64,
    "timeout": 30,
}

# As recorded on AWS (provided.al2023, January 2026), without credentials, which the caller gives, and
# LD_LIBRARY_PATH, which an image sets for itself; PATH is the image's. GIVEN is the function's own.
ENVIRONMENT = [
    "AWS_DEFAULT_REGION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "GIVEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "LANG",
    "OF_THE_IMAGE",
    "PATH",
    "TZ",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
]
VALUES = {
    "_HANDLER": r"functions\.handle",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_NAME": "demo-main-test",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
    "AWS_LAMBDA_FUNCTION_VERSION": r"\$LATEST",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/demo-main-test",
    "AWS_LAMBDA_LOG_STREAM_NAME": r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}",
    "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "LANG": r"en_US\.UTF-8",
    "TZ": ":UTC",
}


@pytest.fixture(scope="module")
def seen(opened: Shared) -> dict[str, Any]:
    response = opened("look", fill=80)
    assert response.function_error == "", response.payload
    return dict(json.loads(response.payload))


@row("environment")
def test_the_environment_and_nothing_more(seen: dict[str, Any]) -> None:
    # Python itself sets LC_CTYPE where the image has no such locale as LANG says (PEP 538).
    assert [name for name in seen["environment"] if name != "LC_CTYPE"] == ENVIRONMENT


@row("environment-values")
def test_what_the_environment_says(seen: dict[str, Any]) -> None:
    wrong = {name: seen["values"][name] for name, form in VALUES.items()
             if not re.fullmatch(form, seen["values"][name])}  # fmt: skip
    assert wrong == {}


@row("runtime-api-address")
def test_where_the_runtime_api_is(seen: dict[str, Any]) -> None:
    host, _, port = seen["values"]["AWS_LAMBDA_RUNTIME_API"].partition(":")
    assert re.fullmatch(r"169\.254\.1[0-4]\d\.1", host)
    assert port == "9001"
    assert seen["values"]["AWS_LAMBDA_METADATA_API"] == f"{host}:9001"
    assert seen["values"]["AWS_XRAY_DAEMON_ADDRESS"] == f"{host}:2000"


def test_a_value_arrives_whole_and_is_in_no_command_line(seen: dict[str, Any]) -> None:
    assert seen["given"] == SECRET
    assert seen["command lines"]
    assert not any("secret" in line for line in seen["command lines"])


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        pytest.param("working folder", "/var/task", marks=row("image-settings")),
        pytest.param("of the image", "given", marks=row("image-settings")),
        pytest.param("uid", 993, marks=[row("user"), row("image-user")]),
        pytest.param("gid", 990, marks=row("user")),
        pytest.param("user", "sbx_user1051", marks=row("user")),
        pytest.param("root user", "root", marks=row("user")),  # the image's own entries are kept
        pytest.param("home", "EROFS", marks=row("home")),
        pytest.param("write /var", "EROFS", marks=row("read-only")),
        pytest.param("write volume", "EROFS", marks=row("image-volume")),
        pytest.param("volume content", "kept\n", marks=row("image-volume")),
        pytest.param("shm", False, marks=row("shm")),
        pytest.param("exec in /tmp", "ran", marks=row("tmp-exec")),
        pytest.param("tmp mode", "41777", marks=row("tmp-mode")),
        pytest.param("tmp owner", 0, marks=row("tmp-mode")),
        pytest.param("tmp MB", 64, marks=row("tmp-size")),
        pytest.param("tmp full", "ENOSPC", marks=row("tmp-size")),
        pytest.param("files", 1024, marks=row("files")),
        pytest.param("capabilities", 0, marks=row("privileges")),
        pytest.param("no new privileges", 1, marks=row("privileges")),
        pytest.param("pdeathsig", "EPERM", marks=row("seccomp")),
        pytest.param("no_new_privs", "EPERM", marks=row("seccomp")),
        pytest.param("name", "", marks=row("seccomp")),  # other prctl options work
        pytest.param("namespace", "EPERM", marks=row("seccomp")),
    ],
)
def test_what_is_given_and_denied(seen: dict[str, Any], what: str, expected: object) -> None:
    assert seen[what] == expected


@row("group")
def test_the_group_has_no_name(seen: dict[str, Any]) -> None:
    assert seen["group"] == "none"


@row("cpus")
def test_cpus_to_see(seen: dict[str, Any], on: Engine) -> None:
    assert seen["CPUs"] == min(visible_cpus(1024), host(on).cpus)


@row("cpu-share")
def test_a_share_of_a_cpu(sandbox: Shared) -> None:
    """0.58 of one at 1,024 MB, at most; with what a period of the scheduler may add."""
    assert 0 < answer(sandbox("spin", seconds=2)) < 0.58 * 1.2


@row("rlimits")
def test_resource_limits(sandbox: Shared) -> None:
    assert answer(sandbox("limits")) == {
        "NOFILE": [1024, 1024],
        "CORE": [10737418240, 10737418240],
        "STACK": [8388608, -1],
        "MEMLOCK": [65536, 65536],
    }


@row("files")
def test_file_descriptors_end_at_1023(sandbox: Shared) -> None:
    assert answer(sandbox("descriptors")) == 1023


@row("metadata")
def test_the_metadata_endpoint(sandbox: Shared) -> None:
    assert answer(sandbox("metadata")) == {"AvailabilityZoneID": "use1-az1"}


@row("image-healthcheck")
def test_a_health_check_does_not_run(sandbox: Shared) -> None:
    """The image's would leave a file every second."""
    assert "healthcheck" not in answer(sandbox("found", after=2.5))


@row("inbound")
def test_no_port_is_published(sandbox: Shared) -> None:
    name = next(each for each in sandbox.runner.left_behind() if each.endswith("-1"))
    settings = json.loads(sandbox.runner.engine.call("inspect", name).stdout)[0]["NetworkSettings"]
    assert not [port for port, published in (settings["Ports"] or {}).items() if published]
