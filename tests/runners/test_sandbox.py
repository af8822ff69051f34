"""The sandbox as a function sees it from within: what Lambda gives and denies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdactl.container import Engine
from tests.runners.conftest import Runner

SECRET = "a secret\nof two lines"

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
    "PATH",
    "TZ",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
]


@pytest.fixture(scope="module")
def seen(engine: Engine, image: str) -> dict[str, Any]:
    runner = Runner(engine, image)
    response = runner("look", environment={"GIVEN": SECRET}, ephemeral_storage=64, fill=80)
    assert response.function_error == "", response.payload
    return dict(json.loads(response.payload))


def test_the_environment_and_nothing_more(seen: dict[str, Any]) -> None:
    # Python itself sets LC_CTYPE where the image has no such locale as LANG says (PEP 538).
    assert [name for name in seen["environment"] if name != "LC_CTYPE"] == ENVIRONMENT


def test_a_value_arrives_whole_and_is_in_no_command_line(seen: dict[str, Any]) -> None:
    assert seen["given"] == SECRET
    assert seen["command lines"]
    assert not any("secret" in line for line in seen["command lines"])


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("uid", 993),
        ("gid", 990),
        ("user", "sbx_user1051"),
        ("root user", "root"),  # the image's own entries are kept
        ("write /var", "EROFS"),
        ("write volume", "EROFS"),  # Lambda ignores VOLUME
        ("volume content", "kept\n"),
        ("shm", False),
        ("exec in /tmp", "ran"),
        ("tmp MB", 64),
        ("tmp full", "ENOSPC"),
        ("files", 1024),
        ("capabilities", 0),
        ("no new privileges", 1),
        ("pdeathsig", "EPERM"),
        ("no_new_privs", "EPERM"),
        ("name", ""),  # other prctl options work
        ("namespace", "EPERM"),
    ],
)
def test_what_is_given_and_denied(seen: dict[str, Any], what: str, expected: object) -> None:
    assert seen[what] == expected
