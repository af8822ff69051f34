"""What the function's environment says. Reads a mapping, nothing else; none of it reaches a child."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.contract import ContractError
from agent.hardening import RUNTIME_API

HOME = Path("/opt/lambdactl")
WORK = Path("/tmp/run")  # noqa: S108 - /tmp is the one writable place on Lambda; ours is 0700


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`secrets` is None where SSM is asked; `credentials` are the function's own, to be masked."""

    definition: str  # an S3 key, or a path when there is no bucket
    bucket: str = ""
    run_dir: Path | None = None
    home: Path = HOME
    work: Path = WORK
    model_url: str = ""
    function: str = ""  # our own name, to invoke it again
    asks: bool = False  # for the next leg of a run in the response, instead of invoking it
    secrets: Mapping[str, str] | None = field(default=None, repr=False)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    passed_on: Mapping[str, str] = field(default_factory=dict, repr=False)
    aws: Mapping[str, str] = field(default_factory=dict, repr=False)  # for what says `aws: true`
    memory: int | None = None  # bytes that the function has
    runtime_api: str = ""


# Nothing else of the function's environment reaches a child; TZ and LANG so that times and text
# look as the function was told, the rest so that a gateway or proxy of the network can be reached.
PASSED_ON = (
    "PATH",
    "LANG",
    "TZ",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
)
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
# The endpoint is the embedded AWS's, and is not there in Lambda.
AWS = (*CREDENTIALS, "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL")


def read(environment: Mapping[str, str]) -> Settings:
    bucket, run_dir = environment.get("LAMBDACTL_BUCKET", ""), environment.get("LAMBDACTL_RUN_DIR", "")
    definition = environment.get("LAMBDACTL_DEFINITION", "")
    if not definition or not (bucket or run_dir):
        raise ContractError("LAMBDACTL_DEFINITION, and LAMBDACTL_BUCKET or LAMBDACTL_RUN_DIR, must be set")
    return Settings(
        definition=definition,
        bucket=bucket,
        run_dir=None if bucket else Path(run_dir),
        home=Path(environment.get("LAMBDACTL_HOME") or HOME),
        work=Path(environment.get("LAMBDACTL_WORK") or WORK),
        model_url=environment.get("LAMBDACTL_MODEL_URL", ""),
        function=environment.get("AWS_LAMBDA_FUNCTION_NAME", ""),
        asks=not bucket or environment.get("LAMBDACTL_NEXT_LEG") == "response",
        secrets=_secrets(environment.get("LAMBDACTL_SECRETS")),
        credentials=_named(environment, CREDENTIALS),
        passed_on=_named(environment, PASSED_ON),
        aws=_named(environment, AWS),
        runtime_api=environment.get(RUNTIME_API, ""),
        memory=_memory(environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")),
    )


def _secrets(text: str | None) -> Mapping[str, str] | None:
    if text is None:
        return None
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        # Without the text, and without the parser's message: both could show a value.
        raise ContractError("LAMBDACTL_SECRETS is not a JSON object of strings")
    return values


def _memory(megabytes: str) -> int | None:
    return int(megabytes) << 20 if megabytes.isdigit() else None


def _named(environment: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: environment[name] for name in names if environment.get(name)}
