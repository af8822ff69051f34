"""What AWS would refuse and a manifest shows already: facts of AWS's limits, each with its place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lambdactl.engine import Call
from lambdactl.kinds.function import Function
from lambdactl.kinds.role import Role
from lambdactl.manifest import load
from lambdactl.project import Project
from lambdactl.role_limits import POLICY_MAX, TRUST_MAX
from lambdactl.site import NAME_MAX
from tests.manifest.conftest import COMMAND, Write
from tests.support.cloud import SITE, deployments
from tests.support.cloud import job as job_of

JOB = COMMAND + "prefix: a/\n"
ROLE = "arn:aws:iam::123456789012:role/agents/triage"


def told(root: Path) -> list[str]:
    return [f"{p.file}:{p.line}:{p.column}: {p.what}" for p in Project.validate(root)]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (f"description: {'x' * 257}", "3:14: description is too long: at most 256"),
        ("memory: 127", "3:9: memory is 127 but must be 128 to 10240 MB (Lambda's limit for MemorySize)"),
        ("memory: 10241", "3:9: memory is 10241 but must be 128 to 10240 MB (Lambda's limit for MemorySize)"),
        (
            "ephemeralStorage: 511",
            "3:19: ephemeralStorage is 511 but must be 512 to 10240 MB (Lambda's limit for EphemeralStorage)",
        ),
        ("timeout: 901s", "3:10: timeout 15m1s is over Lambda's limit of 15m"),
        ("logs: { retentionDays: 42 }", "3:24: logs.retentionDays is 42, which is not a choice"),
        ("concurrency: 0", "3:14: concurrency is 0 but must be at least 1"),
        ("snapStart: true", '3:1: unknown field "snapStart"'),
        ("tags: { 'aws:x': y }", '3:9: the tag "aws:x" is reserved'),
        (f"tags: {{ {'k' * 129}: y }}", f'3:9: the tag "{"k" * 56}... is too long'),
        (f"tags: {{ k: {'v' * 257} }}", '3:9: the tag "k" is too long'),
        ("tags: { 'a;b': y }", '3:9: the tag "a;b" holds characters that AWS refuses'),
        ('tags: { k: "two\\nlines" }', '3:9: the tag "k" holds characters that AWS refuses'),
        ("tags: { Team: a, team: b }", '3:18: the tags "Team" and "team" differ by case only'),
        ("tags: { Cost: a }", '3:9: the tags "cost" and "Cost" differ by case only'),
        ("role: triage", '3:7: role is "triage" but must be the ARN of an IAM role'),
        (f"role: {ROLE}{'x' * 64}", "3:7: role is"),
        (
            "role: 'arn:aws:iam::210987654321:role/x'",
            "3:7: the role is in account 210987654321, the project in",
        ),
        (
            "role: 'arn:aws:iam::123456789012:role/lambdactl/demo/main/demo-main-a'",
            "3:7: the role is in /lambdactl/, where lambdactl makes and removes roles itself",
        ),
    ],
)
def test_a_limit_is_told_at_its_place(project: Write, fields: str, line: str) -> None:
    settings = "project: demo\naccount: '123456789012'\ntags: { cost: low }\n"
    (found,) = told(project(settings, a=f"{JOB}{fields}\n"))
    assert found.startswith(f"jobs/a.yaml:{line}")


@pytest.mark.parametrize("tags", ["{ 'Kosten stelle': 'ä b.c:/=+-@_9' }", "{ empty: '' }", "{ cost: high }"])
def test_tags_that_aws_takes(project: Write, tags: str) -> None:
    assert told(project("project: demo\ntags: { cost: low }\n", a=f"{JOB}tags: {tags}\n")) == []


def some_tags(count: int, stem: str) -> str:
    return "tags: { " + ", ".join(f"{stem}{number}: x" for number in range(count)) + " }\n"


def test_tags_of_project_environment_and_job_together(project: Write) -> None:
    root = project(
        f"project: demo\n{some_tags(30, 'p')}", a=JOB + some_tags(10, "j"), b=JOB.replace("a/", "b/")
    )
    assert told(root) == []
    (root / "jobs/a.yaml").write_text(JOB + some_tags(11, "j"))
    assert told(root) == [
        "jobs/a.yaml:3:1: with the project's, the job has 41 tags; AWS allows 50, lambdactl's own included"
    ]
    (root / "jobs/a.yaml").write_text(JOB)
    extra = some_tags(11, "e").removesuffix("\n")
    (root / "lambdactl.yaml").write_text(
        f"project: demo\n{some_tags(30, 'p')}environments: {{ dev: {{}}, prod: {{ {extra} }} }}\n"
    )
    assert told(root) == [
        "lambdactl.yaml:3:34: the project has 41 tags; AWS allows 50, lambdactl's own included (in prod)"
    ]


def test_a_boundary_of_another_account(project: Write) -> None:
    policy = "permissionsBoundary: arn:aws:iam::%s:policy/boundary\n"
    root = project("project: demo\naccount: '123456789012'\n" + policy % "210987654321", a=JOB)
    (line,) = told(root)
    assert line.startswith("lambdactl.yaml:3:22: the permissions boundary is in account 210987654321, ")
    for account in ("123456789012", "aws"):
        assert told(project("project: demo\naccount: '123456789012'\n" + policy % account, a=JOB)) == []


def test_a_bucket_name_that_would_be_too_long(project: Write) -> None:
    name = "p" * 32
    environments = "environments: { dev: {}, production: {} }\n"
    root = project(f"project: {name}\nregion: eu-west-1\n{environments}", a=JOB)
    assert told(root) == [
        f"lambdactl.yaml:1:10: the bucket's name would be {name}-production-000000000000-eu-west-1: "
        "66 characters, S3 takes 63 (in production)"
    ]
    assert told(project(f"project: {name}\nbucket: agents\n{environments}", a=JOB)) != []  # they share it
    assert told(project(f"project: {name}\nbucket: agents\n", a=JOB)) == []


def with_secrets(count: int) -> str:
    names = [f"SECRET_{number:03}" for number in range(count)]
    env = "".join(f'    {name}: "${{secrets.{name}}}"\n' for name in names)
    secrets = "".join(f"  {name}: /agents/some/where/{name}\n" for name in names)
    agent = f"agent:\n  type: command\n  command: [x]\n  env:\n{env}"
    return f"{agent}prefix: a/\nsecrets:\n{secrets}"


def test_a_policy_that_many_secrets_make_too_long(project: Write) -> None:
    root = project(a=with_secrets(50))
    assert told(root) == []
    (root / "jobs/a.yaml").write_text(with_secrets(80))
    (line,) = told(root)
    assert line.startswith("jobs/a.yaml:86:1: the policy of the job's role would have ")
    assert line.endswith(f" characters; IAM allows {POLICY_MAX}")
    assert load(root).checked().jobs  # the manifest by itself is well; what it makes is not
    with (root / "jobs/a.yaml").open("a") as file:
        file.write(f"role: {ROLE}\n")
    assert told(root) == []


def with_principals(count: int) -> str:
    arn = f"arn:aws:iam::123456789012:role/{'p' * 150}/{'r' * 60}"
    return f"{JOB}localDev:\n  principals: [{', '.join(f'{arn}{number}' for number in range(count))}]\n"


def test_a_trust_policy_that_long_principals_make_too_long(project: Write) -> None:
    root = project(a=with_principals(7))
    assert told(root) == []
    (root / "jobs/a.yaml").write_text(with_principals(8))
    assert told(root) == [
        "jobs/a.yaml:4:3: the trust policy of the job's role would have 2197 characters; "
        f"IAM allows {TRUST_MAX}"
    ]


def test_a_trust_policy_is_sent_as_it_is_measured() -> None:
    (role,) = Role.wanted(deployments(job_of("a", local_principals=(ROLE,))))
    (create, *_) = role.create()
    assert isinstance(create, Call)
    assert " " not in create.parameters["AssumeRolePolicyDocument"]


def test_nothing_in_a_manifest_makes_a_functions_environment_too_large() -> None:
    """Its values are names of ours; what a manifest says of environments is in the definition."""
    site = replace(SITE, project="p" * 32, environment="e" * 32, bucket="b" * 63)
    (function,) = Function.wanted(deployments(job_of("j" * NAME_MAX), site=site))
    assert len(json.dumps(dict(function.environment)).encode()) < 4096 / 4
