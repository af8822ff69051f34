"""`run-local` as a user types it: real images, real agent CLIs, real MCP servers, a scripted model."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lambdactl.container import Engine
from tests.e2e.left import everything_in, folder, leftovers, result
from tests.support.program import Program


def test_a_command_with_input_and_nothing_is_left_behind(project: Program, engine: Engine) -> None:
    done = project("run-local", "jobs/hello.yaml", "--input", "-", input='{"issue": 7}')
    assert result(done.stdout)["outcome"] == "succeeded"
    printed = (folder(done.stdout) / "stdout" / "000001.log").read_text()
    assert "Hello from" in printed
    assert json.loads(printed.splitlines()[-1]) == {"issue": 7}
    assert json.loads((folder(done.stdout) / "input.json").read_text()) == {"issue": 7}
    shown = project("show", folder(done.stdout).name)
    assert "stdout/000001.log" in shown.stdout
    assert "sandbox:" not in shown.stderr  # it is here: nobody was asked
    assert "REPORT RequestId:" in done.stderr
    assert leftovers(engine, project) == []


def test_claude_code_calls_a_real_mcp_server_and_its_artifact_comes_home(project: Program) -> None:
    done = project("run-local", "everything", "--scripted-model")
    found = result(done.stdout)
    assert found["outcome"] == "succeeded"
    assert found["mcpServers"] == [{"name": "everything", "status": "connected"}]
    assert found["costUsd"] > 0
    place = folder(done.stdout)
    assert "The sum of 19 and 23 is 42." in (place / "artifacts" / "answer.md").read_text()
    assert list((place / "transcript").rglob("*.jsonl"))
    assert "→ mcp__everything__get-sum" in done.stderr


def test_codex_calls_a_real_mcp_server_from_pypi(project: Program) -> None:
    done = project("run-local", "clock", "--scripted-model")
    found = result(done.stdout)
    assert found["outcome"] == "succeeded"
    assert found["usage"]["outputTokens"] > 0
    assert found["costUsd"] > 0
    assert b"get_current_time" in everything_in(folder(done.stdout) / "events")
    assert list((folder(done.stdout) / "transcript").rglob("*.jsonl"))


def test_a_secret_reaches_the_script_and_is_masked_in_all_that_leaves(project: Program) -> None:
    secrets = project.root.parent / "values"
    secrets.write_text("REPORT_TOKEN=made-up-token-of-the-report\n")
    secrets.chmod(0o600)
    done = project("run-local", "report", "--secrets-file", str(secrets))
    place = folder(done.stdout)
    assert result(done.stdout)["outcome"] == "succeeded"
    assert list((place / "artifacts" / "out").glob("*.md"))
    assert b"made-up-token-of-the-report" not in everything_in(place)
    assert "made-up-token-of-the-report" not in done.stdout + done.stderr


def test_without_a_declared_secret_nothing_starts(project: Program) -> None:
    said = project("run-local", "report", code=64).stderr
    assert "no value for REPORT_TOKEN" in said
    assert "image" not in said  # nobody waits for a build to learn it


@pytest.mark.parametrize(
    ("command", "outcome", "reason"),
    [("exit 3", "failed", "3"), ("sleep 60", "timed_out", "")],
)
def test_other_ends_are_outcomes_and_exit_code_1(
    project: Program, command: str, outcome: str, reason: str
) -> None:
    manifest = project.root / "jobs" / "hello.yaml"
    manifest.write_text(
        f"agent: {{type: command, command: [sh, -c, 'echo begun; {command}']}}\n"
        "prefix: hello/\ntimeout: 15s\n"
    )
    done = project("run-local", "hello", code=1)
    found = result(done.stdout)
    assert found["outcome"] == outcome
    assert reason in found["reason"]
    assert "begun" in (folder(done.stdout) / "stdout" / "000001.log").read_text()


def test_ctrl_c_once_stops_softly_and_gathers_what_there_is(project: Program, engine: Engine) -> None:
    manifest = project.root / "jobs" / "hello.yaml"
    manifest.write_text(
        "agent: {type: command, command: [sh, -c, 'echo begun; sleep 120']}\nprefix: hello/\ntimeout: 3m\n"
    )
    with project.start("run-local", "hello") as child:
        assert child.stderr is not None
        assert any("begun" in line for line in child.stderr)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=120)
    assert child.returncode == 1
    assert result(out)["outcome"] == "cancelled"
    assert "begun" in (folder(out) / "stdout" / "000001.log").read_text()


@pytest.mark.parametrize("after", [0, 0.1, 0.3])
def test_ctrl_c_in_a_terminal_before_it_began_is_no_error_of_the_engine(
    project: Program, engine: Engine, after: float
) -> None:
    """A terminal sends it to every process of the group: the engine's clients are not in it."""
    manifest = project.root / "jobs" / "hello.yaml"
    manifest.write_text("agent: {type: command, command: [sleep, '120']}\nprefix: hello/\ntimeout: 3m\n")
    with project.start("run-local", "hello", start_new_session=True) as child:
        assert child.stderr is not None
        assert any(line.startswith("image ") for line in child.stderr)
        time.sleep(after)
        os.killpg(child.pid, signal.SIGINT)
        out, said = child.communicate(timeout=60)
    assert "\nerror: " not in f"\n{said}"
    assert child.returncode == 1
    assert "cancelled" in out


def test_ctrl_c_in_a_terminal_while_the_image_is_built(
    project: Program, engine: Engine, tmp_path: Path
) -> None:
    slow = tmp_path / engine.name  # a build that is not over before it can be interrupted
    slow.write_text(
        f"#!{sys.executable}\n"
        "import os, signal, sys, time\n"
        "if sys.argv[1] == 'build':\n"
        "    signal.signal(signal.SIGINT, signal.SIG_DFL)\n"  # a shell may miss it, just before it waits
        "    print('#1 building', flush=True)\n"
        "    time.sleep(600)\n"
        f"os.execv({engine.executable!r}, sys.argv)\n"
    )
    slow.chmod(0o755)
    (project.root / "new").write_text("in no image yet")
    manifest = project.root / "jobs" / "hello.yaml"
    manifest.write_text("agent: {type: command, command: [sleep, '120']}\nprefix: hello/\ninclude: [new]\n")
    with project.start("run-local", "hello", "--engine", str(slow), start_new_session=True) as child:
        assert child.stderr is not None
        assert any("#1 building" in line for line in child.stderr)
        os.killpg(child.pid, signal.SIGINT)
        out, said = child.communicate(timeout=60)
    assert "\nerror: " not in f"\n{said}"
    assert (child.returncode, out) == (130, "")


@pytest.mark.parametrize("end", ["hang-up", "deaf"])
def test_a_closed_terminal_loses_nothing(project: Program, engine: Engine, end: str) -> None:
    # Long enough for a stop to come first on a busy machine; without one the job ends by itself.
    pause = 20 if end == "hang-up" else 3
    script = f"echo begun; sleep {pause}; for i in 1 2 3; do echo $i; done"
    agent = {"type": "command", "command": ["sh", "-c", script]}
    manifest = {"agent": agent, "prefix": "hello/", "timeout": "30s"}
    (project.root / "jobs" / "hello.yaml").write_text(json.dumps(manifest))
    # Under nohup a child would inherit that SIGHUP is ignored, and rightly go on.
    heard: dict[str, Any] = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL)}
    with project.start("run-local", "hello", **heard) as child:
        assert child.stderr is not None
        assert child.stdout is not None
        assert any("begun" in line for line in child.stderr)
        if end == "hang-up":
            child.send_signal(signal.SIGHUP)
        child.stderr.close()
        out = child.stdout.read()
    assert child.returncode == (1 if end == "hang-up" else 0)
    assert result(out)["outcome"] == ("cancelled" if end == "hang-up" else "succeeded")
    running = engine.call("ps", "--all", "--format", "{{.Names}}").stdout.decode()
    assert f"-{child.pid}-" not in running


@pytest.mark.row("credentials")
def test_with_the_jobs_own_credentials_the_run_is_in_s3(project: Program) -> None:
    project("sandbox", "up")
    try:
        project("secrets", "set", "ANTHROPIC_API_KEY", input="made-up-key-of-the-test")
        project("secrets", "set", "OPENAI_API_KEY", input="made-up-key-of-the-test")
        project("secrets", "set", "REPORT_TOKEN", input="made-up-token-of-the-report")
        project("apply", "--yes")
        done = project("run-local", "report", "--creds", "job")
        assert result(done.stdout)["outcome"] == "succeeded"
        place = folder(done.stdout)
        assert b"made-up-token-of-the-report" not in everything_in(place)
        shutil.rmtree(place)  # `show` would find it here
        shown = project("show", place.name).stdout
        assert "s3://demo-main-000000000000-us-east-1/report/" in shown
        assert "artifacts/out/" in shown
    finally:
        project("sandbox", "down", "--purge")


def test_without_a_container_it_says_what_does_not_hold(project: Program) -> None:
    done = project("run-local", "hello", "--engine", "process")
    assert result(done.stdout)["outcome"] == "succeeded"
    assert "no container. Not as in Lambda, and not held back" in done.stderr
    refused = project("run-local", "everything", "--engine", "process", "--env", "ANTHROPIC_API_KEY", code=64)
    assert "not set in the environment" in refused.stderr


COMETS = """\
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("begun", flush=True)
for _ in range(20):
    try:
        made = os.fork()
    except OSError:  # those that came before have taken all
        break
    if made == 0:
        os.setsid()
        os.execve("/bin/sh", ["sh", "-c", "trap '' TERM; while :; do (sleep 0.01) & done"], {})
signal.pause()
"""


@pytest.mark.alone
def test_a_fork_bomb_is_stopped_in_time(project: Program) -> None:
    """Up to the limit of processes, in sessions of their own, without a mark, and deaf."""
    command = ["/opt/lambdactl/python/bin/python", "-c", COMETS]
    manifest = {
        "agent": {"type": "command", "command": command},
        "prefix": "hello/",
        "timeout": "30s",
        "memory": 512,
    }
    (project.root / "jobs" / "hello.yaml").write_text(json.dumps(manifest))
    done = project("run-local", "hello", code=1)
    assert result(done.stdout)["outcome"] == "timed_out"
    assert (folder(done.stdout) / "stdout" / "000001.log").read_text() == "begun\n"


SMALL = {"memory": 128, "ephemeralStorage": 512}
EATER = "held = [bytearray(1 << 20) for _ in range(4096)]"


def test_an_agent_that_takes_all_memory_leaves_its_result(project: Program) -> None:
    """It is killed before its supervisor, and told from one that crashed."""
    command = ["/opt/lambdactl/python/bin/python", "-c", EATER]
    manifest = {"agent": {"type": "command", "command": command}, "prefix": "hello/", **SMALL}
    (project.root / "jobs" / "hello.yaml").write_text(json.dumps(manifest))
    done = project("run-local", "hello", code=1)
    found = result(done.stdout)
    assert found["outcome"] == "out_of_memory"
    assert "raise the job's memory" in found["reason"]
    assert 100 < found["memoryPeakMb"] <= 250  # looked at now and then


def test_in_a_container_the_supervisor_is_hardened(project: Program) -> None:
    found = result(project("run-local", "hello").stdout)
    assert set(found["hardening"]) == {"notDumpable", "environmentEmptied", "runtimeApiWithheld"}
    assert all(found["hardening"].values())
    assert found["notes"] == []


FORGER = """\
dir=$(tr '\\0' '\\n' < /proc/$PPID/environ | sed -n 's/^LAMBDACTL_RUN_DIR=//p')
id=${AGENT_RUN##*:}
echo '{"runId": "'$id'", "job": "hello", "outcome": "succeeded"}' | tee $dir/out/result.json
echo forged > $dir/out/mine
kill -9 $PPID
sleep 60
"""


def test_a_job_cannot_write_its_own_result(project: Program) -> None:
    """It can write to the volume, and without a container it can kill the supervisor."""
    agent = {"type": "command", "command": ["sh", "-c", FORGER]}
    manifest = {"agent": agent, "prefix": "hello/", "timeout": "30s"}
    (project.root / "jobs" / "hello.yaml").write_text(json.dumps(manifest))
    done = project("run-local", "hello", "--engine", "process", code=1)
    assert "lost: " in done.stdout
    assert "signal: killed" in done.stdout
    assert "not the supervisor's, see result.unconfirmed.json" in done.stdout
    place = folder(done.stdout)
    assert sorted(each.name for each in place.iterdir()) == [
        "mine",
        "request.json",
        "result.unconfirmed.json",
    ]
    assert list(place.parent.iterdir()) == [place]


def test_a_real_model_without_a_sandbox_must_be_meant(project: Program) -> None:
    secrets = {"ANTHROPIC_API_KEY": "made-up-key-of-the-test"}
    argv = ["run-local", "everything", "--engine", "process", "--env", "ANTHROPIC_API_KEY"]
    assert "--unsandboxed" in project(*argv, env=secrets, code=1).stderr
