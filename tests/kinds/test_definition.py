"""What a plan shows of a job's definition."""

from __future__ import annotations

from dataclasses import replace

from lambdactl.definition import definition
from lambdactl.engine import step_to
from lambdactl.kinds.definition import Definition
from lambdactl.manifest.job import Agent, Job, McpServer
from tests.support.cloud import SITE

SERVER = McpServer(name="db", command="db")
JOB = Job(name="a", prefix="a/", agent=Agent(type="codex", model="m", prompt="p"), mcp_servers=(SERVER,))


def stored(job: Job) -> Definition:
    return Definition(name=job.name, bucket="b", folder="f/", document=definition(job, SITE, "f" * 64))


def test_credentials_and_what_may_be_absent_show_field_by_field() -> None:
    servers = (replace(SERVER, aws=True, optional=True),)
    agent = replace(JOB.agent, aws=True, output_schema={"type": "object"})
    step = step_to(stored(JOB), stored(replace(JOB, agent=agent, mcp_servers=servers)))
    assert step is not None
    assert [(each.field, each.found, each.wanted) for each in step.deltas] == [
        ("document.agent.aws", None, True),
        ("document.agent.outputSchema", None, {"type": "object"}),
        ("document.mcpServers.db.aws", None, True),
        ("document.mcpServers.db.optional", None, True),
    ]
