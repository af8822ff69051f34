"""What good manifests resolve to, defaults included."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lambdactl.errors import ManifestError, UsageError
from lambdactl.manifest import find_root, load
from lambdactl.manifest.job import Agent, Job, McpServer, Package, Packages
from lambdactl.prices import prices
from tests.manifest.conftest import COMMAND, Write

_TRIAGE = """\
description: Label and answer new issues
agent:
  type: claude-code
  version: "2.1.240"
  model: claude-sonnet-4-6
  promptFile: prompts/triage.md
  systemPrompt: Be brief.
  maxTurns: 40
  maxCostUsd: 2.50
  maxTokens: 2000000
  permissionMode: dontAsk
  allowedTools: [Read, mcp__github]
  env: { GH_TOKEN: "${secrets.GITHUB_TOKEN}", COLOUR: "no" }
mcpServers:
  github:
    command: npx
    args: ["-y", "@modelcontextprotocol/server-github@2025.4.8", "--verbose"]
    env: { GITHUB_PERSONAL_ACCESS_TOKEN: "${secrets.GITHUB_TOKEN}" }
  docs:
    type: http
    url: https://mcp.example.com/mcp
    headers: { Authorization: "Bearer ${secrets.DOCS_TOKEN}" }
  git: { command: uvx, args: ["--from", "mcp_server.git==2026.7.10", "git-server", "--repository", "."] }
  own: { command: python3, args: [tools/server.py] }
secrets:
  ANTHROPIC_API_KEY: /agents/anthropic-api-key
  GITHUB_TOKEN: /agents/triage/github-token
  DOCS_TOKEN: /agents/triage/docs-token
prefix: triage
timeout: 14m30s
memory: 4096
ephemeralStorage: 4096
architecture: arm64
include: [prompts, prompts/triage.md]
packages: { apt: [jq, git], pip: ["HTTPX==0.28.1"], npm: ["prettier@3.6.2"] }
artifacts: ["out/*.md"]
retries: 0
maxEventAge: 1h
concurrency: 2
logs: { retentionDays: 14 }
tags: { team: platform }
role: arn:aws:iam::123456789012:role/agents/triage
protect: true
"""


def test_every_field(project: Write) -> None:
    root = project("project: demo\ntags: { cost: agents, team: none }\n", triage=_TRIAGE)
    (root / "prompts").mkdir()
    (root / "prompts/triage.md").write_text("Triage.\n")
    (job,) = load(root).checked().jobs
    assert job == Job(
        name="triage",
        description="Label and answer new issues",
        agent=Agent(
            type="claude-code",
            version="2.1.240",
            model="claude-sonnet-4-6",
            provider="anthropic",
            prompt="Triage.\n",
            system_prompt="Be brief.",
            max_turns=40,
            max_cost_usd=2.5,
            max_tokens=2_000_000,
            prices=prices("anthropic", {}),
            permission_mode="dontAsk",
            allowed_tools=("Read", "mcp__github"),
            env={"GH_TOKEN": "${secrets.GITHUB_TOKEN}", "COLOUR": "no"},
        ),
        mcp_servers=(
            McpServer(
                name="docs",
                type="http",
                url="https://mcp.example.com/mcp",
                headers={"Authorization": "Bearer ${secrets.DOCS_TOKEN}"},
            ),
            McpServer(
                name="git",
                command="uvx",
                args=("--repository", "."),
                package=Package("pypi", "mcp-server-git", "2026.7.10"),
                executable="git-server",
            ),
            McpServer(
                name="github",
                command="npx",
                args=("--verbose",),
                env={"GITHUB_PERSONAL_ACCESS_TOKEN": "${secrets.GITHUB_TOKEN}"},
                package=Package("npm", "@modelcontextprotocol/server-github", "2025.4.8"),
            ),
            McpServer(name="own", command="python3", args=("tools/server.py",)),
        ),
        secrets={
            "ANTHROPIC_API_KEY": "/agents/anthropic-api-key",
            "DOCS_TOKEN": "/agents/triage/docs-token",
            "GITHUB_TOKEN": "/agents/triage/github-token",
        },
        prefix="triage/",
        timeout=870,
        memory=4096,
        ephemeral_storage=4096,
        architecture="arm64",
        include=("prompts", "prompts/triage.md"),
        packages=Packages(
            apt=("git", "jq"),
            pip=(Package("pypi", "httpx", "0.28.1"),),
            npm=(Package("npm", "prettier", "3.6.2"),),
        ),
        artifacts=("out/*.md",),
        retries=0,
        max_event_age=3600,
        concurrency=2,
        log_retention_days=14,
        tags={"cost": "agents", "team": "platform"},
        role="arn:aws:iam::123456789012:role/agents/triage",
        protect=True,
    )
    assert job.source == root / "jobs/triage.yaml"


def test_a_version_is_the_tested_pin_by_default(project: Write) -> None:
    text = "agent: { type: %s, model: m, prompt: Hi }\nsecrets: { %s_API_KEY: /k }\nprefix: %s/\n"
    root = project(
        one=text % ("claude-code", "ANTHROPIC", "one"),
        two=text % ("codex", "OPENAI", "two"),
    )
    assert [job.agent.version for job in load(root).checked().jobs] == ["2.1.240", "0.169.0"]


@pytest.mark.parametrize("key", ["OPENAI_API_KEY", "CODEX_API_KEY"])
def test_either_key_of_codex_will_do_and_a_default_is_as_good(project: Write, key: str) -> None:
    codex = "agent: { type: codex, model: m, prompt: Hi }\nprefix: a/\n"
    root = project(f"project: demo\ndefaults: {{ secrets: {{ {key}: /k }} }}\n", a=codex)
    assert [job.secrets for job in load(root).checked().jobs] == [{key: "/k"}]


@pytest.mark.parametrize("kind", ["claude-code", "codex"])
def test_a_gateway_is_no_reason_to_have_no_key(project: Write, kind: str) -> None:
    agent = f"{{ type: {kind}, model: m, prompt: Hi, baseUrl: 'https://gateway.example.com' }}"
    (problem,) = load(project(a=f"agent: {agent}\nprefix: a/\n")).problems
    assert "the model's key is missing" in problem.what
    assert problem.hint.endswith("a gateway that asks for none takes any value")


@pytest.mark.parametrize("name", ["ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"])
def test_claude_code_has_other_logins(project: Write, name: str) -> None:
    env = f"modelAccess: env, env: {{ {name}: '${{secrets.TOKEN}}' }}"
    agent = f"{{ type: claude-code, model: m, prompt: Hi, {env} }}"
    root = project(a=f"agent: {agent}\nsecrets: {{ TOKEN: /t }}\nprefix: a/\n")
    assert load(root).problems == ()


CAPPED = "agent: { type: claude-code, model: %s, prompt: Hi, maxCostUsd: 1 }\n" + (
    "prefix: a/\nsecrets: { ANTHROPIC_API_KEY: /k }\n"
)


@pytest.mark.parametrize(
    "model",
    [
        "claude-sonnet-4-5",
        "claude-sonnet-4-5-20250929",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "claude-sonnet-4-5[1m]",
        "anthropic/claude-sonnet-4-5",
    ],
)
def test_a_price_is_found_by_the_models_name(project: Write, model: str) -> None:
    root = project(a=CAPPED % f'"{model}"')
    assert load(root).problems == ()


def test_a_project_has_prices_of_its_own(project: Write) -> None:
    own = (
        "prices: { mine: { input: 1, output: 2.5 }, claude-haiku-4-5: { input: 9, output: 9, cacheRead: 0 } }"
    )
    (job,) = load(project(f"project: demo\n{own}\n", a=CAPPED % "mine")).checked().jobs
    assert job.agent.prices["mine"] == {"input": 1, "output": 2.5, "cacheRead": 1, "cacheWrite": 1}
    assert job.agent.prices["claude-haiku-4-5"] == {
        "input": 9, "output": 9, "cacheRead": 0, "cacheWrite": 9,
    }  # fmt: skip
    assert job.agent.prices["claude-sonnet-4-6"]["output"] == 15
    assert not any(model.startswith("gpt") for model in job.agent.prices)


def test_an_environment_may_have_other_prices(project: Write) -> None:
    settings = (
        "project: demo\nenvironments: { dev: { prices: { mine: { input: 1, output: 1 } } }, live: {} }\n"
    )
    root = project(settings, a=CAPPED % "mine")
    assert load(root, environment="dev").problems == ()
    (problem,) = load(root, environment="live").problems
    assert "no price is known" in problem.what


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ("timeout: 5m", "it belongs to a job, or for all jobs under `defaults:`"),
        ("prefix: a/", "it belongs to a job"),
        ("model: m", "it belongs under `defaults: agent:`"),
        ("defaults: { maxTurns: 4 }", "it belongs under `agent:`"),
        ("defaults: { agent: { timeout: 5m } }", "it belongs beside `agent:`, not in it"),
    ],
)
def test_a_field_in_the_wrong_place_of_lambdactl_yaml_is_sent_to_its_own(
    project: Write, settings: str, hint: str
) -> None:
    (problem,) = load(project(f"project: demo\n{settings}\n")).problems
    assert problem.hint == hint


def test_defaults_merge_maps_replace_lists_and_fit_the_type(project: Write) -> None:
    root = project(
        """\
project: demo
defaults:
  agent: { type: claude-code, model: claude-sonnet-4-6, maxTurns: 9, prompt: Default, env: { A: a, B: b } }
  mcpServers: { docs: { url: "https://mcp.example.com/mcp", headers: { X-Team: "${secrets.TEAM}" } } }
  secrets: { ANTHROPIC_API_KEY: /k, OPENAI_API_KEY: /o, TEAM: /t, SPARE: /s }
  artifacts: [a, b]
  memory: 1024
  timeout: 2m
  logs: { retentionDays: 7 }
""",
        claude="agent: { env: { B: mine } }\nartifacts: [c]\nprefix: claude/\n",
        codex="agent: { type: codex, model: gpt-5.1-codex }\nmemory: 2048\nprefix: codex/\n",
        shell="agent: { type: command, command: [sh] }\nprefix: shell/\n",
    )
    claude, codex, shell = load(root).checked().jobs
    assert (claude.agent.env, claude.artifacts) == ({"A": "a", "B": "mine"}, ("c",))
    assert claude.secrets == {"ANTHROPIC_API_KEY": "/k", "TEAM": "/t"}  # SPARE: nothing takes it
    assert (codex.agent.model, codex.agent.version, codex.agent.max_turns) == (
        "gpt-5.1-codex",
        "0.169.0",
        None,
    )
    assert (codex.secrets, codex.memory, codex.timeout) == (
        {"OPENAI_API_KEY": "/o", "TEAM": "/t"},
        2048,
        120,
    )
    assert (shell.agent.model, shell.agent.prompt, shell.mcp_servers, shell.secrets) == ("", "", (), {})
    assert shell.log_retention_days == 7


def test_a_problem_of_a_default_is_told_once_where_it_is(project: Write) -> None:
    root = project(
        "project: demo\ndefaults:\n  timeout: 20m\n", a=COMMAND + "prefix: a/", b=COMMAND + "prefix: b/"
    )
    (problem,) = load(root).problems
    assert (problem.file, problem.line, problem.column) == ("lambdactl.yaml", 3, 12)


def test_the_project(project: Write) -> None:
    root = project(
        """\
project: demo
region: eu-central-1
account: "012345678901"
bucket: my-agents
kmsKey: arn:aws:kms:eu-central-1:012345678901:key/1234
permissionsBoundary: arn:aws:iam::012345678901:policy/boundary
image: { base: "debian:trixie", caBundle: /ca.crt, buildNetwork: host }
allow: { parameters: [/agents/*], buckets: [my-*] }
jobs: tasks
sandbox: true
tags: { team: platform }
environments: { staging: {} }
"""
    )
    (root / "tasks").mkdir()
    found = load(root, "staging").checked().project
    assert (found.name, found.environment, found.region, found.account) == (
        "demo",
        "staging",
        "eu-central-1",
        "012345678901",
    )
    assert (found.base_image, found.ca_bundle, found.build_network) == ("debian:trixie", "/ca.crt", "host")
    assert (found.allow_parameters, found.allow_buckets, found.jobs) == (("/agents/*",), ("my-*",), "tasks")
    assert found.sandbox
    assert found.tags == {"team": "platform"}


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
AGENT = "agent: { type: claude-code, model: m, prompt: Hi, aws: true, outputSchema: SCHEMA }"
REST = "prefix: a/\nsecrets: { ANTHROPIC_API_KEY: /k }\n"


@pytest.mark.parametrize("written", [json.dumps(SCHEMA), "schemas/a.json"])
def test_an_output_schema_written_out_or_in_a_file(project: Write, written: str) -> None:
    docs = "{ url: 'https://a.example', optional: true }"
    servers = f"mcpServers: {{ db: {{ command: db, aws: true }}, docs: {docs} }}"
    root = project(a=f"{AGENT.replace('SCHEMA', written)}\n{servers}\n{REST}")
    (root / "schemas").mkdir()
    (root / "schemas/a.json").write_text(json.dumps(SCHEMA))
    (job,) = load(root).checked().jobs
    assert (job.agent.aws, job.agent.output_schema) == (True, SCHEMA)
    assert [(each.optional, each.aws) for each in job.mcp_servers] == [(False, True), (True, False)]


def test_an_output_schema_replaces_that_of_the_defaults_whole(project: Write) -> None:
    below = {"type": "object", "properties": {"b": {}}}
    defaults = f"project: demo\ndefaults: {{ agent: {{ outputSchema: {json.dumps(below)} }} }}\n"
    command = "agent: { type: command, command: [x] }\nprefix: b/\n"
    root = project(defaults, a=f"{AGENT.replace('SCHEMA', json.dumps(SCHEMA))}\n{REST}", b=command)
    one, other = load(root).checked().jobs
    assert (one.agent.output_schema, other.agent.output_schema) == (SCHEMA, None)


def test_bad_project(project: Write) -> None:
    root = project(
        """\
project: My-Project
regoin: eu-central-1
account: 123456789012
bucket: Bad_Bucket
jobs: ../elsewhere
sandbox: maybe
defaults: { prefix: a/, memory: 1, agent: { maxTokens: 0 } }
tags: { "aws:x": y }
""",
        a="agent: { type: command }\n",
    )
    loaded = load(root, paths=[root / "jobs/a.yaml"])
    assert loaded.jobs == ()
    said = [(p.file, p.line, p.what) for p in loaded.problems]
    assert [line for file, line, _ in said if file == "lambdactl.yaml"] == [1, 2, 3, 4, 5, 6, 7, 7, 7, 8]
    assert ("jobs/a.yaml", 1, "prefix is missing") in said  # the schema still speaks where rules cannot


def test_no_jobs_folder_is_a_problem_because_it_would_mean_delete_all(project: Write) -> None:
    root = project("project: demo\njobs: jbos\n")
    assert "does not exist" in load(root).problems[0].what


@pytest.mark.parametrize("inner", ["a", "a/", "a/b", "a/b/c/"])
def test_overlapping_prefixes_are_told_in_both_files(project: Write, inner: str) -> None:
    root = project(
        outer=f"{COMMAND}prefix: a/\n", inner=f"{COMMAND}prefix: {inner}\n", beside=f"{COMMAND}prefix: ab/\n"
    )
    assert {problem.file for problem in load(root).problems} == {"jobs/inner.yaml", "jobs/outer.yaml"}


def test_paths_narrow_what_is_told_but_not_what_is_seen(project: Write) -> None:
    root = project(
        one=f"{COMMAND}prefix: a/\n",
        two=f"{COMMAND}prefix: a/\n",
        bad="nonsense",
        good=f"{COMMAND}prefix: good/\n",
    )
    assert [job.name for job in load(root, paths=[Path("jobs/good.yaml")]).checked().jobs] == ["good"]
    (problem,) = load(root, paths=[Path("jobs/one.yaml")]).problems
    assert problem.what == "prefix a/ overlaps a/ of jobs/two.yaml"


def test_a_file_outside_the_jobs_folder(project: Write, tmp_path: Path) -> None:
    root = project(one=f"{COMMAND}prefix: a/\n")
    outside = tmp_path / "draft.yml"
    outside.write_text(f"{COMMAND}prefix: a/b/\n")
    (problem,) = load(root, paths=[outside]).problems
    assert problem.file == str(outside)
    (root / "jobs/one.yml").write_text(f"{COMMAND}prefix: b/\n")
    assert [p.what for p in load(root).problems] == [
        "jobs/one.yml is a job of the same name",
        "jobs/one.yaml is a job of the same name",
    ]


def test_problems_raise_together(project: Write) -> None:
    root = project(one="prefix: ''\n", two="prefix: /\n")
    with pytest.raises(ManifestError) as caught:
        load(root).checked()
    assert {problem.file for problem in caught.value.problems} == {"jobs/one.yaml", "jobs/two.yaml"}


def test_a_job_is_found_by_its_name(project: Write) -> None:
    root = project(one="prefix: ''\n", two="prefix: /\n")
    assert {problem.file for problem in load(root, paths=[Path("two")]).problems} == {"jobs/two.yaml"}


def test_what_an_included_folder_must_not_hold_is_a_problem_of_the_manifest(project: Write) -> None:
    root = project(one="agent: {type: command, command: [ls]}\nprefix: a/\ninclude: [d]\n")
    (root / "d").mkdir()
    (root / "d/.env").write_text("made-up")
    (found,) = load(root).problems
    assert (found.line, found.column) == (3, 11)
    assert "d/.env may hold secrets" in found.what


def test_wrong_arguments(project: Write, tmp_path: Path) -> None:
    root = project()
    assert find_root(root / "jobs") == root
    with pytest.raises(UsageError, match="lambdactl init"):
        find_root(tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        load(root, paths=[root / "jobs/none.yaml"])
    (root / "jobs/team").mkdir()
    (root / "jobs/team/lost.yaml").write_text("prefix: lost/\n")
    for lost in ("jobs/team", "jobs/team/lost.yaml"):
        with pytest.raises(UsageError, match="nothing is a job"):
            load(root, paths=[root / lost])
    with pytest.raises(UsageError, match="environment"):
        load(root, "Not-One")


def test_what_cannot_be_read_is_a_problem(project: Write) -> None:
    root = project()
    (root / "jobs/folder.yaml").mkdir()
    (root / "jobs/dangling.yaml").symlink_to("nowhere")
    assert [problem.what for problem in load(root).problems] == [
        "the file cannot be read: No such file or directory",
        "the file cannot be read: it is not a file",
    ]


def test_local_dev(project: Write) -> None:
    principals = "arn:aws:iam::123456789012:root, arn:aws:iam::123456789012:role/a/Developers"
    text = (
        f"agent: {{ type: command, command: [x] }}\nprefix: x/\nlocalDev: {{ principals: [{principals}] }}\n"
    )
    (job,) = load(project(x=text)).checked().jobs
    assert job.local_principals == (
        "arn:aws:iam::123456789012:role/a/Developers",
        "arn:aws:iam::123456789012:root",
    )
