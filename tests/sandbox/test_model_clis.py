"""The pinned Claude Code and Codex against the scripted model, with a real MCP server and made-up keys."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lambdactl.sandbox.model import ScriptedModel
from tests.support.model import KEY

Events = list[dict[str, Any]]
Run = Callable[..., tuple[int, Events]]


def run(command: list[str], env: Mapping[str, str], cwd: Path) -> tuple[int, Events]:
    done = subprocess.run(
        command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=120
    )
    lines = done.stdout.decode().splitlines()
    return done.returncode, [json.loads(line) for line in lines if line.startswith("{")]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for name in ("workspace", "home", "tmp", "config", "codex"):
        (tmp_path / name).mkdir()
    return tmp_path / "workspace"


def environment(workspace: Path, **more: str) -> dict[str, str]:
    """All a CLI gets; HOME and the temporary folder are throw-away siblings."""
    home = workspace.parent
    return {"PATH": os.environ["PATH"], "HOME": f"{home}/home", "TMPDIR": f"{home}/tmp", **more}


@pytest.fixture
def claude(scripted_model: ScriptedModel, claude_cli: Path, everything_server: Path, workspace: Path) -> Run:
    servers = {"everything": {"command": str(everything_server), "args": ["stdio"]}}
    config = workspace.parent / "mcp.json"
    config.write_text(json.dumps({"mcpServers": servers}))

    def call(prompt: str, *more: str, key: str = KEY) -> tuple[int, Events]:
        command = [
            str(claude_cli),
            "-p",
            "--output-format=stream-json",
            "--verbose",
            f"--mcp-config={config}",
        ]
        command += ["--strict-mcp-config", "--setting-sources=", "--permission-mode=bypassPermissions"]
        env = environment(
            workspace,
            ANTHROPIC_API_KEY=key,
            ANTHROPIC_BASE_URL=scripted_model.url,
            CLAUDE_CODE_MAX_RETRIES="1",
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
            CLAUDE_CONFIG_DIR=f"{workspace.parent}/config",
            DISABLE_UPDATES="1",
            IS_SANDBOX="1",
        )
        return run([*command, "--model=claude-sonnet-4-5", *more, prompt], env, workspace)

    return call


@pytest.fixture
def codex(scripted_model: ScriptedModel, codex_cli: Path, everything_server: Path, workspace: Path) -> Run:
    provider: dict[str, Any] = {
        "name": "scripted",
        "base_url": f"{scripted_model.url}/v1",
        "env_key": "CODEX_API_KEY",
    }
    provider |= {"wire_api": "responses", "request_max_retries": 1, "stream_max_retries": 1}
    server: dict[str, Any] = {"command": str(everything_server), "args": ["stdio"], "required": True}
    lines = ['model = "scripted"', 'model_provider = "scripted"', "[model_providers.scripted]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in provider.items()]
    lines += [
        "[mcp_servers.everything]",
        *(f"{name} = {json.dumps(value)}" for name, value in server.items()),
    ]
    (workspace.parent / "codex/config.toml").write_text("\n".join(lines) + "\n")

    def call(prompt: str, *more: str, key: str = KEY) -> tuple[int, Events]:
        command = [
            str(codex_cli),
            "exec",
            "--json",
            "--skip-git-repo-check",
            "--disable=plugins",
            "--disable=apps",
        ]
        env = environment(workspace, CODEX_API_KEY=key, CODEX_HOME=f"{workspace.parent}/codex")
        return run([*command, "--dangerously-bypass-approvals-and-sandbox", *more, prompt], env, workspace)

    return call


REPORT = "Try the everything server, then write what it said to out/report.md."
SCRIPT = """SCRIPT: [{"say": "I start"}, {"bash": "echo made > by-shell.txt"},
    {"tool": "mcp__everything__get-sum", "input": {"a": 20, "b": 22}}, {"say": "It said: {result}"}]"""


def test_claude_code_without_a_script(claude: Run, workspace: Path) -> None:
    code, events = claude(REPORT)
    result = events[-1]
    assert (code, result["type"], result["is_error"], result["num_turns"]) == (0, "result", False, 3)
    assert "mcp__everything__echo answered: Echo: hello from the scripted model" in result["result"]
    assert result["total_cost_usd"] > 0
    assert "Echo: hello" in (workspace / "out/report.md").read_text()


def test_codex_without_a_script(codex: Run, workspace: Path) -> None:
    code, events = codex(REPORT)
    assert (code, events[-1]["type"]) == (0, "turn.completed")
    assert events[-1]["usage"]["cached_input_tokens"] > 0
    assert "Echo: hello from the scripted model" in events[-2]["item"]["text"]
    assert "Echo: hello" in (workspace / "out/report.md").read_text()


def test_claude_code_plays_a_script(claude: Run, workspace: Path) -> None:
    code, events = claude(SCRIPT)
    assert (code, events[-1]["result"]) == (0, "It said: The sum of 20 and 22 is 42.")
    assert (workspace / "by-shell.txt").read_text() == "made\n"


@pytest.mark.parametrize("model", ["unknown-model", "gpt-5.5"])
def test_codex_plays_the_same_script(codex: Run, workspace: Path, model: str) -> None:
    """For a model Codex knows, it offers MCP tools only through its tool search."""
    code, events = codex(SCRIPT, f"--model={model}")
    assert (code, events[-2]["item"]["text"]) == (0, "It said: The sum of 20 and 22 is 42.")
    assert (workspace / "by-shell.txt").read_text() == "made\n"


def test_claude_code_resumes_in_the_midst_of_a_script(claude: Run) -> None:
    _, events = claude('SCRIPT: [{"say": "one"}, {"stop": "end_turn"}, {"say": "two"}]')
    assert events[-1]["result"] == "one"
    _, events = claude("Go on.", f"--resume={events[-1]['session_id']}")
    assert events[-1]["result"] == "two"


def test_a_failing_model_and_a_wrong_key_reach_claude_code(claude: Run) -> None:
    code, events = claude('SCRIPT: [{"error": {"status": 500, "message": "on fire"}}]')
    assert (code, events[-1]["is_error"], events[-1]["api_error_status"]) == (1, True, 500)
    code, events = claude("hi", key="another-made-up-key")
    assert (code, events[-1]["is_error"], events[-1]["api_error_status"]) == (1, True, 401)


def test_a_failing_model_and_a_wrong_key_reach_codex(codex: Run) -> None:
    code, events = codex('SCRIPT: [{"error": {"status": 500}}]')
    assert (code, events[-1]["type"]) == (1, "turn.failed")
    code, events = codex("hi", key="another-made-up-key")
    assert (code, events[-1]["type"]) == (1, "turn.failed")
    assert "401" in events[-1]["error"]["message"]
