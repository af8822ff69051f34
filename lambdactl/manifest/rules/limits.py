"""AWS's limits that need more than a schema. Pure. Sources: botocore's models, AWS's quotas pages."""

from __future__ import annotations

import json
from collections.abc import Iterator

from lambdactl.manifest.draft import Draft
from lambdactl.manifest.durations import seconds, written
from lambdactl.manifest.finding import Finding, Path
from lambdactl.manifest.job import INVOCATION_MAX, LEGS_MAX

_LEG = 840  # seconds of work; the rest of a leg's 15 minutes is for its start and its checkpoint

_EVENT_AGE = (60, 21600)  # PutFunctionEventInvokeConfig, MaximumEventAgeInSeconds
# Linux allows 128 KiB for one argument or environment variable (MAX_ARG_STRLEN); CLIs take
# prompts as arguments.
TEXT_MAX = 100_000
_ENV_MAX = 32_000


def timeout(draft: Draft) -> Iterator[Finding]:
    duration = seconds(draft.value.get("timeout", "10m"))
    if duration is None:
        return
    if duration > LEGS_MAX * _LEG:
        what = f"timeout {written(duration)} is over what {LEGS_MAX} legs can do, {written(LEGS_MAX * _LEG)}"
        yield Finding(("timeout",), what, "split the work")
    elif duration > INVOCATION_MAX and "legs" not in draft.value:
        what = f"timeout {written(duration)} is over Lambda's limit of 15m"
        hint = "split the work"
        if draft.agent_type != "command":
            hint = f"let the run take several: `legs: {{max: {_needed(duration)}}}`"
        yield Finding(("timeout",), what, hint)
    elif duration < 1:
        yield Finding(("timeout",), "timeout is zero", "give the run some time, as in 10m")


def legs(draft: Draft) -> Iterator[Finding]:
    duration, most = seconds(draft.value.get("timeout", "10m")), draft.value.get("legs", {}).get("max")
    if most is None or duration is None:
        return
    if draft.agent_type == "command":
        what = "legs do not fit type command: there is no conversation that a further leg could go on with"
        yield Finding(("legs",), what, "remove it", key=True)
    elif INVOCATION_MAX < duration <= LEGS_MAX * _LEG and most * _LEG < duration:
        what = f"legs.max {most} is good for {written(most * _LEG)}, and timeout is {written(duration)}"
        hint = f"use {_needed(duration)}: of a leg's 15m, a minute is for its start and its checkpoint"
        yield Finding(("legs", "max"), what, hint)
    elif (
        duration > INVOCATION_MAX and draft.agent.get("modelAccess") == "env" and "maxCostUsd" in draft.agent
    ):
        what = "maxCostUsd with modelAccess env holds for each leg alone: a CLI that is stopped tells no cost"
        yield Finding(("agent", "modelAccess"), what, "leave the model to the proxy: remove modelAccess")


def _needed(duration: int) -> int:
    return -(-duration // _LEG)


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
