"""A job's definition: what runs is what was reviewed. Pure; schemas/definition.schema.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.contract import VERSION, ContractError


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    type: str
    version: str = ""
    model: str = ""
    provider: str = ""
    base_url: str = ""
    prompt: str = ""
    system_prompt: str = ""
    max_turns: int | None = None
    model_access: str = "proxy"  # or env: the CLI gets the key itself
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    prices: Mapping[str, Any] = field(default_factory=dict)  # model -> agent.prices.Price, as a document
    permission_mode: str = "bypassPermissions"
    allowed_tools: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)  # values may hold ${secrets.NAME}
    aws: bool = False  # it gets the function's own credentials
    output_schema: Mapping[str, Any] | None = None  # JSON Schema that its structured output must fit


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """`stdio` has command, args, env and aws; `http` and `sse` have url and headers."""

    name: str
    type: str = "stdio"
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False  # the run goes on without it
    aws: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    project: str
    environment: str
    job: str
    image: str  # the fingerprint of the image it was made for
    prefix: str
    timeout: int  # seconds
    agent: Agent
    mcp_servers: tuple[McpServer, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)  # name -> SSM parameter
    artifacts: tuple[str, ...] = ()
    legs: int = 1  # invocations that one run may take
    sha256: str = ""

    @classmethod
    def parse(cls, document: Any, sha256: str = "") -> Definition:
        try:
            return _definition(document, sha256)
        except (KeyError, TypeError, ValueError, AttributeError) as wrong:
            raise ContractError(f"not a definition of version {VERSION}: {wrong!r}") from None


def _definition(document: Mapping[str, Any], sha256: str) -> Definition:
    if document["version"] != VERSION:
        raise ValueError(f"version {document['version']!r}")
    return Definition(
        project=document["project"],
        environment=document["environment"],
        job=document["job"],
        image=document["image"],
        prefix=document["prefix"],
        timeout=document["timeout"],
        agent=_agent(document["agent"]),
        mcp_servers=tuple(_server(name, each) for name, each in sorted(document["mcpServers"].items())),
        secrets=dict(document["secrets"]),
        artifacts=tuple(document["artifacts"]),
        legs=document.get("legs", 1),
        sha256=sha256,
    )


def _agent(document: Mapping[str, Any]) -> Agent:
    return Agent(
        type=document["type"],
        version=document["version"],
        model=document["model"],
        provider=document["provider"],
        base_url=document["baseUrl"],
        prompt=document["prompt"],
        system_prompt=document["systemPrompt"],
        max_turns=document["maxTurns"],
        model_access=document.get("modelAccess", "proxy"),
        max_cost_usd=document.get("maxCostUsd"),
        max_tokens=document.get("maxTokens"),
        prices=dict(document.get("prices", {})),
        permission_mode=document["permissionMode"],
        allowed_tools=tuple(document["allowedTools"]),
        command=tuple(document["command"]),
        env=dict(document["env"]),
        aws=document.get("aws", False),
        output_schema=document.get("outputSchema"),
    )


def _server(name: str, document: Mapping[str, Any]) -> McpServer:
    optional = document.get("optional", False)
    if document["type"] == "stdio":
        return McpServer(
            name=name,
            command=document["command"],
            args=tuple(document["args"]),
            env=dict(document["env"]),
            optional=optional,
            aws=document.get("aws", False),
        )
    return McpServer(
        name=name,
        type=document["type"],
        url=document["url"],
        headers=dict(document["headers"]),
        optional=optional,
    )
