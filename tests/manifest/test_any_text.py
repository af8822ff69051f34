"""No text makes the loader raise anything but our own errors, and every problem has a place."""

from __future__ import annotations

import string
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdactl.bundled import schema
from lambdactl.errors import UsageError
from lambdactl.manifest import Loaded, load, load_all
from lambdactl.manifest.bundling import Unclear, bundle
from lambdactl.manifest.check import _acceptor, _errors
from lambdactl.manifest.document import parse
from lambdactl.report.problems import github, json_, text

_QUICK = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])

_PIECES = st.sampled_from(
    [
        "a: ",
        "- ",
        "&a ",
        "*a",
        "<<: ",
        "{",
        "}",
        "[",
        "]",
        '"',
        "'",
        ">-\n",
        "? ",
        "!!set ",
        "!x ",
        "\n",
        "  ",
        "\t",
        "---\n",
        "...\n",
        "#",
        "%YAML 9.9\n",
        "agent:\n",
        "  type: codex\n",
        "prefix: a/\n",
        "${secrets.",
        "~",
        "0o7",
        ".inf",
        "1e999",
        "\u2028",
        "\x85",
        "\ufeff",
        "\\ud800",
        "\\0",
    ]
)
_YAML = st.lists(_PIECES, max_size=30).map("".join)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["", "a/", "10m", "npx", "uvx"]),
)


def _values(part: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values near a schema: its own examples, its fields with near or wrong values, anything."""
    near = [st.sampled_from(part["examples"])] if part.get("examples") else []
    fields = part.get("properties", {})
    if fields:
        near.append(
            st.fixed_dictionaries({}, optional={name: _values(field) for name, field in fields.items()})
        )
    extra = part.get("additionalProperties")
    if isinstance(extra, dict):
        near.append(
            st.dictionaries(st.text(string.ascii_letters, min_size=1, max_size=4), _values(extra), max_size=2)
        )
    if isinstance(part.get("items"), dict):
        near.append(st.lists(_values(part["items"]) | st.text(max_size=9), max_size=3))
    return st.one_of(*near, *near, _SCALARS)


def _check(job: bytes, settings_: bytes = b"project: demo\n") -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "jobs").mkdir()
        (root / "jobs/x.yaml").write_bytes(job)
        (root / "lambdactl.yaml").write_bytes(settings_)
        with suppress(UsageError):  # of several environments none is named
            load(root)
        for loaded in load_all(root):
            _check_one(loaded)


def _check_one(loaded: Loaded) -> None:
    assert all(problem.line >= 1 and problem.column >= 1 and problem.what for problem in loaded.problems)
    assert bool(loaded.jobs) != bool(loaded.problems)
    for drawn in (text(loaded.problems), json_(loaded.problems), github(loaded.problems)):
        drawn.encode()
    assert len(text(loaded.problems).splitlines()) == len(loaded.problems)


@given(st.binary(max_size=200))
@_QUICK
def test_any_bytes(content: bytes) -> None:
    _check(content)


@given(_YAML, st.booleans())
@_QUICK
def test_any_yaml(content: str, as_project: bool) -> None:
    raw = content.encode("utf-8", "surrogatepass")
    _check(b"agent: {type: command, command: [x]}\nprefix: a/\n", raw) if as_project else _check(raw)


@given(_values(schema("job")))
@_QUICK
def test_anything_near_a_job(value: Any) -> None:
    _check(yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "replace"))


@given(_values(schema("job")))
@_QUICK
def test_the_quick_check_agrees_with_jsonschema(value: Any) -> None:
    if isinstance(value, dict):
        assert _acceptor("job")(value) == (next(_errors("job", value), None) is None)


@given(_values({key: value for key, value in schema("project").items() if key != "$ref"}))
@_QUICK
def test_anything_near_a_project(value: Any) -> None:
    _check(
        b"agent: {type: command, command: [x]}\nprefix: a/\n",
        yaml.safe_dump(value).encode("utf-8", "replace"),
    )


_ARGUMENTS = [
    "-y",
    "--yes",
    "-p",
    "--package",
    "--package=a@1.0.0",
    "--from",
    "--from=a==1",
    "--",
    "a@1.0.0",
    "a==1",
    "@",
    "@a",
    "@a/b@1.0.0",
    "==",
    "-",
]


@given(
    st.sampled_from(["npx", "uvx", "docker", "uv", "python3", "/usr/bin/npx"]),
    st.lists(st.sampled_from(_ARGUMENTS) | st.text(max_size=8), max_size=5),
)
@_QUICK
def test_any_command_line(command: str, args: list[str]) -> None:
    found, unclear = None, None
    try:
        found = bundle(command, args)
    except Unclear as error:
        unclear = error
    if unclear:
        assert unclear.what
        assert unclear.hint
        assert unclear.at is None or 0 <= unclear.at < len(args)
    assert found is None or (found.package.name and found.package.version)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "a: [\n", "- - ? "])
def test_deep_nesting_is_refused_without_recursion(opening: str) -> None:
    document = parse((opening * 100_000).encode())
    assert not document.usable
    assert document.findings


def test_a_huge_file_is_refused() -> None:
    assert "larger than" in parse(b"#" * 2_000_000).findings[0].what
