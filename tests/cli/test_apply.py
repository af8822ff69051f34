"""Plans kept in files, expected plans, drift and history, as a user types them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.program import Program


def fingerprint(text: str) -> str:
    found = re.search(r"Plan ([0-9a-f]{16})", text)
    assert found, text
    return found[1]


def change(sandbox: Program, old: str, new: str) -> None:
    manifest = sandbox.root / "jobs" / "hello.yaml"
    manifest.write_text(manifest.read_text().replace(old, new))


def test_a_plan_is_kept_applied_and_out_of_date_after_that(sandbox: Program, tmp_path: Path) -> None:
    kept = str(tmp_path / "plan.json")
    assert f"lambdactl apply {kept}" in sandbox("plan", "--out", kept).stderr
    assert "says itself what it takes in" in sandbox("apply", kept, "--prune", "--yes", code=64).stderr
    sandbox("apply", kept, "--yes")
    assert sandbox("plan", "--detailed-exitcode").returncode == 0
    late = sandbox("apply", kept, "--yes", code=1)
    assert "the saved plan is out of date" in late.stderr
    assert "function.hello changed in AWS" in late.stderr
    assert "this is no saved plan" in sandbox("apply", "lambdactl.yaml", "--yes", code=64).stderr
    assert "cannot read the plan" in sandbox("apply", "nothing.json", "--yes", code=64).stderr


def test_only_the_expected_plan_is_applied(sandbox: Program) -> None:
    sandbox("apply", "--yes")
    change(sandbox, "30s", "40s")
    expected = fingerprint(sandbox("plan").stdout)
    assert f"<!-- lambdactl fingerprint {expected} -->" in sandbox("plan", "--format", "markdown").stdout
    sandbox("plan", "--expect", expected)
    change(sandbox, "40s", "50s")
    sandbox("plan", "--expect", expected, code=2)
    refused = sandbox("apply", "--yes", "--expect", expected, code=1)
    assert "nothing was changed" in refused.stderr
    now = fingerprint(refused.stdout)  # the plan that it would be now, to be read
    sandbox("apply", "--yes", "--expect", now)
    assert "Nothing to do" in sandbox("plan").stdout


def test_who_applied_what_and_what_moved_since(sandbox: Program) -> None:
    assert "no applies yet" in sandbox("history").stdout
    sandbox("apply", "--yes")
    sandbox("apply", "--yes")  # nothing to do, and so nothing to remember
    (record,) = json.loads(sandbox("history", "--format", "json").stdout)
    assert (record["status"], record["command"]) == ("complete", "lambdactl apply --yes")
    assert "Nothing to do" in sandbox("drift").stdout
    change(sandbox, "30s", "40s")
    assert "function.hello  (not applied yet)" in sandbox("drift", code=2).stdout


def test_the_exact_calls_are_printed_and_none_is_made(sandbox: Program) -> None:
    lines = sandbox("plan", "--calls").stdout.splitlines()
    assert any(line.startswith("lambda CreateFunction {") for line in lines)
    sandbox("plan", "--detailed-exitcode", code=2)  # it is all still to do
    offline = sandbox("plan", "--calls", "--offline").stdout.splitlines()
    assert [line.split()[0] for line in offline[:-2]] == [line.split()[0] for line in lines[:-1]]
    document = json.loads(sandbox("plan", "--calls", "--format", "json").stdout)
    assert "CreateFunction" in {each.get("operation") for each in document["calls"]}
    assert "text or json" in sandbox("plan", "--calls", "--format", "markdown", code=64).stderr


def test_calls_that_must_not_be_made_say_why(sandbox: Program) -> None:
    sandbox("apply", "--yes")
    (sandbox.root / "jobs" / "hello.yaml").unlink()
    first, *lines = sandbox("plan", "--prune", "--calls", code=1).stdout.splitlines()
    assert first.startswith("! no manifest is left, and 1 job would go; pass --allow-mass-prune")
    assert any(line.startswith("lambda DeleteFunction {") for line in lines)
    document = json.loads(sandbox("plan", "--prune", "--calls", "--format", "json", code=1).stdout)
    assert len(document["problems"]) == 1
    allowed = sandbox("plan", "--prune", "--allow-mass-prune", "--calls").stdout
    assert not allowed.startswith("!")
    assert "log_group.hello: not wanted any more, kept as data; `apply --prune --logs` removes it" in allowed


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        ("plan --images", "pass --prune too"),
        ("apply --logs", "pass --prune too"),
        ("plan --allow-mass-prune", "pass --prune too"),
        ("apply --prune --older-than 3", "pass --images too"),
        ("plan --offline --full", "leave out --out"),
        ("plan --expect 0123 --detailed-exitcode", "leave out one of them"),
        ("launch hello --timeout 5", "pass --wait too"),
        ("show RUN --force", "pass --html too"),
        ("show RUN --html -", "--html FILE"),
        ("launch hello --input -", "standard input is not JSON"),
        ("run-local hello --engine process --creds own", "--creds own does not go with --engine process"),
        ("history SOME --count 3", "leave out --count"),
        ("run-local hello --unsandboxed", "pass --engine process too"),
        ("run-local hello --strict --engine process", "--strict does not go with --engine process"),
    ],
)
def test_no_option_is_passed_over_in_silence(lambdactl: Program, argv: str, hint: str) -> None:
    """Wrong usage, before anything is asked: of an embedded AWS that is not up, too."""
    assert hint in lambdactl(*argv.split(), code=64).stderr


def test_a_job_that_no_target_names_is_left_out(sandbox: Program) -> None:
    other = "agent: {type: command, command: ['true']}\nprefix: other/\n"
    (sandbox.root / "jobs" / "other.yaml").write_text(other)
    sandbox("apply", "--yes", "--target", "hel*")
    text = sandbox("plan").stdout
    assert "function.other" in text
    assert "function.hello" not in text
    assert "no job matches" in sandbox("plan", "--target", "nobody", code=64).stderr


def test_what_was_deleted_stays_deleted_when_the_sandbox_starts_again(sandbox: Program) -> None:
    other = sandbox.root / "jobs" / "other.yaml"
    other.write_text("agent: {type: command, command: ['true']}\nprefix: other/\n")
    sandbox("apply", "--yes")
    other.unlink()
    sandbox("apply", "--yes", "--prune")
    sandbox("sandbox", "down")
    sandbox("sandbox", "up", "--engine", "process")
    assert "no apply holds the lock" in sandbox("unlock").stdout
    assert "Nothing to do" in sandbox("plan").stdout
    assert "definition.other" not in sandbox("plan").stdout
