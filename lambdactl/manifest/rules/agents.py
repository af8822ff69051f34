"""The agent: what fits which type of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lambdactl.manifest.draft import AGENT_FIELDS, Draft
from lambdactl.manifest.finding import Finding, Path
from lambdactl.manifest.pins import OLDEST, TESTED, too_old
from lambdactl.manifest.rules.addresses import address_fault

PROVIDERS = {"claude-code": "anthropic", "codex": "openai"}  # the defaults
ALSO = {"claude-code": ("bedrock",)}

_WHY_NOT = {
    ("codex", "maxTurns"): "Codex has no limit of turns",
    ("codex", "allowedTools"): "Codex cannot be given a list of tools",
    ("codex", "permissionMode"): "Codex's own sandbox does not work in Lambda; the container is the wall",
}
# The supervisor sets these for the agent, and depends on them.
_SUPERVISORS = {"HOME", "PATH", "TMPDIR", "CODEX_HOME", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_TMPDIR"}
_ELSEWHERE = {
    "ANTHROPIC_API_KEY": "declare it under secrets: the supervisor keeps it",
    "OPENAI_API_KEY": "declare it under secrets: the supervisor keeps it",
    "CODEX_API_KEY": "declare it under secrets: the supervisor keeps it",
    "ANTHROPIC_BASE_URL": "use agent.baseUrl",
    "ANTHROPIC_BEDROCK_BASE_URL": "use agent.baseUrl",
    "CLAUDE_CODE_USE_BEDROCK": "use `provider: bedrock` in agent",
    "OPENAI_BASE_URL": "use agent.baseUrl",
}


def type_is_given(draft: Draft) -> Iterator[Finding]:
    if "agent" not in draft.value:
        yield Finding(("agent",), "agent is missing", "add `agent:` with type, model and prompt")
    elif "type" not in draft.agent:
        yield Finding(("agent", "type"), "agent.type is missing", f"choose one of: {', '.join(AGENT_FIELDS)}")


def fields_fit_type(draft: Draft) -> Iterator[Finding]:
    kind = draft.agent_type
    if kind not in AGENT_FIELDS:
        return
    for field in draft.agent:
        if field not in AGENT_FIELDS[kind]:
            why = _WHY_NOT.get((kind, field), f"an agent of type {kind} takes none")
            yield Finding(
                ("agent", field), f"agent.{field} does not fit type {kind}: {why}", "remove it", key=True
            )
    if kind == "command" and draft.servers:
        what = "mcpServers do not fit type command: nothing would connect to them"
        yield Finding(("mcpServers",), what, "remove them", key=True)
    if kind == "command" and "command" not in draft.agent:
        hint = "write the program and its arguments as a list"
        yield Finding(("agent", "command"), "agent.command is missing; type command runs it", hint)


def model_and_prompt(draft: Draft) -> Iterator[Finding]:
    if draft.agent_type not in PROVIDERS:
        return
    if "model" not in draft.agent:
        what = "agent.model is missing; without it, the CLI's own default would change under you"
        yield Finding(("agent", "model"), what, "name the model, as in `model: claude-sonnet-4-6`")
    given = [field for field in ("prompt", "promptFile") if field in draft.agent]
    if len(given) == 2:
        what = "agent has both prompt and promptFile"
        yield Finding(("agent", "promptFile"), what, "keep one of the two", key=True)
    broken = {("agent", "prompt"), ("agent", "promptFile")} & set(draft.broken)
    if not given and not broken:
        yield Finding(
            ("agent", "prompt"), "agent.prompt is missing", "add prompt, or promptFile with a file's name"
        )


def version(draft: Draft) -> Iterator[Finding]:
    kind, text = draft.agent_type, draft.agent.get("version")
    if text and kind in OLDEST and too_old(kind, text):
        what = f"agent.version {text} is too old: lambdactl needs {kind} {OLDEST[kind]} or later"
        yield Finding(("agent", "version"), what, f"{TESTED[kind]} is the tested one")


def provider(draft: Draft) -> Iterator[Finding]:
    wanted, given = PROVIDERS.get(draft.agent_type), draft.agent.get("provider")
    if wanted and given and given not in (wanted, *ALSO.get(draft.agent_type, ())):
        what = f"agent.provider {given} does not work with {draft.agent_type}"
        yield Finding(("agent", "provider"), what, f"use {wanted}, with agent.baseUrl for a gateway")
    if "baseUrl" in draft.agent:
        what, hint = address_fault(draft.agent["baseUrl"])
        if what:
            yield Finding(("agent", "baseUrl"), f"agent.baseUrl {what}", hint)


def reserved_environment(draft: Draft) -> Iterator[Finding]:
    maps: dict[Path, dict[str, str]] = {("agent", "env"): draft.agent.get("env", {})}
    maps |= {("mcpServers", name, "env"): server.get("env", {}) for name, server in draft.servers.items()}
    for path, env in maps.items():
        for name in env:
            hint = _reserved(name, own_agent=path[0] == "agent")
            if hint:
                yield Finding((*path, name), f"{name} may not be set here", hint, key=True)


def _reserved(name: str, *, own_agent: bool) -> str:
    """Why `name` may not be set, or "". Servers may have AWS credentials and keys of their own."""
    if name.startswith(("LAMBDACTL_", "AWS_LAMBDA_")):
        return "names that begin so belong to lambdactl and Lambda"
    if name in _SUPERVISORS:
        return "the supervisor sets it"
    if own_agent and name in _ELSEWHERE:
        return _ELSEWHERE[name]
    if own_agent and name.startswith("AWS_") and name not in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        return "agent.aws: true gives it the job's own credentials and region"
    return ""
