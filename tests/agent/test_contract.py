"""The documents both sides share, against their schemas: what lambdactl writes, what the agent writes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from agent import contract, mirror, redact
from agent.contract import ContractError
from agent.definition import Definition
from agent.prices import Price, find
from agent.request import Request
from agent.result import Result, ServerStatus, StoredFile, response
from lambdactl import prices, runs, secrets
from lambdactl.bundled import schema
from lambdactl.definition import canonical, definition
from lambdactl.errors import UsageError
from lambdactl.manifest import job
from lambdactl.manifest.job import Agent, Job, McpServer, Package, Schedule
from tests.agent import bench
from tests.agent.bench import Bench
from tests.support.cloud import SITE

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
RUN_ID = "019ad3c1-7a40-7000-8000-0242ac120002"


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema(name))


def test_what_both_sides_say_for_themselves_is_the_same() -> None:
    """They share documents, not code."""
    assert (contract.INVOCATION_MAX, contract.LEGS_MAX) == (job.INVOCATION_MAX, job.LEGS_MAX)
    assert mirror.CANCEL == runs.CANCEL
    assert redact.SHORTEST == secrets.SHORTEST
    for depth in range(195, 203):
        deep: list[Any] = [1]
        for _ in range(depth - 1):
            deep = [deep]
        try:
            taken = bool(runs.event("id", deep))
        except UsageError:
            taken = False
        assert taken == contract.is_shallow({"version": 1, "runId": "id", "input": deep}) == (depth <= 198), (
            depth
        )
    dated = (
        "eu.anthropic.opus-20250929-v1:0",
        "opus@20250929",
        "gpt-5-2025-08-07",
        "opus[1m]",
        "anthropic.opus",
    )
    names = (*dated, "opus", "gpt-5", "azure/gpt-5", "opus-9", "", "us.anthropic.gpt", "gpt-5-mini")
    price = Price(input=1, output=1, cache_read=1, cache_write=1)
    for name in names:
        known = prices.known(name, {"opus": {}, "gpt-5": {}})
        assert known == (find({"opus": price, "gpt-5": price}, name) is not None), name


@pytest.mark.parametrize("name", ["definition", "request", "result"])
def test_the_schemas_and_their_examples_hold(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert schema(name)["examples"]
    for example in schema(name)["examples"]:
        validator(name).validate(example)


def jobs() -> Iterator[Job]:
    server = McpServer(name="sum", command="npx", args=("stdio",), package=Package("npm", "@a/b", "1.2.3"))
    docs = McpServer(name="docs", type="http", url="https://docs.example/mcp", headers={"X": "${secrets.T}"})
    claude = Agent(
        type="claude-code", version="2.1.240", model="m", provider="anthropic", prompt="p", max_turns=4
    )
    yield Job(name="triage", agent=claude, prefix="triage/", mcp_servers=(server, docs), secrets={"T": "/t"})
    schema = {"type": "object", "properties": {"label": {"type": "string"}}}
    yield Job(
        name="labels",
        agent=replace(claude, aws=True, output_schema=schema),
        prefix="labels/",
        mcp_servers=(replace(server, optional=True, aws=True), replace(docs, optional=True)),
    )
    yield Job(
        name="hello", agent=Agent(type="command", command=("true",)), prefix="hello/", artifacts=("*.md",)
    )


@pytest.mark.parametrize("job", list(jobs()), ids=lambda job: job.name)
def test_what_lambdactl_writes_the_agent_reads(job: Job) -> None:
    document = json.loads(canonical(definition(job, SITE, "f" * 64)))
    validator("definition").validate(document)
    read = Definition.parse(document)
    assert (read.job, read.prefix, read.timeout, read.image) == (job.name, job.prefix, job.timeout, "f" * 64)
    assert (read.agent.type, read.agent.command, read.agent.max_turns) == (
        job.agent.type, job.agent.command, job.agent.max_turns,
    )  # fmt: skip
    assert (read.agent.aws, read.agent.output_schema) == (job.agent.aws, job.agent.output_schema)
    assert [(each.name, each.optional, each.aws) for each in read.mcp_servers] == sorted(
        (each.name, each.optional, each.aws) for each in job.mcp_servers
    )


def test_a_definition_without_the_newer_fields_stays_the_same_document() -> None:
    """So that a new lambdactl changes no function by itself."""
    document = definition(next(jobs()), SITE, "f" * 64)
    said = {*document["agent"], *(name for each in document["mcpServers"].values() for name in each)}
    assert said & {"aws", "outputSchema", "optional"} == set()


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"agent": {}}, {"secrets": None}, {"mcpServers": {"x": {"type": "stdio"}}}]
)
def test_another_document_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ContractError):
        Definition.parse(bench.definition({}) | change)


def test_the_event_lambdactl_sends_is_the_request() -> None:
    event = json.loads(runs.event(RUN_ID, {"issue": 42}))
    validator("request").validate(event)
    assert Request.of_event(event, "r") == Request(
        run_id=RUN_ID, request_id="r", input={"issue": 42}, has_input=True
    )
    assert not Request.of_event(json.loads(runs.event(RUN_ID)), "r").has_input


def test_the_event_of_a_schedule_is_the_request_without_a_run_id() -> None:
    request_id = "7697a46f-b283-4da3-8e7c-62c11c03dd9e"
    event = json.loads(Schedule(expression="rate(1 hour)", input=[1]).event)
    assert Request.of_event(event, request_id) == Request(
        run_id=request_id, request_id=request_id, input=[1], has_input=True
    )
    assert not Request.of_event(json.loads(Schedule(expression="rate(1 hour)").event), "r").has_input


def delivered(time: str, request_id: str, name: str = "demo-main-triage") -> Request:
    """What a schedule's event is once Scheduler has put in what it stands for."""
    arn = f"arn:aws:scheduler:us-east-1:123456789012:schedule/demo-main/{name}"
    text = Schedule(expression="rate(1 hour)").event
    for attribute, value in (("schedule-arn", arn), ("scheduled-time", time)):
        text = text.replace(f"<aws.scheduler.{attribute}>", value)
    validator("request").validate(json.loads(text))
    return Request.of_event(json.loads(text), request_id)


def test_a_schedule_that_is_delivered_twice_is_one_run() -> None:
    first, again = (delivered("2026-11-23T20:45:00Z", request_id) for request_id in ("r-1", "r-2"))
    assert first.run_id == again.run_id
    assert (first.has_input, uuid.UUID(first.run_id).version) == (False, 7)
    later, other = (
        delivered("2026-11-23T21:45:00Z", "r"),
        delivered("2026-11-23T20:45:00Z", "r", "demo-main-b"),
    )
    assert first.run_id < later.run_id  # runs sort by time
    assert runs.new_run_id(lambda: 1795466699) < first.run_id < runs.new_run_id(lambda: 1795466701)
    assert first.run_id != other.run_id


@given(JSON)
def test_any_other_event_is_the_input_whole(event: Any) -> None:
    request = Request.of_event(event, "7697a46f-b283-4da3-8e7c-62c11c03dd9e")
    assert request.run_id == "7697a46f-b283-4da3-8e7c-62c11c03dd9e"
    assert (request.input, request.has_input) == (event, True)


@pytest.mark.parametrize(
    "event",
    [
        {"version": 1, "runId": "../../other/prefix"},
        {"version": 1, "runId": f"{RUN_ID}\n"},
        {"version": 1, "prompt": "do something else"},
        {"version": 1, "scheduled": 7},
        {"version": True},
        {"version": "0", "detail-type": "Scheduled Event"},
    ],
)
def test_no_event_reaches_beyond_its_input(event: dict[str, Any]) -> None:
    request = Request.of_event(event, "r")
    assert (request.input, request.has_input) == (event, True)
    assert runs.is_run_id(request.run_id)


def test_retries_have_the_same_run_id() -> None:
    assert Request.of_event({}, "any").run_id == Request.of_event({}, "any").run_id


def test_every_kind_of_result_fits_its_schema() -> None:
    began = datetime(2026, 11, 23, 20, 45, 1, 250_000, tzinfo=timezone(timedelta(hours=1)))
    result = Result(
        run_id=RUN_ID, job="j", project="demo", environment="main", image="f", agent_type="codex",
        agent_version="0.169.0", model="m", outcome="failed", reason="", started_at=began,
        ended_at=began - timedelta(seconds=1), output="x" * 200_000,
        mcp_servers=(ServerStatus(name="a", status="failed"),),
        files=(StoredFile(path="a/b", size=1, sha256="0" * 64, content_type="text/plain"),),
    ).dump()  # fmt: skip
    validator("result").validate(result)
    assert (result["startedAt"], result["durationSeconds"]) == ("2026-11-23T19:45:01.250Z", 0.0)
    assert response(result, "key")["result"] == "key"


def test_what_a_run_stores_fits_the_schemas_and_lambdactl_reads_it(bench: Bench) -> None:
    done = bench.command("sh", "-c", "echo hi; exit 3", event={"version": 1, "input": 1})
    validator("result").validate(done.result)
    record = json.loads(done.text("request.json"))
    validator("request").validate(record)
    validator("definition").validate(
        json.loads((bench.root / "run" / f"{record['definition']}.json").read_text())
    )
    run = runs.ended(done.result, str(done.folder))
    assert (run.state, run.reason, run.started and run.started.tzinfo is not None) == (
        "failed",
        "exit code 3",
        True,
    )
