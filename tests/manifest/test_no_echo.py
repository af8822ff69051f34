"""A secret that somebody pasted into a file is never in what is said about the file, wherever it stands."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lambdactl.bundled import schema
from lambdactl.errors import Problem
from lambdactl.manifest import load, load_all, problems
from lambdactl.manifest.finding import HIDDEN, masked, shown
from lambdactl.report.problems import github, json_, text
from tests.manifest.conftest import COMMAND, Write

_TAIL = "Zx9Qw8Er7Ty6Ui5Op4As3Df2Gh1Jk0"
SECRETS = {
    "anthropic": f"sk-ant-api03-{_TAIL}",
    "github": f"ghp_{_TAIL}",
    "aws": "AKIAZX9QW8ER7TY6UI5O",
    "in a sentence": f"log in with glpat-{_TAIL}, please",
    "in an option": f"--token=xoxb-{_TAIL}",
    "far behind": f"{'x' * 50}/sk-ant-{_TAIL}",
    "pem": f"-----BEGIN RSA PRIVATE KEY-----\n{_TAIL}\n{_TAIL}\n-----END RSA PRIVATE KEY-----\n",
}
_BROKEN = (
    "prefix: *{}\n",
    "{}: 1\n{}: 2\n",
    "prefix: !{} a/\n",
    "? !!int '{}'\n: 1\n",
    "prefix: !!int '{}'\n",
    "prefix: [{}\n",
    "{}",
    "- {}",
    "!!{} x: y",
    "a: 'b' {}",
)
Path_ = tuple[str | int, ...]
Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # thousands of files are written here


def whole(part: dict[str, Any], *, deep: bool = True) -> Any:
    """A value with every field of a schema, made of the fields' own examples.

    What an environment repeats of the project and of jobs is an example: whole, it is tested where it is.
    """
    if "$ref" in part:
        file, _, field = part["$ref"].partition("#/properties/")
        part = schema(file.removesuffix(".schema.json") or "project")["properties"][field]
        if not deep:
            return copy.deepcopy(part["examples"][0])
    made = copy.deepcopy(part["examples"][0])
    extra = part.get("additionalProperties")
    if "properties" in part:
        return {name: whole(field, deep=deep) for name, field in part["properties"].items()}
    if isinstance(extra, dict) and "properties" in extra:
        deep = deep and part["title"] != "Environments"
        return {name: whole(extra, deep=deep) for name in (made if deep else list(made)[:1])}
    return made


def planted(value: Any, secret: str) -> Iterator[tuple[Path_, Any]]:
    """`value` again and again, with the secret for one value, or for one key, in each."""
    yield (), secret
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        for path, changed in planted(item, secret):
            made = copy.copy(value)
            made[key] = changed
            yield (key, *path), made
        if isinstance(value, dict):
            yield (key, "(key)"), {secret if name == key else name: each for name, each in value.items()}


def betrayed(problems: tuple[Problem, ...], secret: str) -> str:
    """The first output that holds the secret or the end of it."""
    for drawn in (text(problems), json_(problems), github(problems)):
        if any(piece in drawn for piece in (secret, json.dumps(secret)[1:-1], *_pieces(secret))):
            return drawn
    return ""


def _pieces(secret: str) -> tuple[str, ...]:
    return (
        (_TAIL[:8], _TAIL[-8:], _TAIL.lower()[-8:]) if _TAIL in secret else (secret[:12], secret.lower()[-8:])
    )


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("name", ["job", "project"])
def test_at_no_place_of_a_file(project: Write, name: str, kind: str) -> None:
    root = project(job=COMMAND + "prefix: job/\n")
    file = root / ("jobs/job.yaml" if name == "job" else "lambdactl.yaml")
    for path, value in planted(whole(schema(name)), SECRETS[kind]):
        file.write_text(yaml.dump(value, Dumper=Dumper, sort_keys=False))
        found = problems(load_all(root))
        assert found, path
        assert betrayed(found, SECRETS[kind]) == "", path


@pytest.mark.parametrize("field", ["agent", "mcpServers", "secrets", "include", "tags"])
def test_in_a_manifest_without_other_faults_it_is_told_once_where_it_is(project: Write, field: str) -> None:
    good = {"agent": {"type": "command", "command": ["x"], "env": {"A": "a"}}, "prefix": "a/"}
    secret = SECRETS["anthropic"]
    bad: dict[str, Any] = {
        "agent": {**good["agent"], "env": {"A": secret}},  # type: ignore[dict-item]
        "mcpServers": {"git": {"command": "uvx", "args": ["mcp-server-git@1.0.0", secret]}},
        "secrets": {"ANTHROPIC_API_KEY": secret},
        "include": [secret],
        "tags": {secret: "x"},
    }
    agent = {"type": "claude-code", "model": "m", "prompt": "p"} if field in ("mcpServers", "secrets") else {}
    keys = {"secrets": {"ANTHROPIC_API_KEY": "/k"}} if field == "mcpServers" else {}
    value = {**good, **({"agent": agent} if agent else {}), **keys, field: bad[field]}
    root = project(a=yaml.safe_dump(value, sort_keys=False))
    (problem,) = load(root).problems
    assert "looks like a secret written out" in problem.what
    assert secret in (root / "jobs/a.yaml").read_text().splitlines()[problem.line - 1]


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("broken", _BROKEN)
def test_nor_in_what_yaml_says(project: Write, broken: str, kind: str) -> None:
    root = project(job=broken.replace("{}", SECRETS[kind]))
    assert load(root).problems
    assert betrayed(load(root).problems, SECRETS[kind]) == ""


def test_what_a_secret_maps_to_is_not_repeated_even_when_nothing_recognises_it(project: Write) -> None:
    for value in (
        "hunter2hunter2",
        "hunter2/hunter2",
        "arn:hunter2",
        "hunter2 hunter2",
        "hunter2*",
        "aws-hunter2",
    ):
        root = project(
            "project: demo\nallow: { parameters: [/demo/*] }\n",
            a=COMMAND + f"prefix: a/\nsecrets: {{ A: '{value}' }}\n",
        )
        assert load(root).problems
        assert "hunter2" not in text(load(root).problems)


def test_values_are_shown_short_and_secrets_not_at_all() -> None:
    assert shown("x" * 100) == '"' + "x" * 56 + "..."
    assert all(shown({"a": [secret]}) == shown({secret: 1}) == HIDDEN for secret in SECRETS.values())
    assert masked(f'the key "{SECRETS["github"]}" of jobs/a.yaml') == f'the key "{HIDDEN}" of jobs/a.yaml'


@pytest.mark.parametrize("word", ["a risk-management-and-compliance job", "desk-booking-for-the-whole-team/"])
def test_a_long_word_with_hyphens_is_no_key(project: Write, word: str) -> None:
    root = project(a=COMMAND + f"description: {word}\nprefix: a/\n")
    assert load(root, paths=[Path("jobs/a.yaml")]).problems == ()
