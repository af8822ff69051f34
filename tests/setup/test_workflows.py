"""The workflows: what an attacker would try, what each command answers, and that we run what we hand out."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lambdactl.setup import init, init_workflows
from tests.setup.sources import COMMIT
from tests.setup.workflows import (
    BOT,
    MADE,
    MARKER,
    OURS,
    GitHub,
    fake,
    made,
    parsed,
    scripted,
    shell,
    step,
    steps,
    workflow,
)
from tests.support.require import missing

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
    allowed = {
        ("contents", "read"),
        ("id-token", "write"),
        ("pull-requests", "read"),
        ("pull-requests", "write"),
        ("actions", "read"),
    }
    for job in document["jobs"].values():
        held = set(job.get("permissions", {}).items())
        assert held <= allowed
        # Who may write to GitHub signs in nowhere and has nothing of the repository.
        assert ("pull-requests", "write") not in held or not held & {
            ("contents", "read"),
            ("id-token", "write"),
        }


@every
def test_a_checkout_leaves_no_token_behind(name: str) -> None:
    checkouts = [each for each in steps(workflow(name)) if "actions/checkout@" in each.get("uses", "")]
    assert checkouts
    assert all(each["with"]["persist-credentials"] is False for each in checkouts)


@every
def test_no_expression_stands_inside_a_script(name: str) -> None:
    for each in steps(workflow(name)):
        assert "${{" not in each.get("run", "")
        assert "${{" not in each.get("with", {}).get("script", "")


@every
def test_every_job_ends_in_time(name: str) -> None:
    assert all(job["timeout-minutes"] <= 90 for job in workflow(name)["jobs"].values())


def test_plan_runs_on_pull_requests_without_the_rights_of_their_target() -> None:
    assert list(workflow("plan")["on"]) == ["pull_request"]
    assert not any("pull_request_target" in workflow(name)["on"] for name in [*MADE, "ci"])


@pytest.mark.parametrize(("name", "job"), [("plan", "comment"), ("apply", "other")])
def test_what_may_write_a_comment_runs_nothing_of_the_repository(name: str, job: str) -> None:
    jobs = workflow(name)["jobs"]
    assert [each for each in jobs if jobs[each].get("permissions", {}).get("pull-requests") == "write"] == [
        job
    ]
    for each in jobs[job]["steps"]:
        assert "run" not in each
        assert re.match("actions/(download-artifact|github-script)@", each["uses"])
        # Not into the runner's own folder, where the event lies that names the pull request.
        assert each["with"].get("path") in (None, "${{ runner.temp }}/plan")


def test_no_pull_request_of_a_fork_is_commented() -> None:
    assert "head.repo.full_name == github.repository" in workflow("plan")["jobs"]["comment"]["if"]


def test_a_fork_signs_in_nowhere() -> None:
    job = workflow("plan")["jobs"]["plan"]
    assert "head.repo.full_name == github.repository && vars.LAMBDACTL_PLAN_ROLE" in job["env"]["ROLE"]
    (sign_in,) = (each for each in job["steps"] if "configure-aws-credentials@" in each.get("uses", ""))
    assert sign_in["if"] == "env.ROLE != ''"
    online, offline = (each for each in job["steps"] if "lambdactl plan" in each.get("run", ""))
    assert (online["if"], offline["if"]) == ("env.ROLE != ''", "env.ROLE == ''")
    assert "--offline" in offline["run"]


@pytest.mark.parametrize(("name", "job"), [("apply", "plan"), ("drift", "drift")])
def test_without_a_role_a_workflow_says_so_and_does_nothing(name: str, job: str) -> None:
    jobs = workflow(name)["jobs"]
    roles = [f"vars.LAMBDACTL_{each}_ROLE" for each in (("PLAN",) if name == "drift" else ("PLAN", "APPLY"))]
    assert all(f"{role} != ''" in jobs[job]["if"] for role in roles)
    assert jobs["skipped"]["if"] == " || ".join(f"{role} == ''" for role in roles)
    (say,) = jobs["skipped"]["steps"]
    assert say["run"].startswith("echo '::notice title=lambdactl::")


@pytest.mark.parametrize(("code", "says"), [(0, False), (1, False), (2, True), (64, False)])
def test_drift_fails_as_the_command_does_and_says_why_when_something_differs(
    tmp_path: Path, code: int, says: bool
) -> None:
    done = shell(step("drift", "Compare")["run"], tmp_path, {"PATH": fake(tmp_path, code)})
    assert done.returncode == code
    assert (tmp_path / "argv").read_text() == "drift --aws\n"
    assert ("::error title=lambdactl::" in done.stdout) == says


@pytest.mark.parametrize(
    ("plan", "comments", "call"),
    [
        ("### a plan", [], "create"),
        ("### a plan", [(BOT, f"{MARKER}\nold")], "update"),
        ("### a plan", [("somebody", f"{MARKER}\nnot ours"), (BOT, "another's")], "create"),
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
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "plan.md").write_text(plan)
    script = step("plan", "Comment, or edit the comment")["with"]["script"]
    told = scripted(tmp_path, script, GitHub(comments=found))
    assert [each for each, _ in told] == ["listComments", call]
    sent: dict[str, Any] = told[-1][1]
    assert sent["body"].startswith(f"{MARKER}\n[Run](https://github.com/acme/agents/actions/runs/5)")
    assert len(sent["body"]) <= 65_000
    assert (plan or "There is no plan")[:1000] in sent["body"]
    assert sent.get("comment_id", sent.get("issue_number")) == (7 if call == "update" else 12)


ENVIRONMENTS = "project: demo\nregion: eu-central-1\nenvironments: { dev: { region: eu-west-1 }, prod: {} }\n"


def test_each_environment_has_workflows_that_share_nothing(tmp_path: Path) -> None:
    (tmp_path / "lambdactl.yaml").write_text(ENVIRONMENTS)
    for name in ("dev", "prod"):
        init_workflows(tmp_path, name, install_from=COMMIT)
    found = {path.stem: path.read_text() for path in (tmp_path / ".github" / "workflows").iterdir()}
    assert set(found) == {f"lambdactl-{each}-{name}" for each in MADE for name in ("dev", "prod")}
    for each in MADE:
        dev, prod = (found[f"lambdactl-{each}-{name}"] for name in ("dev", "prod"))
        assert parsed(dev)["env"] == {"LAMBDACTL_ENV": "dev"}
        assert "vars.LAMBDACTL_DEV_PLAN_ROLE" in dev
        assert "aws-region: eu-west-1" in dev
        assert "aws-region: eu-central-1" in prod
        for what in (r"^name: .*", "group: .*", "const marker = .*", r"vars\.\w+", "environment: .*"):
            mine, others = (set(re.findall(what, text, re.MULTILINE)) for text in (dev, prod))
            assert not mine & others
            assert bool(mine) == bool(others)
        assert "production" not in dev + prod


def test_the_workflows_of_an_only_environment_leave_the_choice_to_a_variable() -> None:
    for each in MADE:
        assert workflow(each)["env"] == {"LAMBDACTL_ENV": "${{ vars.LAMBDACTL_ENV }}"}


@pytest.mark.parametrize("source", [None, "", COMMIT], ids=["ours", "made", "made with a source"])
def test_zizmor_finds_nothing(tmp_path: Path, source: str | None) -> None:
    program = Path(sys.executable).with_name("zizmor")
    if not program.exists():
        missing("zizmor", "uv sync")
    if source is not None:
        init(tmp_path, project="demo", install_from=source)
        with (tmp_path / "lambdactl.yaml").open("a") as settings:
            settings.write("environments: { dev: {} }\n")
        init_workflows(tmp_path, "dev", install_from=source)
    done = subprocess.run(
        [str(program), "--offline", "--no-config", "--quiet", str(OURS if source is None else tmp_path)],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
