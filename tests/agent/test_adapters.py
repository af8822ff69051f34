"""What the adapters write and read, by values alone; the handler; a CLI that misbehaves."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest

from agent.clis import Assignment
from agent.clis.claude_code import ClaudeCode
from agent.clis.codex import Codex
from agent.definition import Definition, McpServer
from agent.events import Called, Ended, Noticed, Returned
from agent.handler import handle
from agent.layout import Layout
from agent.processes import MARK
from tests.agent.bench import FINGERPRINT, Bench, definition

NASTY = 'quote " back \\ new\nline tab\t del\x7f bell\x07 √ ${x} \U0001f600'
SERVERS = (
    McpServer(name='od"d.name', command="run/npm/server-1.0.0", args=(NASTY,), env={"TOKEN": NASTY}),
    McpServer(name="docs", type="http", url="https://docs.example/mcp", headers={"Authorization": NASTY}),
)


def assignment(type_: str, **changes: Any) -> Assignment:
    agent = {"type": type_, "model": "m", "prompt": "-rf", "systemPrompt": NASTY, "maxTurns": 4, **changes}
    return Assignment(
        run_id="019ad3c1-7a40-7000-8000-0242ac120002",
        definition=Definition.parse(definition(agent)),
        layout=Layout(Path("/tmp/run")),
        home=Path("/opt/lambdactl"),
        env={"PATH": "/bin", MARK: "/tmp/run:x"},
        servers=SERVERS,
        model_key="model-key-value",
        base_url="http://127.0.0.1:1",
    )


@pytest.mark.parametrize("adapter", [ClaudeCode, Codex])
def test_no_secret_is_on_the_command_line(adapter: type[ClaudeCode] | type[Codex]) -> None:
    launch = adapter(assignment("x")).launch()
    assert NASTY not in " ".join(launch.argv)
    assert "model-key-value" not in " ".join([*launch.argv, *launch.files.values()])
    assert "-rf" in launch.files.values()  # the prompt; no argument, so no option either


def test_codex_gets_its_configuration_as_it_was_meant() -> None:
    launch = Codex(assignment("codex")).launch()
    config = tomllib.loads(launch.files[Path("/tmp/run/codex/config.toml")])
    assert config["developer_instructions"] == NASTY
    server = config["mcp_servers"]['od"d.name']
    assert server["args"][-2:] == ["/opt/lambdactl/run/npm/server-1.0.0", NASTY]
    assert server["env"] == {"PATH": "/bin", "TOKEN": NASTY, MARK: "/tmp/run:x"}
    assert config["mcp_servers"]["docs"]["http_headers"] == {"Authorization": NASTY}
    assert all(each["required"] for each in config["mcp_servers"].values())
    assert launch.env["CODEX_API_KEY"] == "model-key-value"


def test_claude_code_gets_its_configuration_as_it_was_meant() -> None:
    launch = ClaudeCode(assignment("claude-code")).launch()
    servers = json.loads(launch.files[Path("/tmp/run/config/mcp.json")])["mcpServers"]
    assert servers['od"d.name']["args"][-2:] == ["/opt/lambdactl/run/npm/server-1.0.0", NASTY]
    assert servers["docs"] == {
        "type": "http", "url": "https://docs.example/mcp", "headers": {"Authorization": NASTY},
    }  # fmt: skip
    assert "model-key-value" not in launch.env.values()
    assert "--max-turns=4" in launch.argv


@pytest.mark.parametrize("adapter", [ClaudeCode, Codex])
def test_unknown_events_and_empty_ones_are_no_error(adapter: type[ClaudeCode] | type[Codex]) -> None:
    cli = adapter(assignment("x"))
    for line in (
        b"",
        b"not json",
        b"{}",
        b'{"type": "news"}',
        b'{"type": "item.completed"}',
        b'{"type": "user"}',
    ):
        assert not list(cli.parse(line))
    (ended,) = cli.parse(b'{"type": "result"}' if adapter is ClaudeCode else b'{"type": "turn.failed"}')
    assert isinstance(ended, Ended)
    assert ended.outcome == "failed"


def test_codex_items() -> None:
    def parse(**item: Any) -> list[Any]:
        return list(
            Codex(assignment("codex")).parse(json.dumps({"type": "item.completed", "item": item}).encode())
        )

    assert parse(type="error", message="slow") == [Noticed(message="slow")]
    assert parse(type="mcp_tool_call", status="failed", error={"message": "no"}) == [
        Returned(text="no", is_error=True)
    ]
    assert parse(type="file_change", changes=[{"path": "a"}, {"path": "b"}], status="completed") == [
        Called(tool="apply_patch", arguments="a b"), Returned(text=""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ('{"error": {"message": "the limit is reached", "code": null}}', "the limit is reached"),
        ("Reconnecting 1/5", "Reconnecting 1/5"),
        ('{"error": "no"}', '{"error": "no"}'),
        ("[1]", "[1]"),
    ],
)
def test_codex_errors_are_words(told: str, said: str) -> None:
    def parse(event: dict[str, Any]) -> list[Any]:
        return list(Codex(assignment("codex")).parse(json.dumps(event).encode()))

    assert parse({"type": "error", "message": told}) == [Noticed(message=said)]
    (ended,) = parse({"type": "turn.failed", "error": {"message": told}})
    assert ended.reason == said


def fake(bench: Bench, script: str) -> dict[str, Any]:
    """A program in place of the CLI, for what the real one does only on a bad day."""
    program = bench.home / "bin" / "claude"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return definition({"type": "claude-code", "model": "m", "provider": "anthropic", "prompt": "p"})


def test_lines_that_are_no_events_are_kept_and_counted(bench: Bench) -> None:
    result = '{"type": "result", "subtype": "success", "result": "fine"}'
    strange = '{"type": "assistant", "message": 5}'
    done = bench.run(fake(bench, f"echo hello; echo '{{broken'; echo '{strange}'; echo '{result}'"))
    assert done.ending == ("succeeded", "")
    assert done.result["notes"] == ["events that were not understood: 2"]
    assert done.text("events/000001.jsonl").startswith("hello\n{broken\n")


def test_an_agent_that_ends_without_a_word(bench: Bench) -> None:
    assert bench.run(fake(bench, "exit 0")).ending == ("failed", "the agent ended without a result")


def test_the_reason_of_an_agent_that_dies(bench: Bench) -> None:
    assert bench.run(fake(bench, "echo out of luck >&2; exit 9")).ending == (
        "failed",
        "exit code 9: out of luck",
    )


def test_what_is_written_for_the_cli_is_ours_alone(bench: Bench) -> None:
    done = bench.run(fake(bench, "ls -ln $CLAUDE_CONFIG_DIR >&2; exit 1"))
    modes = {line.split()[-1]: line.split()[0] for line in done.text("stderr/000001.log").splitlines()[1:]}
    assert modes == dict.fromkeys(("mcp.json", "prompt.txt", "settings.json"), "-rw-------")


class Context:
    aws_request_id = "7697a46f-b283-4da3-8e7c-62c11c03dd9e"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def test_the_door_for_lambda(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own: it makes itself the reaper of orphans, and hides its memory."""
    path = bench.store(definition({"command": ["/bin/sh", "-c", "setsid sleep 7431 & cat input.json"]}))
    child = os.fork()
    if child == 0:
        os.environ.update(
            LAMBDACTL_HOME=str(bench.home), LAMBDACTL_WORK=str(bench.work), LAMBDACTL_SECRETS="{}",
            LAMBDACTL_RUN_DIR=str(path.parent), LAMBDACTL_DEFINITION=str(path),
        )  # fmt: skip
        answer = handle({"Records": []}, Context())
        os._exit(0 if answer["runId"] == Context.aws_request_id else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    result = json.loads((path.parent / "out" / "result.json").read_text())
    assert (result["outcome"], result["output"]) == ("succeeded", '{"Records": []}')
    assert result["image"] == FINGERPRINT
    assert not bench.work.exists()
    assert stat.S_ISDIR(bench.home.stat().st_mode)
