"""AWS's limits that need more than a schema. Pure. Sources: botocore's models, AWS's quotas pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from lambdactl.manifest.draft import Draft
from lambdactl.manifest.durations import seconds, written
from lambdactl.manifest.finding import Finding, Path, shown

_TIMEOUT_MAX = 900  # CreateFunction, Timeout (on-demand functions)
_EVENT_AGE = (60, 21600)  # PutFunctionEventInvokeConfig, MaximumEventAgeInSeconds
_TAGS_MAX = 40
_TAG = re.compile(r"[\w\s.:/=+\-@]*")  # lambda's TagKey and TagValue
# Linux allows 128 KiB for one argument or environment variable (MAX_ARG_STRLEN); CLIs take
# prompts as arguments.
TEXT_MAX = 100_000
_ENV_MAX = 32_000


def timeout(draft: Draft) -> Iterator[Finding]:
    duration = seconds(draft.value.get("timeout", "10m"))
    if duration is None:
        return
    if duration > _TIMEOUT_MAX:
        what = f"timeout {written(duration)} is over Lambda's limit of 15m"
        yield Finding(("timeout",), what, "runs in several legs are not there yet; split the work for now")
    elif duration < 1:
        yield Finding(("timeout",), "timeout is zero", "give the run some time, as in 10m")


def event_age(draft: Draft) -> Iterator[Finding]:
    duration = seconds(draft.value.get("maxEventAge", "6h"))
    low, high = _EVENT_AGE
    if duration is not None and not low <= duration <= high:
        what = f"maxEventAge {written(duration)} is out of Lambda's range"
        yield Finding(("maxEventAge",), what, f"use {written(low)} to {written(high)}")


def tags(draft: Draft) -> Iterator[Finding]:
    together = len({**draft.project.tags, **draft.value.get("tags", {})})
    if together > _TAGS_MAX:
        what = f"with the project's, the job has {together} tags; AWS allows 50, lambdactl's own included"
        yield Finding(("tags",), what, f"keep it to {_TAGS_MAX}")
    for key, value in draft.value.get("tags", {}).items():
        fault = tag_fault(key, value)
        if fault:
            yield Finding(("tags", key), *fault, key=True)


def tag_fault(key: str, value: str) -> tuple[str, str] | None:
    if key.lower().startswith(("aws:", "lambdactl:")):
        return f"the tag {shown(key)} is reserved", "AWS sets aws: and lambdactl sets lambdactl: itself"
    if not 1 <= len(key) <= 128 or len(value) > 256:
        return f"the tag {shown(key)} is too long", "AWS allows 128 characters for a key, 256 for a value"
    if not _TAG.fullmatch(key) or not _TAG.fullmatch(value):
        return (
            f"the tag {shown(key)} holds characters that AWS refuses",
            "use letters, digits, spaces and _ . : / = + - @",
        )
    return None


def sizes(draft: Draft) -> Iterator[Finding]:
    for path, text in draft.texts:
        if path[0] != "schedule" and len(text) > TEXT_MAX // 4 and len(text.encode()) > TEXT_MAX:
            what = f"the text has {len(text.encode())} bytes; Linux hands over at most about {TEXT_MAX}"
            yield Finding(path, what, "put it into a file, name that in `include`, and refer to it")
    for path, env in _environments(draft):
        size = len(json.dumps(env))
        if size > _ENV_MAX:
            what = f"the environment has {size} bytes; at most {_ENV_MAX}"
            yield Finding(path, what, "put large texts into files and name those in `include`")


def _environments(draft: Draft) -> Iterator[tuple[Path, object]]:
    yield ("agent", "env"), draft.agent.get("env", {})
    for name, server in draft.servers.items():
        yield ("mcpServers", name, "env"), server.get("env", {})
