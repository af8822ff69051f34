"""A manifest between its schema check and its `Job`: right types, defaults merged, rules to come. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambdactl.manifest.finding import Path
from lambdactl.manifest.job import Settings

_COMMON = frozenset({"type", "env", "aws"})
_CLI = _COMMON | {
    "version",
    "model",
    "provider",
    "baseUrl",
    "prompt",
    "promptFile",
    "systemPrompt",
    "outputSchema",
    "modelAccess",
    "maxCostUsd",
    "maxTokens",
}
AGENT_FIELDS: Mapping[str, frozenset[str]] = {
    "claude-code": _CLI | {"maxTurns", "permissionMode", "allowedTools"},
    "codex": _CLI,
    "command": _COMMON | {"command"},
}
# A default of these holds for agents of the default's own type: a model of one is none of another.
_OF_ONE_TYPE = frozenset({"version", "model", "provider", "baseUrl"})
_PROMPTS = frozenset({"prompt", "promptFile"})
_WHOLE = frozenset({"outputSchema"})  # half of one schema and half of another are none


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """`value` has the defaults in it, `own` is only what the manifest itself says."""

    name: str
    project: Settings
    value: Mapping[str, Any]
    own: Mapping[str, Any]
    broken: tuple[Path, ...] = ()  # taken out of both because it was wrong already
    texts: tuple[tuple[Path, str], ...] = ()  # every text in `value`: several rules walk them

    @property
    def agent(self) -> Mapping[str, Any]:
        return self._map("agent")

    @property
    def agent_type(self) -> str:
        return str(self.agent.get("type", ""))

    @property
    def servers(self) -> Mapping[str, Mapping[str, Any]]:
        return self._map("mcpServers")

    @property
    def secrets(self) -> Mapping[str, str]:
        return self._map("secrets")

    @property
    def own_secrets(self) -> Mapping[str, str]:
        secrets: Mapping[str, str] = self.own.get("secrets", {})
        return secrets

    def _map(self, field: str) -> Mapping[str, Any]:
        value: Mapping[str, Any] = self.value.get(field, {})
        return value


def with_defaults(own: Mapping[str, Any], defaults: Mapping[str, Any]) -> Mapping[str, Any]:
    """`own` over those of the `defaults` that fit its type of agent: maps merged, lists replaced."""
    return _merge(_fitting(own, defaults), own) if defaults else own


def overlaid(under: Mapping[str, Any], over: Mapping[str, Any]) -> Mapping[str, Any]:
    """`over` on top of `under`, field by field. Another type of agent, or another prompt, takes away
    what belonged to the one below."""
    if not over:
        return under
    below, agent = under.get("agent", {}), over.get("agent", {})
    if agent.get("type", below.get("type")) != below.get("type"):
        return with_defaults(over, under)
    if _PROMPTS & agent.keys():
        under = {**under, "agent": {key: value for key, value in below.items() if key not in _PROMPTS}}
    return _merge(under, over)


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        both_maps = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merge(below, value) if both_maps and below and key not in _WHOLE else value
    return merged


def _fitting(own: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    own_agent, agent = own.get("agent", {}), defaults.get("agent", {})
    kind = own_agent.get("type", agent.get("type", ""))
    unfit = set(agent) - AGENT_FIELDS.get(kind, frozenset(agent))
    if "type" in agent and agent["type"] != kind:
        unfit |= _OF_ONE_TYPE
    if own_agent.keys() & _PROMPTS:
        unfit |= _PROMPTS
    left_out = {"mcpServers", "legs"} if kind == "command" else set()
    fitting = {key: value for key, value in defaults.items() if key not in left_out}
    if agent:
        fitting["agent"] = {key: value for key, value in agent.items() if key not in unfit}
    return fitting
