"""Botocore's errors become ours, with every value that we sent masked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from lambdactl.errors import AwsError, NotFound

LOG_IN = "log in to AWS first (such as `aws sso login`)"
_NOT_FOUND = frozenset(
    {
        "404",
        "NoSuchBucket",
        "NoSuchEntity",
        "NoSuchKey",
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchTagSet",
        "LifecyclePolicyNotFoundException",
        "NotFoundException",
        "ParameterNotFound",
        "RepositoryNotFoundException",
        "RepositoryPolicyNotFoundException",
        "ResourceNotFoundException",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)


class translated:  # noqa: N801 - reads as a statement: `with translated(...)`
    """Botocore's errors become ours, with every value that we sent masked."""

    def __init__(self, call: str, parameters: Mapping[str, Any] | None = None) -> None:
        self.call = call
        self.parameters = parameters or {}

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, AwsError) or not isinstance(error, Exception):
            return
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        if isinstance(error, ClientError):
            answer = error.response.get("Error", {})
            code = str(answer.get("Code", "Unknown"))
            text = masked(str(answer.get("Message") or code), self.parameters)
            metadata = error.response.get("ResponseMetadata", {})
            made = NotFound if code in _NOT_FOUND else AwsError
            raise made(
                f"{code}: {text}",
                code=code,
                call=self.call,
                about=about(self.parameters),
                request_id=str(metadata.get("RequestId", "")),
                status=int(metadata.get("HTTPStatusCode", 0)),
                hint=_hint(code, text),
            ) from None
        # ValueError: an endpoint that is no URL. The parser's own and KeyError: half an answer.
        if isinstance(error, BotoCoreError | ResponseParserError | ValueError | KeyError):
            name = "ResponseParserError" if isinstance(error, KeyError) else type(error).__name__
            raise AwsError(
                masked(str(error), self.parameters),
                code=name,
                call=self.call,
                about=about(self.parameters),
                hint=_HINTS.get(name, ""),
            ) from None


def _hint(code: str, text: str) -> str:
    if code == "MalformedPolicyDocument" and "principal" in text.lower():
        return "a principal under `localDev:` in a manifest does not exist, or did not exist a minute ago"
    return ""


_HINTS = {
    "NoCredentialsError": f"{LOG_IN}, or try the sandbox: `--sandbox`",
    "ProfileNotFound": "AWS_PROFILE names a profile that ~/.aws/config does not have",
    "NoRegionError": "set `region:` in lambdactl.yaml, or AWS_REGION",
    "TokenRetrievalError": "log in again: `aws sso login`",
    "SSOTokenLoadError": "log in again: `aws sso login`",
    "ValueError": "check AWS_ENDPOINT_URL",
    "EndpointConnectionError": "check the network, the region, and AWS_ENDPOINT_URL",
}
# Where values stand that must not be echoed: a function's environment, a parameter's value.
_SENSITIVE = frozenset({"Environment", "Variables", "Value"})

# The parameters that name what a call is about, what it lies in first. No other is ever shown.
_NAMING = (
    "Bucket",
    "Key",
    "FunctionName",
    "RoleName",
    "PolicyName",
    "GroupName",
    "Name",
    "repositoryName",
    "repositoryNames",
    "imageTag",
    "logGroupName",
    "logGroupNamePrefix",
    "PathPrefix",
    "Prefix",
    "Resource",
    "ResourceArn",
    "resourceArn",
)


def about(parameters: Mapping[str, Any]) -> str:
    """What a call with these parameters is about, by its name; "" for a call about the whole account."""
    named = (parameters[key] for key in _NAMING if key in parameters)
    names = (",".join(each) if isinstance(each, list | tuple) else each for each in named)
    return masked("/".join(str(name) for name in names), parameters)


def masked(text: str, parameters: Mapping[str, Any]) -> str:
    """`text` without the sensitive values of `parameters`, and without AWS's echo of an environment."""
    for value in sorted(_leaves(parameters, inside=False), key=len, reverse=True):
        text = text.replace(value, "***")
    return re.sub(r"(String measured: )\{.*\}", r"\1{***}", text, flags=re.DOTALL)


def _leaves(value: Any, *, inside: bool) -> Iterable[str]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(each, inside=inside or key in _SENSITIVE)
    elif inside and isinstance(value, str) and len(value) >= 4:
        yield value
