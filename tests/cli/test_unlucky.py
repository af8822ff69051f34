"""The program in unlucky hands: closed streams, full disks, odd names, damaged files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import TextIOWrapper

import pytest

from tests.support.program import Program


def shell(program: Program, line: str) -> subprocess.CompletedProcess[str]:
    line = line.replace("lambdactl", f"{sys.executable} -P -m lambdactl")
    command = ["sh", "-c", line]
    return subprocess.run(command, cwd=program.root, env=program.environment, capture_output=True, text=True)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_lead_nowhere(lambdactl: Program, closed: str) -> None:
    done = shell(lambdactl, f"lambdactl plan --offline {closed}")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_is_said_in_a_line(lambdactl: Program) -> None:
    done = shell(lambdactl, "lambdactl plan --offline >/dev/full")
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["error: No space left on device"]


@pytest.mark.parametrize(
    "lock",
    [
        "{}",
        '{"version": 1}',
        '{"version": 1, "date": "", "images": [], "packages": {}}',
        "[" * 100_000,
        '{"version": 1, "date": "", "images": {}, "packages": 7}',
    ],
    ids=lambda text: text[:60],
)
def test_a_damaged_lock_is_an_error(lambdactl: Program, lock: str) -> None:
    (lambdactl.root / "lambdactl.lock").write_text(lock)
    assert "lambdactl.lock" in lambdactl("plan", "--offline", code=1).stderr


def test_damage_inside_of_the_lock_is_an_error_too(lambdactl: Program) -> None:
    file = lambdactl.root / "lambdactl.lock"
    document = json.loads(file.read_text())
    document["packages"] = {key: {} for key in document["packages"]}
    file.write_text(json.dumps(document))
    assert "is damaged at" in lambdactl("plan", "--offline", code=1).stderr
    file.unlink()
    file.mkdir()
    assert "Is a directory" in lambdactl("plan", "--offline", code=1).stderr


@pytest.mark.parametrize("text", ["[" * 100_000, "NaN", '"\\ud800"', "{", '{"a": Infinity}'], ids=str.__len__)
def test_an_input_that_is_no_json_is_wrong_usage(sandbox: Program, text: str) -> None:
    (sandbox.root / "input.json").write_text(text)
    assert "JSON" in sandbox("launch", "hello", "-i", "input.json", code=64).stderr


def test_an_input_without_an_end_is_not_read_to_its_end(lambdactl: Program) -> None:
    for line in ("lambdactl launch hello -i /dev/zero", "lambdactl run-local hello -i - </dev/zero"):
        done = shell(lambdactl, f"ulimit -v 4000000; {line}")
        assert (done.returncode, "more than 64 MiB" in done.stderr) == (64, True), done.stderr


def test_a_stream_that_is_not_utf_8_loses_no_output(lambdactl: Program) -> None:
    manifest = lambdactl.root / "jobs" / "hello.yaml"
    manifest.write_text(
        manifest.read_text().replace("description: ", "description: \u00e9 \u2713 \U0001f600 ", 1)
    )
    ascii_ = {"PYTHONIOENCODING": "ascii"}
    text = lambdactl("plan", "--offline", env=ascii_)
    assert r"\xe9 \u2713 \U0001f600" in text.stdout  # a terminal that lacks them
    document = lambdactl("plan", "--offline", "--format", "json", env=ascii_)
    assert document.stdout == lambdactl("plan", "--offline", "--format", "json").stdout  # is UTF-8 anywhere


def test_a_folder_that_cannot_be_read_is_not_left_out_in_silence(lambdactl: Program) -> None:
    closed = lambdactl.root / "files" / "closed"
    closed.mkdir(parents=True)
    (closed / "file").write_text("")
    closed.chmod(0)
    manifest = lambdactl.root / "jobs" / "hello.yaml"
    manifest.write_text(manifest.read_text() + "include: [files]\n")
    mere = "exec setpriv --bounding-set=-dac_override,-dac_read_search" if os.geteuid() == 0 else "exec"
    done = shell(lambdactl, f"{mere} lambdactl plan --offline")
    closed.chmod(0o755)
    assert done.returncode == 1
    assert "Permission denied" in done.stderr


def test_a_value_that_is_no_text_is_refused_and_not_shown(sandbox: Program) -> None:
    with sandbox.start("secrets", "set", "/demo/x", stdin=subprocess.PIPE) as child:
        assert isinstance(child.stdin, TextIOWrapper)
        child.stdin.buffer.write(b"made-up-\xff-value")
        child.stdin.close()
        assert child.stderr is not None
        said = child.stderr.read()
    assert child.returncode == 64
    assert "not UTF-8" in said
    assert "made-up" not in said


def test_names_that_are_no_text_are_shown_escaped(lambdactl: Program) -> None:
    (lambdactl.root / "jobs" / "x\udcff.yaml").write_text("prefix: x/\n")
    strict = {"PYTHONIOENCODING": "utf-8:strict"}
    assert r"x\udcff" in lambdactl("validate", code=1, env=strict).stdout
    (lambdactl.root / "jobs" / "x\udcff.yaml").unlink()
    (lambdactl.root / "more").mkdir()
    (lambdactl.root / "more" / "\udcff").write_text("")
    manifest = lambdactl.root / "jobs" / "hello.yaml"
    manifest.write_text(manifest.read_text() + "include: [more]\n")
    assert "not UTF-8" in lambdactl("plan", "--offline", code=1).stderr


def test_workflow_commands_in_a_name_are_quoted_but_for_annotations(lambdactl: Program) -> None:
    (lambdactl.root / "::error::x").mkdir()
    (lambdactl.root / "::error::x" / "Bad.yaml").write_text("prefix: x/\n")
    (lambdactl.root / "lambdactl.yaml").write_text("project: demo\njobs: '::error::x'\n")
    actions = {"GITHUB_ACTIONS": "true"}
    assert lambdactl("validate", code=1, env=actions).stderr.startswith("::stop-commands::")
    annotated = lambdactl("validate", "--format", "github", code=1, env=actions)
    assert "stop-commands" not in annotated.stderr
    assert all(line.startswith("::error file=") for line in annotated.stdout.splitlines())


def test_a_newline_at_the_end_is_no_part_of_a_name(lambdactl: Program) -> None:
    (lambdactl.root / "lambdactl.yaml").write_text('project: "demo\\n"\naccount: "123456789012\\n"\n')
    done = lambdactl("validate", code=1)
    assert [line.partition(": ")[0] for line in done.stdout.splitlines()] == [
        "lambdactl.yaml:1:10",
        "lambdactl.yaml:2:10",
    ]
