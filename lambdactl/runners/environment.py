"""The environment that Lambda gives an image function. Pure.

The names as recorded on AWS in January 2026 for provided.al2023 (LocalStack's snapshots), and the two
of the metadata endpoint that came since (AWS's documentation); PATH and the like are the image's. Not
set there, so not set here: AWS_EXECUTION_ENV, AWS_LAMBDA_FUNCTION_TIMEOUT, AWS_ACCOUNT_ID, HOME,
HOSTNAME, USER.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

from lambdactl.container import PASSED_ON
from lambdactl.errors import RunError
from lambdactl.runners.protocol import Function

# Variables reach the container by way of the engine client's own environment; these would change the client.
CLIENTS_OWN = frozenset(PASSED_ON) - {"LANG"}
CLIENTS_PREFIXES = ("DOCKER_", "CONTAINER", "LD_")


def environment(
    function: Function,
    *,
    runtime_api: str,
    handler: str,
    image: Mapping[str, str],
    metadata_token: str,
    now: datetime | None = None,
) -> dict[str, str]:
    """All variables of one container; `image` is what the image itself sets and keeps."""
    region = function.arn.split(":")[3]
    host = runtime_api.partition(":")[0]
    ours = {
        "_HANDLER": handler,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{now or datetime.now(UTC):%Y/%m/%d}/[$LATEST]{secrets.token_hex(16)}",
        "AWS_LAMBDA_METADATA_API": runtime_api,
        "AWS_LAMBDA_METADATA_TOKEN": metadata_token,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": f"{host}:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": host,
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "TZ": ":UTC",
    }
    if function.log_format == "JSON":
        ours |= {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    if "LANG" not in image:
        ours["LANG"] = "en_US.UTF-8"
    return {**ours, **function.environment}


def check(names: Mapping[str, str]) -> None:
    """RunError for a variable that cannot be handed over without showing it or misleading the client."""
    bad = sorted(name for name in names if name in CLIENTS_OWN or name.startswith(CLIENTS_PREFIXES))
    if bad:
        raise RunError(
            f"the function's environment sets {', '.join(bad)}",
            why="the container engine's client reads variables of this name itself",
            hint="set it in the image, or give it another name",
        )
