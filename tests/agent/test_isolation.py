"""Whose secrets are where, with both real CLIs: read from every process of the run and from every file."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.agent import scan
from tests.agent.bench import Bench
from tests.agent.both import EVERYTHING, KINDS, heard, run
from tests.agent.test_codex import MCP_TOKEN
from tests.support.model import KEY

AWS = ("AKIAMADEUPMADEUPMADE", "made-up-secret-access-key", "made-up-session-token")


def holders(kind: str, clis: Bench, *values: str, **changes: Any) -> list[list[str]]:
    """Who holds each value while the agent works: "agent" is its CLI, and what that runs."""
    shutil.copy(Path(scan.__file__), clis.home / "files" / "scan.py")
    calls = [{"bash": f"{sys.executable} scan.py {clis.work} {value[::-1]}"} for value in values]
    done = run(kind, clis, *calls, {"say": "done"}, **changes)
    assert done.ending == ("succeeded", "")
    for value in values:
        assert done.leaks(value) == []
    return [json.loads(text.splitlines()[-1]) for text in heard(done)]


def servers(**changes: dict[str, Any]) -> dict[str, Any]:
    names = ("first", "second")
    made = {name: {**EVERYTHING, "env": {"NAME": name}, **changes.get(name, {})} for name in names}
    return {name: {**each, "env": {**each["env"], "NAME": name}} for name, each in made.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_servers_secret_is_with_that_server_alone(clis: Bench, kind: str) -> None:
    """Not in a file either: the CLI's configuration is gone once it is up."""
    named = servers(first={"env": {"TOKEN": "${secrets.MCP_TOKEN}"}})
    assert holders(kind, clis, MCP_TOKEN, mcpServers=named) == [["first"]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_is_in_no_file_either(clis: Bench, kind: str) -> None:
    """The server is not there, and optional: its header was in the configuration all the same."""
    header = {"Authorization": "Bearer ${secrets.MCP_TOKEN}"}
    gone = {"type": "http", "url": "http://127.0.0.1:9/mcp", "headers": header, "optional": True}
    assert holders(kind, clis, MCP_TOKEN, mcpServers={"gone": gone}) == [[]]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_manifest_gives_to_the_agent_reaches_no_server(clis: Bench, kind: str) -> None:
    agent = {"env": {"TOKEN": "${secrets.MCP_TOKEN}"}}
    assert holders(kind, clis, MCP_TOKEN, mcpServers=servers(), agent=agent) == [["agent"]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_models_key_is_in_no_file_and_with_no_server(clis: Bench, kind: str) -> None:
    (found,) = holders(kind, clis, KEY, mcpServers=servers())
    assert found in ([], ["agent"])  # Codex has it in its environment


@pytest.mark.parametrize("kind", KINDS)
def test_the_functions_credentials_reach_nobody(clis: Bench, kind: str) -> None:
    assert holders(kind, clis, *AWS, mcpServers=servers()) == [[], [], []]


@pytest.mark.parametrize("kind", KINDS)
def test_they_reach_the_agent_that_says_aws(clis: Bench, kind: str) -> None:
    found = holders(kind, clis, *AWS, mcpServers=servers(), agent={"aws": True})
    assert found == [["agent"]] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_they_reach_just_the_server_that_says_aws(clis: Bench, kind: str) -> None:
    found = holders(kind, clis, *AWS, mcpServers=servers(second={"aws": True}))
    assert found == [["second"]] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_region_comes_with_them_and_both_are_masked(clis: Bench, kind: str) -> None:
    agent = {"aws": True, "env": {"AWS_DEFAULT_REGION": "eu-north-1"}}  # the manifest's env goes over ours
    done = run(kind, clis, {"bash": "env | grep AWS_ | sort"}, {"say": "done"}, agent=agent)
    lines = [line for line in heard(done)[0].splitlines() if line.startswith("AWS_")]
    assert lines == [
        "AWS_ACCESS_KEY_ID=***AWS_ACCESS_KEY_ID***",
        "AWS_DEFAULT_REGION=eu-north-1",
        "AWS_SECRET_ACCESS_KEY=***AWS_SECRET_ACCESS_KEY***",
        "AWS_SESSION_TOKEN=***AWS_SESSION_TOKEN***",
    ]
    for value in (*AWS, KEY):
        assert done.leaks(value) == []


@pytest.mark.parametrize(("aws", "said"), [(True, "MADE-UP-SECRET-ACCESS-KEY eu-west-1\n"), (False, " \n")])
def test_a_command_has_them_too_where_it_says_so(bench: Bench, aws: bool, said: str) -> None:
    script = 'echo "$(echo "$AWS_SECRET_ACCESS_KEY" | tr a-z A-Z) $AWS_REGION"'
    done = bench.command("/bin/sh", "-c", script, agent={"aws": aws}, function={"AWS_REGION": "eu-west-1"})
    assert done.text("stdout/000001.log") == said


def test_where_the_function_has_none_the_result_says_so(bench: Bench) -> None:
    none = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), "")
    done = bench.command("/bin/sh", "-c", "env", agent={"aws": True}, function=none)
    assert done.result["outcome"] == "succeeded"
    assert done.result["notes"] == ["`aws: true` has no effect: this run has no AWS credentials"]
    assert "AWS_" not in done.text("stdout/000001.log")
