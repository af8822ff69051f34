"""`init` in all sorts of folders: what it writes is valid, and what is there is never changed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lambdactl import manifest
from lambdactl.bundled import schema
from lambdactl.cli import run
from lambdactl.errors import LambdactlError, Refused, UsageError
from lambdactl.setup import init
from lambdactl.setup.init import FILES, IGNORED, SCHEMAS
from tests.setup.sources import COMMIT

ALL = {*FILES, *SCHEMAS}


def folder(parent: Path, name: str = "demo") -> Path:
    made = parent / name
    made.mkdir()
    return made


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_an_empty_folder_becomes_a_valid_project(tmp_path: Path) -> None:
    root = folder(tmp_path)
    lines: list[str] = []
    written = init(root, region="eu-central-1", on_line=lines.append)
    assert {str(path.relative_to(root)) for path in written} == set(contents(root)) == {*ALL, ".gitignore"}
    assert lines[:-1] == [f"wrote {path.relative_to(root)}" for path in written]
    assert "--install-from" in lines[-1]
    loaded = manifest.load(root)
    assert loaded.problems == ()
    assert (loaded.project.name, loaded.project.region) == ("demo", "eu-central-1")
    assert [(job.name, job.agent.type) for job in loaded.jobs] == [("hello", "claude-code")]


def test_no_placeholder_is_left(tmp_path: Path) -> None:
    root = folder(tmp_path)
    init(root)
    for name, content in contents(root).items():
        assert b"@PROJECT@" not in content, name
        assert b"@INSTALL@" not in content, name
        assert b"@REGION@" not in content, name


def test_a_second_init_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    root = folder(tmp_path)
    init(root)
    before = contents(root)
    with pytest.raises(Refused) as refused:
        init(root, project="another")
    assert all(path in str(refused.value) for path in ALL)
    assert contents(root) == before


@pytest.mark.parametrize(
    "existing", ["lambdactl.yaml", ".github/workflows/lambdactl-drift.yml", "schemas/job.schema.json"]
)
def test_one_existing_file_is_enough_to_write_nothing(tmp_path: Path, existing: str) -> None:
    root = folder(tmp_path)
    (root / existing).parent.mkdir(parents=True, exist_ok=True)
    (root / existing).write_text("mine")
    with pytest.raises(Refused, match=existing):
        init(root)
    assert contents(root) == {existing: b"mine"}


def test_a_link_to_nowhere_counts_as_a_file(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "lambdactl.yaml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused):
        init(root)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ".lambdactl/\n.env*\n"),
        ("*.pyc", "*.pyc\n.lambdactl/\n.env*\n"),
        ("# mine\n.env*\n", "# mine\n.env*\n.lambdactl/\n"),
        (".env*\n.lambdactl/\n", ".env*\n.lambdactl/\n"),
    ],
)
def test_an_existing_gitignore_is_only_added_to(tmp_path: Path, before: str, after: str) -> None:
    root = folder(tmp_path)
    (root / ".gitignore").write_text(before)
    written = init(root)
    assert (root / ".gitignore").read_text() == after
    assert (root / ".gitignore" in written) == (before != after)
    assert set(IGNORED) <= set(after.splitlines())


@pytest.mark.parametrize(
    ("remote", "name"),
    [
        ("git@github.com:acme/My-Agents.git", "myagents"),
        ("https://github.com/acme/agents2", "agents2"),
        ("ssh://git@git.example.com:2222/acme/2nd_try.git", "ndtry"),
    ],
)
def test_the_project_is_called_as_the_remote(tmp_path: Path, remote: str, name: str) -> None:
    root = folder(tmp_path, "somewhere")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run(["git", "-C", str(root), "remote", "add", "origin", remote], check=True)
    init(root)
    assert manifest.load(root).project.name == name


def test_workflows_below_the_top_of_a_repository_are_pointed_out(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    lines: list[str] = []
    init(folder(tmp_path), install_from=COMMIT, on_line=lines.append)
    assert str(tmp_path) in lines[-1]


@pytest.mark.parametrize(
    ("name", "project", "region"),
    [
        ("1-2-3", "", ""),
        ("demo", "has-hyphen", ""),
        ("demo", "Upper", ""),
        ("demo", "x" * 33, ""),
        ("demo", "", "here\nproject: x"),
    ],
)
def test_names_that_aws_or_yaml_would_not_take_are_refused(
    tmp_path: Path, name: str, project: str, region: str
) -> None:
    root = folder(tmp_path, name)
    with pytest.raises(UsageError):
        init(root, project=project, region=region)
    assert contents(root) == {}


def test_editors_find_the_schemas_by_the_first_line_of_each_file(tmp_path: Path) -> None:
    root = folder(tmp_path)
    init(root)
    for name, kind in (("lambdactl.yaml", "project"), ("jobs/hello.yaml", "job")):
        first = (root / name).read_text().splitlines()[0]
        target = first.removeprefix("# yaml-language-server: $schema=")
        assert json.loads(((root / name).parent / target).read_text()) == schema(kind)


def test_a_newer_schema_is_printed_to_be_put_over_the_old_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "job"]) == 0
    assert json.loads(capsys.readouterr().out) == schema("job")
    assert run(["schema", "definition"]) == 64


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LambdactlError, match="no such folder"):
        init(tmp_path / "nowhere")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = folder(tmp_path)
    assert run(["init", "--root", str(root)]) == 0
    said = capsys.readouterr().out
    assert "wrote lambdactl.yaml" in said
    assert "--install-from" in said
    assert run(["init", "--root", str(root)]) == 1
    assert "Nothing was written" in capsys.readouterr().err


TWO = "project: demo\nenvironments: { dev: {}, prod: {} }\n"


def test_an_environment_of_a_project_gets_workflows_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lambdactl.yaml").write_text(TWO)
    made = {f".github/workflows/lambdactl-{each}-dev.yml" for each in ("plan", "apply", "drift")}
    command = ["init", "--root", str(tmp_path), "--env", "dev", "--install-from", COMMIT]
    assert run(command) == 0
    assert "bootstrap --print --env dev" in capsys.readouterr().err
    assert set(contents(tmp_path)) == {"lambdactl.yaml", *made}
    assert all(b"@OF@" not in text and b"@ENV@" not in text for text in contents(tmp_path).values())
    before = contents(tmp_path)
    assert run(command) == 1
    assert "Nothing was written" in capsys.readouterr().err
    assert contents(tmp_path) == before


@pytest.mark.parametrize("options", [["--env", "prd"], ["--env", "dev", "--region", "eu-west-1"]])
def test_an_environment_that_is_not_declared_or_options_of_a_new_project_are_refused(
    tmp_path: Path, options: list[str]
) -> None:
    (tmp_path / "lambdactl.yaml").write_text(TWO)
    assert run(["init", "--root", str(tmp_path), *options]) == 64
    assert set(contents(tmp_path)) == {"lambdactl.yaml"}


def test_without_a_project_there_is_no_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", "--root", str(tmp_path), "--env", "dev"]) == 64
    assert "lambdactl.yaml" in capsys.readouterr().err


def test_a_gitignore_that_is_no_text_is_only_added_to_as_well(tmp_path: Path) -> None:
    root = tmp_path
    (root / ".gitignore").write_bytes(b"caf\xe9\n")
    init(root, project="demo")
    assert (root / ".gitignore").read_bytes() == b"caf\xe9\n.lambdactl/\n.env*\n"
