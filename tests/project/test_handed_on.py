"""What run-local says of `aws: true`, for each kind of credentials."""

from __future__ import annotations

import pytest

from lambdactl.credentials import Creds, handed_on
from lambdactl.manifest.job import Agent, Job, McpServer

NONE = "no credentials with --creds none; use --creds job"


def job(*, agent: bool, server: bool) -> Job:
    return Job(
        name="a",
        prefix="a/",
        agent=Agent(type="codex", aws=agent),
        mcp_servers=(McpServer(name="db", command="db", aws=server), McpServer(name="docs", command="docs")),
    )


@pytest.mark.parametrize(
    ("creds", "agent", "server", "said"),
    [
        (Creds.none, False, False, ""),
        (Creds.own, False, False, ""),
        (Creds.job, True, True, ""),
        (
            Creds.none,
            True,
            True,
            f"the agent, MCP server db: {NONE}",
        ),
        (Creds.own, False, True, "MCP server db: your own credentials go there, for all that you may do"),
    ],
)
def test_what_is_said(creds: Creds, agent: bool, server: bool, said: str) -> None:
    assert handed_on(job(agent=agent, server=server), creds) == (said and f"`aws: true` of {said}")
