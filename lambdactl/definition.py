"""A job's definition: the resolved job as the one JSON document that its function reads. Pure.

It lies in the bucket under its own SHA-256, so a new prompt is a new document and a new value in the
function's environment, and what runs is what was reviewed. It holds names of secrets, never values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from lambdactl.image import launcher
from lambdactl.manifest.job import Agent, Job, McpServer
from lambdactl.site import Site

VERSION = 1


def definition(job: Job, site: Site, image: str) -> dict[str, Any]:
    """The document for `job`, to be run in the image with the fingerprint `image`."""
    return {
        "version": VERSION,
        "project": site.project,
        "environment": site.environment,
        "job": job.name,
        "image": image,
        "prefix": job.prefix,
        "timeout": job.timeout,
        **({"legs": job.legs} if job.legs > 1 else {}),
        "agent": _agent(job.agent),
        "mcpServers": {server.name: _server(server) for server in job.mcp_servers},
        "secrets": dict(job.secrets),
        "artifacts": list(job.artifacts),
    }


def canonical(document: Mapping[str, Any]) -> bytes:
    """The bytes that are stored and hashed: equal documents have equal bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(document)).hexdigest()


def _agent(agent: Agent) -> dict[str, Any]:
    return {
        "type": agent.type,
        "version": agent.version,
        "model": agent.model,
        "provider": agent.provider,
        "baseUrl": agent.base_url,
        "prompt": agent.prompt,
        "systemPrompt": agent.system_prompt,
        "maxTurns": agent.max_turns,
        "modelAccess": agent.model_access,
        "maxCostUsd": agent.max_cost_usd,
        "maxTokens": agent.max_tokens,
        "prices": {model: dict(price) for model, price in agent.prices.items()},
        "permissionMode": agent.permission_mode,
        "allowedTools": list(agent.allowed_tools),
        "command": list(agent.command),
        "env": dict(agent.env),
        # Only where it says something: a definition that does not use them stays the same document.
        **({"aws": True} if agent.aws else {}),
        **({"outputSchema": dict(agent.output_schema)} if agent.output_schema is not None else {}),
    }


def _server(server: McpServer) -> dict[str, Any]:
    said = {name: True for name in ("optional", "aws") if getattr(server, name)}
    if server.type != "stdio":
        return {"type": server.type, "url": server.url, "headers": dict(server.headers), **said}
    command = launcher(server.package, server.executable) if server.package else server.command
    return {"type": "stdio", "command": command, "args": list(server.args), "env": dict(server.env), **said}
