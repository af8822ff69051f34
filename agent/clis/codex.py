"""Agent type `codex`: `codex exec` with a stream of JSON events. Pure.

Written for 0.169.0. Codex cannot start a shell command on Lambda: it insists on PR_SET_PDEATHSIG,
which Lambda's seccomp filter denies (openai/codex#4725). Its MCP servers start without, so its shell
is one of those (agent.mcp_shell), everywhere, that a run here and a run there are the same.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import agent
from agent import structured
from agent.child import Stop
from agent.clis import Assignment, Launch, mcp
from agent.definition import McpServer
from agent.events import Began, Called, Ended, Event, Noticed, Returned, Said
from agent.numbers import count
from agent.result import ServerStatus, Usage
from agent.watchdog import ANSWER, MCP_START, Silence, tool_limit

KEY = "CODEX_API_KEY"  # the only variable `codex exec` takes a key from
PROVIDER = "lambdactl"
RETRIES = 3
SHELL_SLACK = 5  # seconds for our shell to say itself that a command took too long
SHELL = "shell"  # the name of our shell server, with "_" behind it where a declared one has that name

# Optional servers that fail are told of in its log alone, as warnings of this module.
LOG = "error,codex_mcp::rmcp_client=warn"
_MCP_FAILED = re.compile(r'MCP server startup failed server_name="([^"]+)" error=(.+)')
_MCP_DOWN = re.compile(r"required MCP servers failed to initialize: (.+)")


class Codex:
    speaks = True
    adds_up = True
    # SIGINT lets it write what was aborted; it has no handler for SIGTERM.
    stops = (Stop(signal=signal.SIGINT, seconds=3), Stop(signal=signal.SIGTERM, seconds=2))

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._home = assignment.layout.codex
        self._said = ""
        self._up = self._works = False  # it has a thread; it has begun with its first turn
        self._optional = any(server.optional for server in assignment.servers)

    @property
    def silence(self) -> Silence:
        return Silence(between=self._tool_limit + SHELL_SLACK + ANSWER)

    @property
    def _tool_limit(self) -> int:
        return tool_limit(self._assignment.seconds)

    def launch(self) -> Launch:
        prompt = self._assignment.layout.config / "prompt.txt"
        schema = self._assignment.definition.agent.output_schema
        asked = {self._schema_file: structured.spelled(schema)} if schema else {}
        return Launch(
            argv=self._argv(),
            env=self._env(),
            files={
                prompt: self._assignment.prompt,
                self._home / "config.toml": self._config(),
                **asked,
            },
            read_once=(self._home / "config.toml",),
            stdin=prompt,  # a file ends; an argument may not exceed 128 KiB
        )

    def parse(self, line: bytes) -> Iterable[Event]:
        if not line.startswith(b"{"):
            return ()
        event = json.loads(line)
        item = event.get("item") or {}
        self._works = self._works or bool(item)
        match event.get("type"):
            case "thread.started":
                return (self._began(event),)
            case "item.started":
                return self._called(item)
            case "item.completed":
                return self._completed(item)
            case "turn.completed":
                return (self._ended(event),)
            case "turn.failed":
                reason = _words((event.get("error") or {}).get("message") or "the turn failed")
                return (Ended(outcome="failed", reason=reason, output=self._said),)
            case "error":
                return (Noticed(message=_words(event.get("message"))),)  # most are retries
        return ()

    def diagnose(self, stderr: str) -> Iterable[Event]:
        """What became of its servers is told on standard error only."""
        if self._up:
            return self._optional_servers(stderr) if self._optional else ()
        if not (found := _MCP_DOWN.search(stderr)):
            return ()
        names = [self._shell_name, *(server.name for server in self._assignment.servers)]
        down = [name for name in names if f"{name}: " in found[1]]
        # Between the name and the cause stand the names of its Rust types.
        cause = found[1].rpartition("error: ")[2]
        return (
            Began(
                servers=tuple(ServerStatus(name=name, status="failed") for name in down),
                details=dict.fromkeys(down, cause),
            ),
        )

    def session_files(self) -> Iterable[tuple[Path, str]]:
        return ((self._home / "sessions", "**/*.jsonl"),)

    # -- what to start ---------------------------------------------------------------------------

    def _argv(self) -> tuple[str, ...]:
        resume = self._assignment.resume
        return (
            "codex",
            "exec",
            "--json",
            f"--cd={self._assignment.layout.workspace}",
            "--skip-git-repo-check",
            # Its own sandboxes need what Lambda denies; the microVM is the sandbox.
            "--dangerously-bypass-approvals-and-sandbox",
            "--ignore-rules",
            "--strict-config",
            "--disable=plugins",
            "--disable=apps",
            "--disable=shell_tool",
            "--disable=shell_snapshot",  # a file with all of its environment, the model's key among it
            *([f"--output-schema={self._schema_file}"] if self._wants_schema else []),
            *(("resume", resume.session_id) if resume else ()),  # which takes none of the options above
            "-",
        )

    @property
    def _wants_schema(self) -> bool:
        return self._assignment.definition.agent.output_schema is not None

    @property
    def _schema_file(self) -> Path:
        return self._assignment.layout.config / "output-schema.json"

    def _env(self) -> dict[str, str]:
        assignment = self._assignment
        key = {KEY: assignment.model_key} if assignment.model_key else {}
        log = {"RUST_LOG": LOG} if self._optional else {}
        return {**assignment.env, "CODEX_HOME": str(self._home), **log, **key, **assignment.agent_env}

    def _config(self) -> str:
        agent_ = self._assignment.definition.agent
        top: dict[str, Any] = {"check_for_update_on_startup": False}
        if self._optional:
            top["mcp_optional_startup_grace_ms"] = 0  # the first turn waits for them, as for the required
        if agent_.model:
            top["model"] = agent_.model
        if agent_.system_prompt:
            top["developer_instructions"] = agent_.system_prompt
        tables: dict[tuple[str, ...], Mapping[str, Any]] = {("analytics",): {"enabled": False}}
        if self._assignment.base_url:
            # The built-in provider would first try a WebSocket there.
            top["model_provider"] = PROVIDER
            tables["model_providers", PROVIDER] = {
                "name": PROVIDER,
                "base_url": self._assignment.base_url,
                "env_key": KEY,
                "wire_api": "responses",
                "request_max_retries": RETRIES,
                "stream_max_retries": RETRIES,
            }
        tables["mcp_servers", self._shell_name] = self._shell()
        for server in self._assignment.servers:
            tables["mcp_servers", server.name] = self._server(server)
        return _toml({(): top, **tables})

    def _server(self, server: McpServer) -> dict[str, Any]:
        if server.type != "stdio":
            rest: dict[str, Any] = {"url": server.url, "http_headers": dict(server.headers)}
        else:
            start = mcp.start(server, self._assignment)
            rest = {"command": start.command, "args": list(start.args), "env": start.env}
        return self._bounds() | {"required": not server.optional} | rest

    @property
    def _shell_name(self) -> str:
        return SHELL + "_" * any(server.name == SHELL for server in self._assignment.servers)

    def _shell(self) -> dict[str, Any]:
        """Our shell: what it starts has the agent's environment, without the model's key."""
        assignment = self._assignment
        program = str(Path(agent.__file__).with_name("mcp_shell.py"))
        server = McpServer(
            name=self._shell_name,
            command=sys.executable,
            args=("-I", program, str(self._tool_limit)),
            env=assignment.agent_env,
        )
        start = mcp.start(server, assignment)
        return self._bounds() | {"command": start.command, "args": list(start.args), "env": start.env}

    def _bounds(self) -> dict[str, Any]:
        return {
            "required": True,
            "startup_timeout_sec": MCP_START,
            "tool_timeout_sec": self._tool_limit + SHELL_SLACK,
            "default_tools_approval_mode": "approve",
        }

    # -- what its output means -------------------------------------------------------------------

    def _began(self, event: Mapping[str, Any]) -> Began:
        """That there is a thread says that the required servers are connected."""
        self._up = True
        servers = tuple(
            ServerStatus(name=each.name, status="pending" if each.optional else "connected")
            for each in self._assignment.servers
        )
        thread = event.get("thread_id")
        return Began(session_id=thread if isinstance(thread, str) else None, servers=servers)

    def _optional_servers(self, stderr: str) -> Iterable[Event]:
        """The first turn waited for all of them: one that did not fail by then is connected."""
        causes = dict(_MCP_FAILED.findall(stderr))
        silent = "connected" if self._works else "pending"
        servers = tuple(
            ServerStatus(
                name=each.name,
                status="failed" if each.name in causes else silent if each.optional else "connected",
            )
            for each in self._assignment.servers
        )
        details = {name: cause.rpartition("error: ")[2] for name, cause in causes.items()}
        return (Began(servers=servers, details=details),)

    def _called(self, item: Mapping[str, Any]) -> Iterable[Event]:
        match item.get("type"):
            case "mcp_tool_call":
                server, tool = item.get("server"), item.get("tool")
                name = "shell" if server == self._shell_name else f"mcp__{server}__{tool}"
                return (Called(tool=name, arguments=item.get("arguments")),)
            case "command_execution":
                return (Called(tool="command", arguments=str(item.get("command"))),)
            case "web_search":
                return (Called(tool="web_search", arguments=str(item.get("query"))),)
        return ()

    def _completed(self, item: Mapping[str, Any]) -> Iterable[Event]:
        failed = item.get("status") == "failed"
        match item.get("type"):
            case "agent_message":
                self._said = str(item.get("text") or "")
                return (Said(text=self._said),)
            case "mcp_tool_call":
                return (_returned(item, failed),)
            case "command_execution":
                return (Returned(text=str(item.get("aggregated_output") or ""), is_error=failed),)
            case "file_change":
                paths = [str(each.get("path")) for each in item.get("changes") or ()]
                return (
                    Called(tool="apply_patch", arguments=" ".join(paths)),
                    Returned(text="", is_error=failed),
                )
            case "error":
                return (Noticed(message=str(item.get("message"))),)
        return ()

    def _ended(self, event: Mapping[str, Any]) -> Ended:
        return Ended(
            outcome="succeeded",
            output=self._said,
            structured=_json(self._said) if self._wants_schema else None,
            usage=_usage(event.get("usage") or {}),
        )


def _json(text: str) -> Any:
    """Its final text, which is to be JSON; None when it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _words(message: Any) -> str:
    """What an error says; a refusal of the provider is told as the JSON that it was."""
    error = found.get("error") if isinstance(found := _json(str(message)), dict) else None
    said = error.get("message") if isinstance(error, dict) else None
    return str(said or message)


def _returned(item: Mapping[str, Any], failed: bool) -> Returned:
    result, error = item.get("result") or {}, item.get("error") or {}
    texts = [str(each.get("text", f"[{each.get('type')}]")) for each in result.get("content") or ()]
    return Returned(text="\n".join(texts) or str(error.get("message") or ""), is_error=failed)


def _usage(usage: Mapping[str, Any]) -> Usage:
    """Of the whole thread. OpenAI counts what came from the cache among the input, we do not."""
    read, written = count(usage.get("cached_input_tokens")), count(usage.get("cache_write_input_tokens"))
    return Usage(
        input_tokens=max(0, count(usage.get("input_tokens")) - read - written),
        output_tokens=count(usage.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
    )


def _toml(tables: Mapping[tuple[str, ...], Mapping[str, Any]]) -> str:
    parts = []
    for path, table in tables.items():
        head = [f"[{'.'.join(map(_value, path))}]"] if path else []
        parts.append(
            "\n".join([*head, *(f"{_value(name)} = {_value(each)}" for name, each in table.items())])
        )
    return "\n\n".join(parts) + "\n"


def _value(value: Any) -> str:
    """JSON's strings, numbers and booleans are TOML's, but for DEL, which TOML wants escaped."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_value(name)} = {_value(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
