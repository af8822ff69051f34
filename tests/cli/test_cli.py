"""The program as a user meets it: exit codes, streams, interruptions, what it imports."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lambdactl import manifest
from tests.support.program import Program


@pytest.mark.parametrize("argv", [["--help"], ["validate"], ["--version"], ["plan", "--help"]])
def test_quick_commands_do_not_pay_for_boto3(lambdactl: Program, argv: list[str]) -> None:
    heavy = "{'boto3', 'botocore'} & set(sys.modules)"
    code = f"import sys; from lambdactl.cli import run; run({argv!r}); sys.exit(bool({heavy}))"
    subprocess.run([sys.executable, "-c", code], cwd=lambdactl.root, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("words", "offered"), [("lambdactl pl", "plan"), ("lambdactl plan --ex", "--expect")]
)
def test_nor_does_shell_completion(lambdactl: Program, words: str, offered: str) -> None:
    """It runs the program at each press of the key."""
    asked = {
        "_LAMBDACTL_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    code = (
        "import sys; from lambdactl.cli import run\n"
        "try: run([])\n"
        "finally: print({'boto3', 'botocore'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=lambdactl.root,
        env={**lambdactl.environment, **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    assert offered in done.stdout.split()
    assert done.stderr == "set()\n"


@pytest.mark.parametrize(
    "argv", [["nonsense"], ["plan", "--nonsense"], ["launch"], ["runs", "--count", "0"], ["launch", "none"]]
)
def test_wrong_usage_is_64(lambdactl: Program, argv: list[str]) -> None:
    assert lambdactl(*argv, code=64).stdout == ""


def test_a_name_that_is_nearly_a_job_s(lambdactl: Program) -> None:
    for argv in (["launch", "helo"], ["run-local", "helo"]):
        assert "did you mean hello?" in lambdactl(*argv, code=64).stderr


def test_bad_manifests_are_1_and_every_problem_is_named_with_its_place(lambdactl: Program) -> None:
    (lambdactl.root / "jobs" / "bad.yaml").write_text(
        "agent: {type: command, command: [x]}\nprefx: bad/\ntimeout: 20m\n"
    )
    done = lambdactl("validate", code=1)
    lines = done.stdout.splitlines()
    assert any(line.startswith("jobs/bad.yaml:2:1:") and "prefix" in line for line in lines)
    assert any(line.startswith("jobs/bad.yaml:3:") and "15m" in line for line in lines)
    assert lambdactl("validate", "--format", "github", code=1).stdout.count(
        "::error file=jobs/bad.yaml"
    ) == len(lines)
    assert len(json.loads(lambdactl("validate", "--format", "json", code=1).stdout)["problems"]) == len(lines)
    assert "nothing was changed" in lambdactl("plan", "--offline", code=1).stderr


def test_outside_of_a_project_the_way_in_is_named(lambdactl: Program, tmp_path: Path) -> None:
    done = lambdactl("plan", "--root", str(tmp_path), code=64)
    assert "lambdactl init" in done.stderr


def test_the_sandbox_must_be_up_and_is_never_mistaken_for_aws(lambdactl: Program) -> None:
    done = lambdactl("plan", code=1)
    assert "this is not AWS" in done.stderr
    assert "lambdactl sandbox up" in done.stderr


def test_no_lock_no_plan(lambdactl: Program) -> None:
    (lambdactl.root / "lambdactl.lock").unlink()
    assert "lambdactl lock" in lambdactl("plan", "--offline", code=1).stderr


def test_the_whole_way_through_the_embedded_aws(sandbox: Program) -> None:
    plan = json.loads(sandbox("plan", "--format", "json").stdout)
    assert {step["action"] for step in plan["steps"]} == {"create"}
    sandbox("plan", "--detailed-exitcode", code=2)

    refused = sandbox("apply", code=1)
    assert "no terminal" in refused.stderr
    assert json.loads(sandbox("plan", "--format", "json").stdout) == plan

    assert "Apply complete" in sandbox("apply", "--yes").stderr
    assert "Nothing to do" in sandbox("apply").stdout
    sandbox("plan", "--detailed-exitcode")

    launched = sandbox(
        "launch", "jobs/hello.yaml", "--input", "-", "--wait", "--format", "json", input='{"issue": 7}'
    )
    run = json.loads(launched.stdout)[0]
    assert run["state"] == "succeeded"
    assert run["id"] in sandbox("runs").stdout
    shown = sandbox("show", run["id"], "--download", str(sandbox.root / "got")).stdout
    assert "artifacts/out.txt" in shown
    assert json.loads((sandbox.root / "got" / "artifacts" / "out.txt").read_text()) == {"issue": 7}

    prefix = manifest.load(sandbox.root).jobs[0].prefix
    (sandbox.root / "jobs" / "hello.yaml").unlink()
    (sandbox.root / "jobs" / "other.yaml").write_text(
        "agent: {type: command, command: ['true']}\nprefix: other/\n"
    )
    assert "--prefix FOLDER/" in sandbox("show", run["id"], code=1).stderr
    assert run["id"] not in sandbox("runs").stdout
    assert run["id"] in sandbox("runs", "--prefix", prefix.rstrip("/")).stdout
    assert "succeeded" in sandbox("show", run["id"], "--prefix", prefix).stdout
    sandbox("logs", run["id"], "--prefix", prefix)
    assert "is not running" in sandbox("cancel", run["id"], "--prefix", prefix, code=1).stderr
    assert "whole bucket" in sandbox("runs", "--prefix", "/", code=64).stderr
    sandbox("runs", "other", "--prefix", prefix, code=64)
    assert "of others, `--prefix FOLDER/` lists them" in sandbox("runs").stdout
    assert "no runs yet under none" in sandbox("runs", "--prefix", "none").stdout
    assert "no longer in git" in sandbox("plan").stdout
    sandbox("apply", "--yes", "--prune")
    assert "no longer in git" not in sandbox("plan").stdout
    assert "what stays: the bucket" in sandbox("destroy", "--yes").stderr
    assert "Nothing to do" in sandbox("destroy", "--yes").stdout


def test_secrets_are_read_from_standard_input_and_never_shown(sandbox: Program) -> None:
    with (sandbox.root / "jobs" / "hello.yaml").open("a") as file:
        file.write("secrets: {TOKEN: /demo/token}\n")
    text = (sandbox.root / "jobs" / "hello.yaml").read_text()
    (sandbox.root / "jobs" / "hello.yaml").write_text(
        text.replace("command: [", "env: {T: '${secrets.TOKEN}'}, command: [")
    )
    assert "MISSING" in sandbox("secrets", "list", code=1).stdout
    assert "/demo/token does not exist" in sandbox("plan").stdout
    assert "short" not in sandbox("secrets", "set", "TOKEN", input="made-up-token-value\n").stderr
    listed = sandbox("secrets", "list")
    assert "made-up-token-value" not in listed.stdout + listed.stderr
    sandbox("secrets", "set", "TOKEN", input="", code=64)
    assert "note: it is short" in sandbox("secrets", "set", "TOKEN", input="word\n").stderr
    assert "no job declares it" in sandbox("secrets", "set", "/other/token", input="made-up-value").stderr
    assert "too short to be masked" in sandbox("secrets", "set", "TOKEN", input="abc\n").stderr


def test_a_broken_manifest_costs_its_own_job_alone(sandbox: Program) -> None:
    """Above all, nobody who wants to end a run is to mend somebody else's manifest first."""
    sandbox("apply", "--yes")
    broken = sandbox.root / "jobs" / "broken.yaml"
    broken.write_text("agent: {type: command, command: [x]}\nprefx: broken/\n")

    launched = sandbox("launch", "hello", "--input", "-", "--wait", "--format", "json", input="{}")
    run = json.loads(launched.stdout)[0]["id"]
    assert "left out of the jobs, `lambdactl validate` says why: broken" in launched.stderr
    assert run in sandbox("runs").stdout
    assert "succeeded" in sandbox("show", run).stdout
    sandbox("logs", run)
    assert "is not running: it is succeeded" in sandbox("cancel", run, code=1).stderr
    assert "complete" in sandbox("history").stdout
    sandbox("secrets", "list", code=1)  # what the broken one needs is not known
    assert "name the parameter itself" in sandbox("secrets", "set", "TOKEN", input="x", code=64).stderr
    for refused in (("plan",), ("apply", "--yes"), ("drift",), ("launch", "broken"), ("runs", "broken")):
        assert 'jobs/broken.yaml:2:1: unknown field "prefx"' in sandbox(*refused, code=1).stderr
    taken = manifest.load(sandbox.root).jobs[0].prefix
    broken.write_text(f"agent: {{type: command, command: [x]}}\nprefix: {taken}sub/\n")
    assert "or it is of broken, hello, left out" in sandbox("cancel", run, code=1).stderr
    assert "is not running" in sandbox("cancel", run, "--prefix", taken, code=1).stderr
    sandbox("cancel", run, "--prefix", taken, "--job", "hello", code=64)
    sandbox("destroy", "--yes")
    (sandbox.root / "lambdactl.yaml").open("a").write("nmae: x\n")
    assert "nmae" in sandbox("runs", code=1).stderr


def test_a_reader_that_leaves_is_no_error(sandbox: Program) -> None:
    with sandbox.start("plan") as child:
        assert child.stdout is not None
        child.stdout.close()
        assert child.stderr is not None
        err = child.stderr.read()
    assert child.returncode == 128 + signal.SIGPIPE
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_apply_finishes_what_runs_and_the_next_one_continues(
    sandbox: Program, number: int
) -> None:
    with sandbox.start("apply", "--yes") as child:
        assert child.stderr is not None
        for line in child.stderr:
            if "creating" in line:
                break
        child.send_signal(number)
        rest = child.stderr.read()
    assert child.returncode in (0, 128 + signal.SIGINT)
    assert "Traceback" not in rest
    if child.returncode:
        assert "run `lambdactl apply` again to continue" in rest
    sandbox("apply", "--yes")
    sandbox("plan", "--detailed-exitcode")


def test_a_killed_apply_is_continued_by_the_next(sandbox: Program) -> None:
    for pause in (0.9, 1.1, 1.3):
        with sandbox.start("apply", "--yes") as child:
            time.sleep(pause)
            child.kill()
        sandbox("unlock", "--yes")  # or a minute's wait: a lock that nobody renews expires
    sandbox("apply", "--yes")
    sandbox("plan", "--detailed-exitcode")


def test_waiting_ends_after_its_time(sandbox: Program) -> None:
    manifest = sandbox.root / "jobs" / "hello.yaml"
    manifest.write_text(manifest.read_text().replace("echo hello", "sleep 20"))
    sandbox("apply", "--yes")
    launched = sandbox("launch", "hello", "--wait", "--timeout", "1", "--format", "json", code=1)
    run = json.loads(launched.stdout)[0]
    assert run["state"] in ("queued", "running")
    assert f"it goes on: `lambdactl logs {run['id']} --follow`" in launched.stderr


def test_build_push_brings_images_into_the_registry_once(sandbox: Program) -> None:
    assert "lambdactl apply" in sandbox("build", "--push", code=1).stderr
    sandbox("apply", "--yes")
    pushed = sandbox("build", "hello", "--push")
    assert pushed.stdout.startswith("hello: sha256:")
    assert "Nothing to do" in sandbox("plan").stdout


def test_a_bucket_name_that_s3_would_refuse_is_refused_first(lambdactl: Program) -> None:
    (lambdactl.root / "lambdactl.yaml").write_text(f"project: {'p' * 32}\nregion: ap-southeast-2\n")
    assert "S3 takes 63" in lambdactl("plan", "--offline", code=1).stderr
    assert lambdactl("validate", code=1).stdout.startswith("lambdactl.yaml:1:10: ")
