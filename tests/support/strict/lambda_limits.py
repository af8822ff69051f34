"""What Lambda refuses of a function's settings.

Source: botocore's model and Lambda's quotas page; facts of each text: environment over 4 KB
terraform-provider-aws #35030, reserved keys aws-cdk #28048, requests over 5,120 bytes node-lambda #212,
values out of range covidatlas/li #575. The texts for tags are unverified. Both emulators accept all of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from lambdactl.sandbox.messages import Next, Request, Response
from tests.support.strict.call import Seen, ask, invalid, refuse, seen

RANGES = {  # timeouts up to 5,400 s and memory up to 32,768 MB need Lambda's managed instances
    "timeout": ("Timeout", 1, 900),
    "memorySize": ("MemorySize", 128, 10_240),
    "ephemeralStorage.size": ("EphemeralStorage.Size", 512, 10_240),
}
ENVIRONMENT_MAX = 4096  # bytes of the map as JSON
REQUEST_MAX = 5120
KEY = "[a-zA-Z]([a-zA-Z0-9_])+"
RESERVED = frozenset(
    {
        *("AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_REGION"),
        *("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION"),
        *("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"),
        *("AWS_LAMBDA_RUNTIME_API", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR"),
        *("LAMBDA_TASK_ROOT", "_HANDLER", "_X_AMZN_TRACE_ID"),
    }
)
_UNABLE = (
    "Lambda was unable to configure your environment variables because the environment variables you have"
)


def lambda_limits(request: Request, following: Next) -> Response:
    """The layer."""
    call = seen(request)
    if call.service != "lambda":
        return following(request)
    if call.operation == "UpdateFunctionConfiguration" and len(request.body) >= REQUEST_MAX:
        text = f"Request must be smaller than {REQUEST_MAX} bytes for the {call.operation} operation"
        return refuse("lambda", 413, "RequestEntityTooLargeException", text)
    if call.operation in ("CreateFunction", "UpdateFunctionConfiguration"):
        wrong = _out_of_range(call.parameters)
        if wrong:
            text = f"{len(wrong)} validation error detected: {'; '.join(wrong)}"
            return refuse("lambda", 400, "ValidationException", text)
        if text := _environment(call.parameters.get("Environment", {}).get("Variables", {})):
            return invalid("lambda", text)
    if call.operation in ("CreateFunction", "TagResource") and (text := _tags(call, request, following)):
        return invalid("lambda", text)
    return following(request)


def _out_of_range(parameters: Mapping[str, Any]) -> list[str]:
    found = []
    name = str(parameters["FunctionName"])
    bare = name.rpartition(":")[2]
    if len(bare) > 64 or not re.fullmatch(r"[a-zA-Z0-9-_]+", bare):
        found.append(_breaks("functionName", name, "length less than or equal to 64, of [a-zA-Z0-9-_]"))
    for said, (path, low, high) in RANGES.items():
        value = _at(parameters, path)
        if value is not None and value < low:
            found.append(_breaks(said, value, f"value greater than or equal to {low}"))
        if value is not None and value > high:
            found.append(_breaks(said, value, f"value less than or equal to {high}"))
    if len(parameters.get("Description", "")) > 256:
        found.append(_breaks("description", parameters["Description"], "length less than or equal to 256"))
    keys = parameters.get("Environment", {}).get("Variables", {})
    if any(not re.fullmatch(KEY, key) for key in keys if key not in RESERVED):
        found.append(
            "Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy "
            f"constraint: [Member must satisfy regular expression pattern: {KEY}]"
        )
    return found


def _breaks(name: str, value: Any, must: str) -> str:
    return f"Value '{value}' at '{name}' failed to satisfy constraint: Member must have {must}"


def _at(parameters: Mapping[str, Any], path: str) -> Any:
    first, _, rest = path.partition(".")
    value = parameters.get(first)
    return value.get(rest) if rest and value is not None else value


def _environment(variables: Mapping[str, str]) -> str:
    if reserved := sorted(variables.keys() & RESERVED):
        return (
            f"{_UNABLE} provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if variables and len(measured.encode()) > ENVIRONMENT_MAX:
        return f"{_UNABLE} provided exceeded the 4KB limit. String measured: {measured}"
    return ""


def _tags(call: Seen, request: Request, following: Next) -> str:
    tags = dict(call.parameters.get("Tags") or {})
    if call.operation == "TagResource":
        there = ask(following, request, "lambda", "ListTags", Resource=call.parameters["Resource"])
        tags = {**((there or {}).get("Tags") or {}), **tags}
    return wrong_tags(tags)


def wrong_tags(tags: Mapping[str, str]) -> str:
    """Why no resource can have these tags, or "". The words are ours."""
    if len(tags) > 50:
        return "A resource can have at most 50 tags."
    for key, value in tags.items():
        if key.lower().startswith("aws:"):
            return "Tag keys that begin with aws: are reserved."
        if not 1 <= len(key) <= 128 or len(value) > 256:
            return "A tag's key has 1 to 128 characters, its value at most 256."
    return ""
