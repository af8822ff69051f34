"""A draft without findings -> the frozen values that everything else reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lambdactl.manifest.bundling import bundle, npm, pypi
from lambdactl.manifest.draft import Draft
from lambdactl.manifest.durations import seconds
from lambdactl.manifest.job import INVOCATION_MAX, Agent, Job, McpServer, Packages, Schedule, Settings
from lambdactl.manifest.pins import TESTED
from lambdactl.manifest.rules.agents import PROVIDERS
from lambdactl.manifest.rules.files import read_output_schema, read_prompt
from lambdactl.manifest.rules.prefixes import normal
from lambdactl.manifest.rules.secrets import used
from lambdactl.manifest.rules.servers import type_of
from lambdactl.prices import prices

_PLAIN = ("description", "memory", "architecture", "retries", "concurrency", "role", "protect")


def job(draft: Draft, source: Path) -> Job:
    """`source` is the manifest's file. Reads the promptFile and the schema's file, if there are any."""
    value, taken = draft.value, used(draft)
    rest = {key: value[key] for key in _PLAIN if key in value}
    if "ephemeralStorage" in value:
        rest["ephemeral_storage"] = value["ephemeralStorage"]
    if "retentionDays" in value.get("logs", {}):
        rest["log_retention_days"] = value["logs"]["retentionDays"]
    if value.get("logs", {}).get("format") == "json":
        rest["log_format"] = "JSON"
    timeout = _seconds(value.get("timeout", "10m"))
    if "legs" in value and timeout > INVOCATION_MAX:
        rest["legs"] = value["legs"]["max"]
    if "schedule" in value:
        rest["schedule"] = _schedule(value["schedule"])
    if "localDev" in value:
        rest["local_principals"] = tuple(sorted(value["localDev"]["principals"]))
    return Job(
        name=draft.name,
        agent=_agent(draft),
        prefix=normal(value["prefix"]),
        mcp_servers=tuple(_server(name, draft.servers[name]) for name in sorted(draft.servers)),
        secrets={name: draft.secrets[name] for name in sorted(draft.secrets) if name in taken},
        timeout=timeout,
        max_event_age=_seconds(value.get("maxEventAge", "6h")),
        include=tuple(value.get("include", ())),
        packages=_packages(value.get("packages", {})),
        artifacts=tuple(value.get("artifacts", ())),
        tags={**draft.project.tags, **value.get("tags", {})},
        source=source,
        **rest,
    )


def project(
    value: Mapping[str, Any], root: Path, environment: str, environments: tuple[str, ...] = ()
) -> Settings:
    """lambdactl.yaml's checked value. What is absent (or was broken) has its default."""
    image, allow = value.get("image", {}), value.get("allow", {})
    names = {
        "region": "region",
        "account": "account",
        "bucket": "bucket",
        "kmsKey": "kms_key",
        "permissionsBoundary": "permissions_boundary",
        "jobs": "jobs",
        "sandbox": "sandbox",
        "tags": "tags",
        "prices": "prices",
    }
    images = {"base": "base_image", "caBundle": "ca_bundle", "buildNetwork": "build_network"}
    rest = {names[key]: value[key] for key in names if key in value}
    rest |= {images[key]: image[key] for key in images if key in image}
    return Settings(
        name=value.get("project", ""),
        root=root,
        environment=environment,
        environments=environments,
        allow_parameters=tuple(allow.get("parameters", ())),
        allow_buckets=tuple(allow.get("buckets", ())),
        **rest,
    )


def _agent(draft: Draft) -> Agent:
    value, kind = draft.agent, draft.agent["type"]
    prompt = (
        read_prompt(draft.project.root, value["promptFile"])
        if "promptFile" in value
        else value.get("prompt", "")
    )
    provider = value.get("provider", PROVIDERS.get(kind, ""))
    access = value.get("modelAccess", "proxy") if provider else ""
    return Agent(
        type=kind,
        version=value.get("version", TESTED.get(kind, "")),
        model=value.get("model", ""),
        provider=provider,
        base_url=value.get("baseUrl", ""),
        prompt=prompt,
        system_prompt=value.get("systemPrompt", ""),
        max_turns=value.get("maxTurns"),
        model_access=access,
        max_cost_usd=value.get("maxCostUsd"),
        max_tokens=value.get("maxTokens"),
        prices=prices(provider, draft.project.prices) if access == "proxy" else {},
        permission_mode=value.get("permissionMode", "bypassPermissions"),
        allowed_tools=tuple(value.get("allowedTools", ())),
        command=tuple(value.get("command", ())),
        env=value.get("env", {}),
        aws=value.get("aws", False),
        output_schema=_output_schema(draft, value.get("outputSchema")),
    )


def _output_schema(draft: Draft, given: str | Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return read_output_schema(draft.project.root, given) if isinstance(given, str) else given


def _server(name: str, value: Mapping[str, Any]) -> McpServer:
    kind = type_of(value)
    if kind != "stdio":
        return McpServer(
            name=name,
            type="sse" if kind == "sse" else "http",
            url=value["url"],
            headers=value.get("headers", {}),
            optional=value.get("optional", False),
        )
    found = bundle(value["command"], value.get("args", []))
    return McpServer(
        name=name,
        command=value["command"],
        args=found.args if found else tuple(value.get("args", ())),
        env=value.get("env", {}),
        package=found.package if found else None,
        executable=found.executable if found else "",
        optional=value.get("optional", False),
        aws=value.get("aws", False),
    )


def _schedule(value: str | Mapping[str, Any]) -> Schedule:
    if isinstance(value, str):
        return _schedule({"expression": value})
    rest = {key: value[key] for key in ("timezone", "input", "enabled") if key in value}
    if "flexibleWindow" in value:
        rest["flexible_minutes"] = _seconds(value["flexibleWindow"]) // 60
    # Single spaces: whether AWS keeps others is not known, and they would be a difference for ever.
    return Schedule(expression=" ".join(value["expression"].split()), **rest)


def _packages(value: Mapping[str, Any]) -> Packages:
    return Packages(
        apt=tuple(sorted(value.get("apt", ()))),
        pip=tuple(sorted(map(pypi, value.get("pip", ())))),
        npm=tuple(sorted(map(npm, value.get("npm", ())))),
    )


def _seconds(text: str) -> int:
    duration = seconds(text)
    if duration is None:
        raise ValueError(f"{text} is not a duration")  # the schema let it pass: a bug of ours
    return duration
