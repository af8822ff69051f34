"""AWS's limits that need more than a schema. Pure. Sources: botocore's models, AWS's quotas pages."""

from __future__ import annotations

import json
from collections.abc import Iterator

from lambdactl.manifest.draft import Draft
from lambdactl.manifest.durations import seconds, written
from lambdactl.manifest.finding import Finding, Path

_TIMEOUT_MAX = 900  # CreateFunction, Timeout (on-demand functions)
_EVENT_AGE = (60, 21600)  # PutFunctionEventInvokeConfig, MaximumEventAgeInSeconds
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
