"""The workflows: what an attacker would try, what each command answers, and that we run what we hand out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lambdactl.setup import init
from lambdactl.setup.init import GITHUB_ENVIRONMENT
from lambdactl.setup.template import render
from tests.setup.sources import COMMIT
from tests.support.require import missing

REPOSITORY = Path(__file__).parents[2]
OURS = REPOSITORY / ".github" / "workflows"
MADE = ("plan", "apply", "drift")
# In this repository lambdactl is what is checked out, with its locked dependencies.
FROM_SOURCE = 'uv sync --frozen --no-dev && echo "$PWD/.venv/bin" >>"$GITHUB_PATH"'
MARKER = "<!-- lambdactl plan -->"


def made(name: str, how: str = FROM_SOURCE) -> str:
    values = {"INSTALL": how, "REGION": "us-east-1", "ENVIRONMENT": GITHUB_ENVIRONMENT}
    return render(f"{name}.yml", values)


def workflow(name: str) -> dict[str, Any]:
    """A workflow of this repository; its `on` is YAML 1.1's true."""
    loaded: dict[Any, Any] = yaml.safe_load((OURS / f"{name}.yml").read_text())
    loaded["on"] = loaded.pop(True)
    return loaded


def steps(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in document["jobs"].values():
        yield from job["steps"]


every = pytest.mark.parametrize("name", [*MADE, "ci"])


@pytest.mark.parametrize("name", MADE)
def test_this_repository_runs_what_init_writes(name: str) -> None:
    assert (OURS / f"{name}.yml").read_text() == made(name)


@every
def test_every_action_is_pinned_by_commit_and_says_its_version(name: str) -> None:
    lines = [line for line in (OURS / f"{name}.yml").read_text().splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@every
def test_no_permission_is_held_by_default_and_few_by_a_job(name: str) -> None:
    document = workflow(name)
    assert document["permissions"] == {}
    allowed = {("contents", "read"), ("id-token", "write"), ("pull-requests", "write")}
    for job in document["jobs"].values():
        assert set(job.get("permissions", {}).items()) <= allowed


@every
def test_a_checkout_leaves_no_token_behind(name: str) -> None:
    checkouts = [each for each in steps(workflow(name)) if "actions/checkout@" in each.get("uses", "")]
    assert checkouts
    assert all(each["with"]["persist-credentials"] is False for each in checkouts)


@every
def test_no_expression_stands_inside_a_script(name: str) -> None:
    for step in steps(workflow(name)):
        assert "${{" not in step.get("run", "")
        assert "${{" not in step.get("with", {}).get("script", "")


@every
def test_every_job_ends_in_time(name: str) -> None:
    assert all(job["timeout-minutes"] <= 90 for job in workflow(name)["jobs"].values())


def test_plan_runs_on_pull_requests_without_the_rights_of_their_target() -> None:
    assert list(workflow("plan")["on"]) == ["pull_request"]
    assert not any("pull_request_target" in workflow(name)["on"] for name in [*MADE, "ci"])


def test_what_may_write_a_comment_runs_nothing_of_the_pull_request() -> None:
    jobs = workflow("plan")["jobs"]
    assert jobs["comment"]["permissions"] == {"pull-requests": "write"}
    assert "pull-requests" not in jobs["plan"]["permissions"]
    for step in jobs["comment"]["steps"]:
        assert "run" not in step
        assert re.match("actions/(download-artifact|github-script)@", step["uses"])
        # Not into the runner's own folder, where the event lies that names the pull request.
        assert step["with"].get("path") in (None, "${{ runner.temp }}/plan")
    assert "head.repo.full_name == github.repository" in jobs["comment"]["if"]


def test_a_fork_signs_in_nowhere() -> None:
    job = workflow("plan")["jobs"]["plan"]
    assert "head.repo.full_name == github.repository && vars.LAMBDACTL_PLAN_ROLE" in job["env"]["ROLE"]
    (sign_in,) = (each for each in job["steps"] if "configure-aws-credentials@" in each.get("uses", ""))
    assert sign_in["if"] == "env.ROLE != ''"
    online, offline = (each for each in job["steps"] if "lambdactl plan" in each.get("run", ""))
    assert (online["if"], offline["if"]) == ("env.ROLE != ''", "env.ROLE == ''")
    assert "--offline" in offline["run"]


def test_apply_is_one_at_a_time_on_main_in_an_environment() -> None:
    document = workflow("apply")
    assert document["on"]["push"] == {"branches": ["main"]}
    job = document["jobs"]["apply"]
    assert job["environment"] == "production"
    assert job["concurrency"] == {"group": "lambdactl-apply-production", "cancel-in-progress": False}
    assert "github.ref == 'refs/heads/main'" in job["if"]
    assert job["steps"][-1]["run"] == "lambdactl apply --aws --yes --prune"


@pytest.mark.parametrize(("name", "job"), [("apply", "apply"), ("drift", "drift")])
def test_without_a_role_a_workflow_says_so_and_does_nothing(name: str, job: str) -> None:
    jobs = workflow(name)["jobs"]
    role = f"vars.LAMBDACTL_{'PLAN' if name == 'drift' else 'APPLY'}_ROLE"
    assert f"{role} != ''" in jobs[job]["if"]
    assert jobs["skipped"]["if"] == f"{role} == ''"
    (say,) = jobs["skipped"]["steps"]
    assert say["run"].startswith("echo '::notice title=lambdactl::")


@pytest.mark.parametrize(("code", "says"), [(0, False), (1, False), (2, True), (64, False)])
def test_drift_fails_as_plan_does_and_says_why_when_something_differs(
    tmp_path: Path, code: int, says: bool
) -> None:
    (compare,) = (each for each in steps(workflow("drift")) if "lambdactl plan" in each.get("run", ""))
    program = tmp_path / "lambdactl"
    program.write_text(f'#!/bin/sh\necho "$@"\nexit {code}\n')
    program.chmod(0o755)
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", compare["run"]],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code
    assert done.stdout.startswith("plan --aws --prune --detailed-exitcode\n")
    assert ("::error title=lambdactl::" in done.stdout) == says


@pytest.mark.parametrize(
    ("plan", "comments", "call"),
    [
        ("### a plan", [], "create"),
        ("### a plan", [("github-actions[bot]", f"{MARKER}\nold")], "update"),
        ("### a plan", [("somebody", f"{MARKER}\nnot ours"), ("github-actions[bot]", "another's")], "create"),
        ("", [], "create"),
        ("x" * 200_000, [], "create"),
    ],
)
def test_there_is_one_comment_and_it_is_edited(
    tmp_path: Path, plan: str, comments: list[tuple[str, str]], call: str
) -> None:
    found = [
        {"id": 7 + number, "user": {"login": user}, "body": body}
        for number, (user, body) in enumerate(comments)
    ]
    made_call, sent = commented(tmp_path, plan, found)
    assert made_call == call
    assert sent["body"].startswith(f"{MARKER}\n[Run](https://github.com/acme/agents/actions/runs/5)")
    assert len(sent["body"]) <= 65_000
    assert (plan or "There is no plan")[:1000] in sent["body"]
    assert sent.get("comment_id", sent.get("issue_number")) == (7 if call == "update" else 12)


def commented(tmp_path: Path, plan: str, comments: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """What the comment job's own script asks of GitHub, run by Node."""
    node = shutil.which("node")
    if node is None:
        missing("node", "apt-get install nodejs")
    (step,) = (each for each in steps(workflow("plan")) if "script" in each.get("with", {}))
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "plan.md").write_text(plan)
    (tmp_path / "run.js").write_text(
        f"""
        const tell = (call) => async (sent) => console.log(JSON.stringify([call, sent]))
        const github = {{
          paginate: async () => {json.dumps(comments)},
          rest: {{ issues: {{ createComment: tell('create'), updateComment: tell('update') }} }},
        }}
        const context = {{
          serverUrl: 'https://github.com', runId: 5, repo: {{ owner: 'acme', repo: 'agents' }},
          payload: {{ pull_request: {{ number: 12, head: {{ sha: '0123456789abcdef' }} }} }},
        }}
        void (async () => {{ {step["with"]["script"]} }})()
        """
    )
    env = {"PATH": "/usr/bin:/bin", "RUNNER_TEMP": str(tmp_path)}
    done = subprocess.run(
        [str(node), str(tmp_path / "run.js")], env=env, capture_output=True, text=True, check=True
    )
    call, sent = json.loads(done.stdout)
    return call, sent


@pytest.mark.parametrize("source", [None, "", COMMIT], ids=["ours", "made", "made with a source"])
def test_zizmor_finds_nothing(tmp_path: Path, source: str | None) -> None:
    program = Path(sys.executable).with_name("zizmor")
    if not program.exists():
        missing("zizmor", "uv sync")
    if source is not None:
        init(tmp_path, project="demo", install_from=source)
    done = subprocess.run(
        [str(program), "--offline", "--no-config", "--quiet", str(OURS if source is None else tmp_path)],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
