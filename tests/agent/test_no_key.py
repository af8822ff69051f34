"""Why `validate` asks for the model's key: what the real CLIs do without one, behind a gateway as well."""

from __future__ import annotations

import pytest

from lambdactl.manifest.rules.secrets import OTHER_LOGINS
from tests.agent.bench import Bench, definition
from tests.support.model import KEY

AGENTS = {
    "claude-code": {"version": "2.1.240", "model": "claude-sonnet-4-5", "provider": "anthropic"},
    "codex": {"version": "0.169.0", "model": "gpt-5.5", "provider": "openai"},
}
PROMPT = 'SCRIPT: [{"say": "hello"}]'


@pytest.mark.parametrize("kind", AGENTS)
def test_without_a_key_no_cli_starts(clis: Bench, kind: str) -> None:
    done = clis.run(definition({"type": kind, "prompt": PROMPT, **AGENTS[kind]}))
    assert done.ending[0] == "failed"


@pytest.mark.parametrize("name", OTHER_LOGINS["claude-code"])
def test_claude_code_takes_another_login_from_its_environment(clis: Bench, name: str) -> None:
    agent = {"type": "claude-code", "prompt": PROMPT, **AGENTS["claude-code"], "env": {name: KEY}}
    done = clis.run(definition(agent))
    assert (done.ending[0], done.result["output"]) == ("succeeded", "hello")
