"""Environments: which one is meant, what holds in it, and what is wrong in which of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lambdactl.errors import UsageError
from lambdactl.manifest import Loaded, load, load_all, problems, settings
from tests.manifest.conftest import COMMAND, Write

TWO = "project: demo\nenvironments: { dev: {}, prod: {} }\n"
JOB = COMMAND + "prefix: a/\n"


def told(root: Path) -> list[str]:
    return [f"{p.file}:{p.line}:{p.column}: {p.what}; {p.hint}" for p in problems(load_all(root))]


def one(loaded: tuple[Loaded, ...], environment: str) -> Loaded:
    return next(each for each in loaded if each.project.environment == environment)


# -- which one --------------------------------------------------------------------------------------


def test_without_declared_ones_there_is_main_and_no_other(project: Write) -> None:
    root = project(a=JOB)
    assert load(root).project.environment == load(root, "main").project.environment == "main"
    assert [each.project.environment for each in load_all(root)] == ["main"]
    with pytest.raises(UsageError, match=r"no environment dev: lambdactl\.yaml declares none"):
        load(root, "dev")


def test_one_of_several_must_be_named_and_spelled_right(project: Write) -> None:
    root = project(TWO, a=JOB)
    assert load(root, "prod").project.environment == "prod"
    with pytest.raises(UsageError, match="none is named") as none:
        load(root)
    assert "--environment NAME or LAMBDACTL_ENV: dev, prod" in none.value.hint
    with pytest.raises(UsageError, match="no environment prd") as wrong:
        load(root, "prd")
    assert wrong.value.hint == "environments: dev, prod"
    with pytest.raises(UsageError, match="no environment main"):
        load(root, "main")


@pytest.mark.parametrize("default", ["environments: { prod: {} }", f"{TWO[14:]}defaultEnvironment: prod"])
def test_the_only_one_and_the_default_need_no_name(project: Write, default: str) -> None:
    found = load(project(f"project: demo\n{default}\n", a=JOB)).checked()
    assert found.project.environment == "prod"
    assert found.project.environments == (("prod",) if "dev" not in default else ("dev", "prod"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{TWO}defaultEnvironment: prd\n", "3:21: there is no environment prd; environments: dev, prod"),
        (
            "project: demo\ndefaultEnvironment: prd\n",
            "2:21: there is no environment prd; declare it under `environments:`",
        ),
    ],
)
def test_a_default_that_there_is_not(project: Write, text: str, line: str) -> None:
    assert told(project(text, a=JOB)) == [f"lambdactl.yaml:{line}"]


def test_a_file_that_cannot_be_read_is_told_whatever_environment_is_named(project: Write) -> None:
    for text in ("project: [\n", "project: demo\nenvironments: [dev]\n"):
        assert load(project(text, a=JOB), "dev").problems


def test_a_name_that_looks_like_a_secret_is_not_among_those_offered(project: Write) -> None:
    key = "ghp_" + "Zx9Qw8Er7Ty6Ui5Op4As3Df2Gh1Jk0"
    root = project(f"project: demo\nenvironments: {{ dev: {{}}, prod: {{}}, {key}: {{}} }}\n", a=JOB)
    with pytest.raises(UsageError) as error:
        load(root)
    assert key not in str(error.value)


# -- what holds in it -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["main", "other"])
def test_an_environment_that_says_nothing_changes_nothing_but_names(project: Write, name: str) -> None:
    plain = load(project("project: demo\ndefaults: { memory: 512 }\n", a=JOB)).checked()
    text = f"project: demo\ndefaults: {{ memory: 512 }}\nenvironments: {{ {name}: {{}} }}\n"
    declared = load(project(text, a=JOB)).checked()
    assert declared.jobs == plain.jobs
    assert declared.project == replace(plain.project, environment=name, environments=(name,))


LAYERS = """\
project: demo
account: "111111111111"
bucket: agents-dev
tags: { team: platform, cost: low }
allow: { parameters: [/dev/*], buckets: [agents-*] }
defaults: { memory: 1024, timeout: 1m, agent: { env: { A: a, B: b } }, artifacts: [x, y] }
environments:
  dev: {}
  prod:
    account: "222222222222"
    region: eu-west-1
    bucket: agents-prod
    kmsKey: arn:aws:kms:eu-west-1:222222222222:key/1234
    permissionsBoundary: arn:aws:iam::222222222222:policy/boundary
    allow: { parameters: [/prod/*] }
    sandbox: true
    tags: { cost: high }
    defaults: { memory: 4096, timeout: 2m, retries: 0, agent: { env: { B: prod } }, artifacts: [z] }
    jobs:
      a:
        agent: { env: { C: override } }
        timeout: 10m
        secrets: { TOKEN: /prod/token }
        tags: { cost: top }
"""
A = """\
agent: { type: command, command: [x], env: { C: c, T: "${secrets.TOKEN}" } }
prefix: a/
timeout: 5m
secrets: { TOKEN: /dev/token }
"""


def test_the_layers_of_a_job(project: Write) -> None:
    root = project(LAYERS, a=A, b=COMMAND + "prefix: b/\ntimeout: 5m\n")
    (a, b), (prod_a, prod_b) = load(root, "dev").checked().jobs, load(root, "prod").checked().jobs
    assert (a.memory, a.timeout, a.retries, a.artifacts) == (1024, 300, 1, ("x", "y"))
    assert a.agent.env == {"A": "a", "B": "b", "C": "c", "T": "${secrets.TOKEN}"}
    assert (prod_a.memory, prod_a.timeout, prod_a.retries, prod_a.artifacts) == (4096, 600, 0, ("z",))
    assert prod_a.agent.env == {"A": "a", "B": "prod", "C": "override", "T": "${secrets.TOKEN}"}
    assert (a.secrets, prod_a.secrets) == ({"TOKEN": "/dev/token"}, {"TOKEN": "/prod/token"})
    assert (a.tags, prod_a.tags) == ({"team": "platform", "cost": "low"}, {"team": "platform", "cost": "top"})
    assert (b.timeout, prod_b.timeout, prod_b.memory) == (300, 300, 4096)
    assert prod_b.tags == {"team": "platform", "cost": "high"}


def test_the_settings(project: Write) -> None:
    dev, prod = settings(project(LAYERS, a=A, b="nonsense"))
    assert (dev.account, dev.bucket, dev.region, dev.sandbox) == ("111111111111", "agents-dev", "", False)
    assert (prod.account, prod.bucket, prod.region, prod.sandbox) == (
        "222222222222",
        "agents-prod",
        "eu-west-1",
        True,
    )
    assert prod.kms_key.startswith("arn:aws:kms:eu-west-1:")
    assert prod.permissions_boundary.endswith("/boundary")
    assert (prod.allow_parameters, prod.allow_buckets) == (("/prod/*",), ("agents-*",))


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("{ promptFile: prompt.md }", ("claude-code", "m", "From a file.\n", 9)),
        ("{ type: codex, model: gpt }", ("codex", "gpt", "Hi", None)),
        ("{ model: opus, maxTurns: 3 }", ("claude-code", "opus", "Hi", 3)),
    ],
)
def test_another_prompt_or_type_of_agent_takes_the_place_of_the_first(
    project: Write, override: str, expected: tuple[object, ...]
) -> None:
    root = project(
        f"project: demo\nenvironments: {{ prod: {{ jobs: {{ a: {{ agent: {override} }} }} }} }}\n",
        a="agent: { type: claude-code, model: m, prompt: Hi, maxTurns: 9 }\nprefix: a/\n"
        "secrets: { ANTHROPIC_API_KEY: /a, OPENAI_API_KEY: /o }\n",
    )
    (root / "prompt.md").write_text("From a file.\n")
    # Each type takes one of the keys, and the other is then declared for nothing.
    found = [p.what for p in load(root).problems]
    assert len(found) == 1
    assert "is declared but not used" in found[0]
    unused = "ANTHROPIC_API_KEY: /a, " if "codex" in override else ", OPENAI_API_KEY: /o"
    (root / "jobs/a.yaml").write_text((root / "jobs/a.yaml").read_text().replace(unused, ""))
    (job,) = load(root).checked().jobs
    assert (job.agent.type, job.agent.model, job.agent.prompt, job.agent.max_turns) == expected


# -- what is wrong, and where -----------------------------------------------------------------------

BAD = """\
project: demo
defaults: { timeout: 20m }
environments:
  dev:
    acount: "111111111111"
    image: { base: debian }
    timeout: 1m
    defaults: { memory: 1, permissionsBoundary: x }
  prod:
    region: nowhere
    jobs:
      trige: { timeout: 1m }
      a: { maxTurns: 3, prefix: /a, name: b }
  Staging: {}
"""


def test_every_problem_of_lambdactl_yaml_has_its_place_and_cure(project: Write) -> None:
    found = [(f"{p.line}:{p.column}", p.what, p.hint) for p in problems(load_all(project(BAD, a=JOB)))]
    expected = [
        ("5:5", 'unknown field "acount" in environments.dev', "did you mean `account`?"),
        (
            "6:5",
            'unknown field "image" in environments.dev',
            "it holds in all environments: set it at the top",
        ),
        ("7:5", 'unknown field "timeout" in environments.dev', "it belongs to a job, or for all jobs under"),
        ("8:25", "environments.dev.defaults.memory is 1 but must be 128 to 10240 MB", "for example 3072"),
        ("8:28", "environments.dev.defaults.permissionsBoundary is not there yet", "remove it for now"),
        ("10:13", 'environments.prod.region is "nowhere" but must be a region', "for example"),
        ("12:7", 'there is no job "trige" (in prod)', "name it as its manifest's file is named"),
        ("13:12", 'unknown field "maxTurns" in environments.prod.jobs.a', "it belongs under `agent:`"),
        ("13:37", 'unknown field "name" in environments.prod.jobs.a', "known here: description, agent"),
        (
            "14:3",
            'the name "Staging" in environments must be 2 to 32 lower-case letters and digits',
            "rename it",
        ),
    ]
    assert len(found) == len(expected)
    for (place, what, hint), (at, begin, cure) in zip(found, expected, strict=True):
        assert (place, what[: len(begin)], hint[: len(cure)]) == (at, begin, cure)


RULES = """\
project: demo
defaults: { timeout: 20m }
environments:
  dev: {}
  prod:
    defaults: { maxEventAge: 7h }
    jobs:
      a: { prefix: b/x, timeout: 16m }
"""


def test_rules_look_at_each_environment_and_name_it_where_others_are_well(project: Write) -> None:
    root = project(RULES, a=JOB, b=COMMAND + "prefix: b/\n")
    assert [line.partition(";")[0] for line in told(root)] == [
        "jobs/b.yaml:2:9: prefix b/ overlaps b/x/ of jobs/a.yaml (in prod)",
        "lambdactl.yaml:2:22: timeout 20m is over Lambda's limit of 15m",
        "lambdactl.yaml:6:30: maxEventAge 7h is out of Lambda's range (in prod)",
        "lambdactl.yaml:8:20: prefix b/x/ overlaps b/ of jobs/b.yaml (in prod)",
        "lambdactl.yaml:8:34: timeout 16m is over Lambda's limit of 15m (in prod)",
    ]
    assert [(p.line, p.what) for p in load(root, "dev").problems] == [
        (2, "timeout 20m is over Lambda's limit of 15m")
    ]
    assert len(load(root, "prod").problems) == 5
    assert all("(in " not in problem.what for problem in load(root, "prod").problems)


def test_a_problem_of_one_job_in_lambdactl_yaml_costs_that_job_alone(project: Write) -> None:
    """Not so what is wrong for all of them: nobody knows what the others would be."""
    text = "project: demo\nenvironments: { dev: { jobs: { a: { timeout: 99h } } } }\n"
    found = load(project(text, a=COMMAND + "prefix: a/\n", c=COMMAND + "prefix: c/\n"), "dev")
    assert ([job.name for job in found.jobs], [*found.left_out], found.spoilt) == (["c"], ["a"], False)
    broken = load(project(text + "nmae: x\n", c=COMMAND + "prefix: c/\n"), "dev")
    assert (broken.jobs, broken.spoilt) == ((), True)


def test_a_problem_of_a_manifest_in_all_environments_is_told_once(project: Write) -> None:
    (line,) = told(project(TWO, a=COMMAND + "prefix: a/\ntimeout: 20m\n"))
    assert line.startswith("jobs/a.yaml:3:10: timeout 20m is over Lambda's limit of 15m; ")


def test_an_override_of_a_job_that_is_spelled_otherwise(project: Write) -> None:
    text = "project: demo\nenvironments: { dev: { jobs: { trige: { timeout: 1m } } } }\n"
    root = project(text, triage=JOB, other=JOB.replace("a/", "b/"))
    assert told(root) == ['lambdactl.yaml:2:32: there is no job "trige"; did you mean triage?']


def test_a_name_may_be_too_long_in_one_environment(project: Write) -> None:
    name = "j" * 50
    root = project("project: demo\nenvironments: { dev: {}, production: {} }\n", **{name: JOB})
    (line,) = told(root)
    assert line.startswith(
        f"jobs/{name}.yaml:1:1: the function's name demo-production-{name} has 66 characters"
    )
    assert "(in production)" in line


# -- one bucket -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dev", "prod", "place"),
    [
        ("{}", "{}", "2:9"),
        ("{}", "{ account: '222222222222' }", "2:9"),  # a bucket's name is taken once for all accounts
        ("{ bucket: other }", "{ bucket: other }", "5:19"),
        ("{ bucket: other }", "{ jobs: { a: { prefix: a/prod } }, bucket: other }", "5:52"),
    ],
)
def test_environments_in_one_bucket_keep_apart(project: Write, dev: str, prod: str, place: str) -> None:
    text = f"project: demo\nbucket: agents\nenvironments:\n  dev: {dev}\n  prod: {prod}\n"
    root = project(text, a=JOB)
    (line,) = told(root)
    assert line.startswith(f"lambdactl.yaml:{place}: dev and prod share the bucket ")
    assert line.endswith("give each environment a `bucket:` of its own, or its jobs another prefix")
    for name in ("dev", "prod"):
        assert [p.what for p in load(root, name).problems] == [problems(load_all(root))[0].what]
        assert load(root, name).jobs == ()


@pytest.mark.parametrize(
    "prod",
    [
        "{ bucket: other }",
        "{ jobs: { a: { prefix: b/ } } }",
        "{ region: cn-north-1 }",
        "{ sandbox: true }",
    ],
)
def test_environments_that_are_apart(project: Write, prod: str) -> None:
    text = f"project: demo\nbucket: agents\nregion: eu-west-1\nenvironments: {{ dev: {{}}, prod: {prod} }}\n"
    assert told(project(text, a=JOB)) == []


def test_buckets_that_lambdactl_names_are_apart(project: Write) -> None:
    assert told(project(TWO, a=JOB)) == []
    assert len(one(load_all(project(TWO, a=JOB)), "prod").jobs) == 1
