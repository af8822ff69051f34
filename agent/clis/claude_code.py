"""Agent type `claude-code`: Claude Code in print mode with a stream of JSON events. Pure.

Written for 2.1.240. What an event holds is read leniently (a missing field is no error): the next
version's stream must still end as an outcome. Nor are they the CLI's for certain: any process of the agent
can write into its output, so what they hold may be of any kind.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from agent import structured
from agent.child import Stop
from agent.clis import Assignment, Launch, mcp
from agent.definition import McpServer
from agent.events import Asked, Began, Called, Ended, Event, Noticed, Returned, Said
from agent.numbers import amount, count
from agent.result import ServerStatus, Usage
from agent.watchdog import ANSWER, MCP_START, Silence, tool_limit

RETRIES = 3  # the default retries a 500 or a 401 for minutes; 3 is some seconds
BASH_DEFAULT = 120  # seconds for a shell command that does not say how long it may take
TOOL_TIMES = ("BASH_MAX_TIMEOUT_MS", "BASH_DEFAULT_TIMEOUT_MS", "MCP_TOOL_TIMEOUT")

QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
    "DISABLE_UPDATES": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
}

MODELS = (
    "ANTHROPIC_DEFAULT_HAIKU_MODEL",
    "ANTHROPIC_DEFAULT_OPUS_MODEL",
    "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_SMALL_FAST_MODEL",
    "CLAUDE_CODE_SUBAGENT_MODEL",
)


class ClaudeCode:
    speaks = True
    adds_up = False  # cost, tokens and turns are its process's
    # SIGTERM ends the turn and writes the transcript; SIGINT would make it exit 0.
    stops = (Stop(signal=signal.SIGTERM, seconds=5),)

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._config = assignment.layout.config
        self._answers: set[str] = set()  # of the model, by their ids: one comes in several events

    @property
    def silence(self) -> Silence:
        """By what it is told, which a manifest's env may change."""
        times = [self._env()[name] for name in TOOL_TIMES]
        longest = max((int(time) for time in times if time.isdigit()), default=0) / 1000
        return Silence(between=longest + ANSWER)

    def launch(self) -> Launch:
        assignment, agent = self._assignment, self._assignment.definition.agent
        prompt, system = self._config / "prompt.txt", self._config / "system-prompt.txt"
        servers = {server.name: self._server(server) for server in assignment.servers}
        files = {
            prompt: assignment.prompt,  # by standard input: an argument may not exceed 128 KiB
            self._config / "mcp.json": json.dumps({"mcpServers": servers}),
            self._config / "settings.json": json.dumps({"permissions": {"allow": list(agent.allowed_tools)}}),
        }
        if agent.system_prompt:
            files[system] = agent.system_prompt
        return Launch(
            argv=self._argv(system if agent.system_prompt else None),
            env=self._env(),
            files=files,
            read_once=(self._config / "mcp.json",),
            stdin=prompt,
            # Not in the environment: every tool and MCP server would inherit it.
            piped={"CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR": assignment.model_key}
            if assignment.model_key and assignment.provider != "bedrock"
            else {},
        )

    def parse(self, line: bytes) -> Iterable[Event]:
        if not line.startswith(b"{"):
            return ()  # what a hook or a library printed
        event = json.loads(line)
        match event.get("type"), event.get("subtype"):
            case "system", "init":
                return (self._began(event),)
            case "system", "api_retry":
                return (Noticed(message=f"the model's API failed and is asked again: {_shown(event)}"),)
            case "assistant", _:
                return (*self._asked(event), *_said(_content(event)))
            case "user", _:
                return tuple(_returned(_content(event)))
            case "result", _:
                return (self._ended(event),)
        return ()

    def diagnose(self, stderr: str) -> Iterable[Event]:
        return ()

    def session_files(self) -> Iterable[tuple[Path, str]]:
        return ((self._config / "projects", "**/*.jsonl"),)

    def _argv(self, system: Path | None) -> tuple[str, ...]:
        agent, resume = self._assignment.definition.agent, self._assignment.resume
        own_limit = agent.max_cost_usd is not None and agent.model_access == "env"
        taken = resume.turns if resume else 0
        return (
            "claude",
            "--print",
            "--output-format=stream-json",
            "--verbose",
            f"--resume={resume.session_id}" if resume else f"--session-id={self._assignment.run_id}",
            f"--mcp-config={self._config / 'mcp.json'}",
            "--strict-mcp-config",
            "--setting-sources=",
            f"--settings={self._config / 'settings.json'}",
            f"--permission-mode={agent.permission_mode}",
            *([f"--model={agent.model}"] if agent.model else []),
            *([f"--max-turns={max(1, agent.max_turns - taken)}"] if agent.max_turns else []),
            # By its own prices. Where our proxy counts, two judges of one limit would disagree.
            *([f"--max-budget-usd={agent.max_cost_usd}"] if own_limit else []),
            *([f"--append-system-prompt-file={system}"] if system else []),
            *([f"--json-schema={structured.spelled(agent.output_schema)}"] if agent.output_schema else []),
        )

    def _env(self) -> dict[str, str]:
        assignment, most = self._assignment, tool_limit(self._assignment.seconds)
        return {
            **assignment.env,
            **QUIET,
            "CLAUDE_CONFIG_DIR": str(self._config),
            "CLAUDE_CODE_TMPDIR": str(assignment.layout.tmp),
            "CLAUDE_CODE_MAX_RETRIES": str(RETRIES),
            "MCP_TIMEOUT": str(MCP_START * 1000),
            "BASH_MAX_TIMEOUT_MS": str(most * 1000),
            "BASH_DEFAULT_TIMEOUT_MS": str(min(BASH_DEFAULT, most) * 1000),
            "MCP_TOOL_TIMEOUT": str(most * 1000),
            **self._model(),
            # It refuses bypassPermissions to user 0, unless told that it is in a sandbox.
            **({"IS_SANDBOX": "1"} if assignment.root else {}),
            **assignment.agent_env,
        }

    def _model(self) -> dict[str, str]:
        assignment = self._assignment
        if assignment.provider != "bedrock":
            return {"ANTHROPIC_BASE_URL": assignment.base_url} if assignment.base_url else {}
        return {
            "CLAUDE_CODE_USE_BEDROCK": "1",
            "CLAUDE_CODE_SKIP_BEDROCK_AUTH": "1",  # our proxy signs
            "ANTHROPIC_BEDROCK_BASE_URL": assignment.base_url,
            "AWS_BEARER_TOKEN_BEDROCK": assignment.model_key,  # of this run, for the proxy
            "AWS_REGION": "us-east-1",  # it insists on one; the proxy has the function's
            "AWS_EC2_METADATA_DISABLED": "true",
            # The role may invoke one model: nothing is to ask another.
            **dict.fromkeys(MODELS, assignment.definition.agent.model),
        }

    def _server(self, server: McpServer) -> dict[str, Any]:
        if server.type != "stdio":
            return {"type": server.type, "url": server.url, "headers": dict(server.headers)}
        start = mcp.start(server, self._assignment)
        return {"type": "stdio", "command": start.command, "args": list(start.args), "env": start.env}

    def _asked(self, event: Mapping[str, Any]) -> Iterable[Event]:
        """What a request cost, as far as it is known when its answer begins."""
        message = event.get("message") or {}
        if (id_ := str(message.get("id"))) in self._answers:
            return ()
        self._answers.add(id_)
        return (Asked(usage=_usage(message.get("usage") or {}), turn=not event.get("parent_tool_use_id")),)

    def _began(self, event: Mapping[str, Any]) -> Began:
        seen = {each.get("name"): str(each.get("status")) for each in event.get("mcp_servers") or ()}
        servers = tuple(
            ServerStatus(name=server.name, status=seen.get(server.name, "unknown"))
            for server in self._assignment.servers
        )
        session = event.get("session_id")
        return Began(session_id=session if isinstance(session, str) else None, servers=servers)

    def _ended(self, event: Mapping[str, Any]) -> Ended:
        kind, text = event.get("subtype"), str(event.get("result") or "")
        if kind in ("error_max_turns", "error_max_budget_usd"):
            limit = (
                f"{self._assignment.definition.agent.max_turns} turns"
                if kind.endswith("turns")
                else "its cost"
            )
            outcome, reason = "budget_exceeded", f"the limit of {limit} was reached"
        elif kind == "success" and not event.get("is_error"):
            outcome, reason = "succeeded", ""
        else:
            errors = "; ".join(map(str, event.get("errors") or ()))
            outcome, reason = "failed", errors or text or str(kind)
        denied = sorted({str(each.get("tool_name")) for each in event.get("permission_denials") or ()})
        return Ended(
            outcome=outcome,  # type: ignore[arg-type]
            reason=reason,
            output=text,
            structured=event.get("structured_output"),
            usage=_usage(event.get("usage") or {}),
            cost_usd=amount(event.get("total_cost_usd")),
            turns=_turns(event.get("num_turns")),
            notes=(f"tools were asked for and denied: {', '.join(denied)}",) if denied else (),
        )


def _content(event: Mapping[str, Any]) -> list[Any]:
    content = (event.get("message") or {}).get("content")
    return content if isinstance(content, list) else []


def _said(content: Iterable[Any]) -> Iterator[Event]:
    for block in content:
        if block.get("type") == "text" and block.get("text"):
            yield Said(text=str(block["text"]))
        elif block.get("type") == "tool_use":
            yield Called(tool=str(block.get("name")), arguments=block.get("input"))


def _returned(content: Iterable[Any]) -> Iterator[Event]:
    for block in content:
        if isinstance(block, dict) and block.get("type") == "tool_result":
            yield Returned(text=_text(block.get("content")), is_error=bool(block.get("is_error")))


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(each.get("text", f"[{each.get('type')}]")) for each in content)
    return "" if content is None else str(content)


def _shown(event: Mapping[str, Any]) -> str:
    names = ("error", "error_status", "attempt", "max_retries", "retry_delay_ms")
    return ", ".join(f"{name} {event[name]}" for name in names if event.get(name) is not None)


def _turns(value: Any) -> int | None:
    return None if amount(value) is None else count(value)


def _usage(usage: Mapping[str, Any]) -> Usage:
    return Usage(
        input_tokens=count(usage.get("input_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        cache_read_tokens=count(usage.get("cache_read_input_tokens")),
        cache_write_tokens=count(usage.get("cache_creation_input_tokens")),
    )
