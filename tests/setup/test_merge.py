"""The merge workflow: only a plan that was read is applied unasked, and whatever is unclear asks or stops."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lambdactl.report.plan import mark_of
from tests.setup.workflows import (
    BOT,
    COMMIT,
    MARKER,
    OTHER_MARKER,
    GitHub,
    Told,
    fake,
    scripted,
    shell,
    step,
    workflow,
)
from tests.support.cloud import ACCOUNT, REGION, Cloud
from tests.support.program import Program

FINGERPRINT, ANOTHER = "0123456789abcdef", "fedcba9876543210"
MERGED_AT = "2026-11-25T10:00:00Z"
READ = (12, FINGERPRINT)
UNREAD = (12, "")
NOBODY = (None, "")


def pull(**changes: Any) -> dict[str, Any]:
    values = {"number": 12, "merged_at": MERGED_AT, "base": {"ref": "main"}, "merge_commit_sha": COMMIT}
    return {**values, **changes}


def comment(text: str = "", *, login: str = BOT, at: str = "2026-11-25T09:00:00Z") -> dict[str, Any]:
    body = text or f"{MARKER}\n[Run](x) for commit 0\n\n{plan_text()}"
    return {"id": 7, "user": {"login": login}, "updated_at": at, "body": body}


def plan_text(fingerprint: str = FINGERPRINT, body: str = "+ function.x") -> str:
    return f"### lambdactl plan\n\n**1 to create**\n{mark_of(fingerprint)}\n\n```diff\n{body}\n```\n"


def outputs(told: Told) -> dict[str, Any]:
    return {sent[0]: sent[1] for call, sent in told if call == "output"}


def read(folder: Path, github: GitHub) -> tuple[int | None, str]:
    """The pull request and the fingerprint that the first script hands on."""
    found = outputs(scripted(folder, step("apply", "Find the plan that was read")["with"]["script"], github))
    return found.get("pull"), found.get("fingerprint", "")


@pytest.mark.parametrize(
    ("pulls", "comments", "found"),
    [
        ([pull()], [comment()], READ),
        ([], [comment()], NOBODY),
        ([pull(merged_at=None)], [comment()], NOBODY),
        ([pull(base={"ref": "develop"})], [comment()], NOBODY),
        ([pull(merge_commit_sha="f" * 40)], [comment()], NOBODY),
        ([pull(), pull(number=13)], [comment()], NOBODY),
        ([pull(number=11, merged_at=None), pull(), pull(merge_commit_sha="e" * 40)], [comment()], READ),
        ([pull()], [], UNREAD),
        ([pull()], [comment(login="somebody")], UNREAD),
        ([pull()], [comment(login="github-actions")], UNREAD),
        ([pull()], [comment(login="somebody"), comment()], READ),
        ([pull()], [comment(f"I say\n{MARKER}\n{plan_text()}")], UNREAD),
        ([pull()], [comment(f"{OTHER_MARKER}\n{plan_text()}")], UNREAD),
        ([pull()], [comment(at="2026-11-25T10:00:01Z")], UNREAD),
        ([pull()], [comment(at=MERGED_AT)], READ),
        ([pull()], [comment(f"{MARKER}\n\nThere is no plan: the run says why.")], UNREAD),
        ([pull()], [comment(f"{MARKER}\n\n{plan_text(body=mark_of(ANOTHER))}")], READ),
        ([pull()], [comment(f"{MARKER}\n\n**said: {mark_of(ANOTHER)}**\n")], UNREAD),
        ([pull()], [{**comment(), "body": None}], UNREAD),
        ([pull()], [{**comment(), "user": None}], UNREAD),
    ],
)  # fmt: skip
def test_a_plan_was_read_if_our_comment_had_it_before_the_merge(
    tmp_path: Path, pulls: list[Any], comments: list[Any], found: tuple[int | None, str]
) -> None:
    assert read(tmp_path, GitHub(pulls=pulls, comments=comments)) == found


def test_the_comment_of_the_plan_workflow_is_found_also_when_it_was_cut(tmp_path: Path) -> None:
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "plan.md").write_text(plan_text(body="x" * 200_000))
    script = step("plan", "Comment, or edit the comment")["with"]["script"]
    ((_, sent),) = (each for each in scripted(tmp_path, script, GitHub()) if each[0] == "create")
    assert read(tmp_path, GitHub(pulls=[pull()], comments=[comment(sent["body"])])) == READ


def planned(folder: Path, path: str, read: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """The plan step's exit code, and what it hands on."""
    written, summary = folder / "outputs", folder / "summary"
    written.write_text("")
    files = {"GITHUB_OUTPUT": written, "GITHUB_STEP_SUMMARY": summary, "RUNNER_TEMP": folder}
    made = {**(env or {}), **{name: str(file) for name, file in files.items()}, "PATH": path, "READ": read}
    done = shell(step("apply", "Plan")["run"], folder, made)
    return done.returncode, written.read_text()


def handed(plan: str, fingerprint: str = FINGERPRINT) -> str:
    return f"fingerprint={fingerprint}\nplan={plan}\n"


@pytest.mark.parametrize(
    ("code", "says", "read", "result"),
    [
        (2, plan_text(), FINGERPRINT, (0, handed("read"))),
        (2, plan_text(), ANOTHER, (0, handed("other"))),
        (2, plan_text(), "", (0, handed("other"))),
        (0, plan_text(), "", (0, handed("empty"))),
        (0, plan_text(), ANOTHER, (0, handed("empty"))),
        (1, plan_text(), FINGERPRINT, (0, handed("read"))),
        (1, plan_text(), ANOTHER, (0, handed("other"))),
        (2, plan_text(body=mark_of(ANOTHER)), ANOTHER, (0, handed("other"))),
        (1, "", FINGERPRINT, (1, "")),
        (64, "", FINGERPRINT, (64, "")),
        (0, "", "", (1, "")),
        (2, "", "", (2, "")),
    ],
)
def test_the_plan_is_empty_or_the_one_that_was_read_or_another(
    tmp_path: Path, code: int, says: str, read: str, result: tuple[int, str]
) -> None:
    assert planned(tmp_path, fake(tmp_path, code, says), read) == result
    assert (tmp_path / "argv").read_text() == "plan --aws --prune --format markdown --detailed-exitcode\n"
    assert (tmp_path / "summary").read_text() == (tmp_path / "plan.md").read_text() == says


DISPATCHED = {"ALLOW_MASS_PRUNE": "1"}


def test_a_prune_of_most_jobs_is_allowed_by_whoever_runs_it_by_hand(tmp_path: Path) -> None:
    path = fake(tmp_path, 2, plan_text())
    assert planned(tmp_path, path, FINGERPRINT, DISPATCHED) == (0, handed("read"))
    env = {"PATH": fake(tmp_path, 0), "FINGERPRINT": FINGERPRINT, **DISPATCHED}
    assert shell(step("apply", "Apply")["run"], tmp_path, env).returncode == 0
    assert (tmp_path / "argv").read_text().splitlines() == [
        "plan --aws --prune --allow-mass-prune --format markdown --detailed-exitcode",
        f"apply --aws --yes --prune --allow-mass-prune --expect {FINGERPRINT} --lock-timeout 900",
    ]


def test_and_by_nobody_else(tmp_path: Path) -> None:
    """A push has no inputs; GitHub's `false` is an empty variable."""
    (put_in,) = workflow("apply")["on"]["workflow_dispatch"]["inputs"].items()
    assert put_in[0] == "allow-mass-prune"
    assert (put_in[1]["type"], put_in[1]["default"]) == ("boolean", False)
    for name in ("Plan", "Apply"):
        given = step("apply", name)["env"]["ALLOW_MASS_PRUNE"]
        assert given == "${{ inputs.allow-mass-prune && '1' || '' }}"
    assert planned(tmp_path, fake(tmp_path, 2, plan_text()), "", {"ALLOW_MASS_PRUNE": ""})[0] == 0
    assert "--allow-mass-prune" not in (tmp_path / "argv").read_text()


def test_the_steps_with_the_real_command(lambdactl: Program, cloud: Cloud) -> None:
    root, apply = lambdactl.root, step("apply", "Apply")["run"]
    (root / "lambdactl.yaml").write_text(f"project: demo\nregion: {REGION}\n")
    keys = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "made-up", "LAMBDACTL_ENV": ""}
    env = {**lambdactl.environment, **keys, "AWS_ENDPOINT_URL": cloud.url}
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    code, first = planned(root, path, "", env)
    (fingerprint, plan) = (line.partition("=")[2] for line in first.splitlines())
    assert (code, plan) == (0, "other")
    assert planned(root, path, fingerprint, env) == (0, handed("read", fingerprint))

    (root / "jobs" / "hello.yaml").unlink()  # what stays is what jobs share: it needs no image
    code, moved = planned(root, path, fingerprint, env)
    (other, plan) = (line.partition("=")[2] for line in moved.splitlines())
    assert (code, plan) == (0, "other")
    refused = shell(apply, root, {**env, "PATH": path, "FINGERPRINT": fingerprint})
    assert refused.returncode == 1
    assert f"not {fingerprint}: nothing was changed" in refused.stderr
    assert cloud.writes() == []

    applied = shell(apply, root, {**env, "PATH": path, "FINGERPRINT": other})
    assert applied.returncode == 0, applied.stderr
    assert planned(root, path, fingerprint, env)[1].splitlines()[1] == "plan=empty"
    (root / "jobs" / "bad.yaml").write_text("prefix: [\n")
    assert planned(root, path, fingerprint, env) == (1, "")


def test_just_that_plan_is_applied_and_never_any(tmp_path: Path) -> None:
    apply, path = step("apply", "Apply")["run"], fake(tmp_path, 0)
    assert shell(apply, tmp_path, {"PATH": path}).returncode != 0
    assert shell(apply, tmp_path, {"PATH": path, "FINGERPRINT": ""}).returncode != 0
    assert not (tmp_path / "argv").exists()
    assert shell(apply, tmp_path, {"PATH": path, "FINGERPRINT": FINGERPRINT}).returncode == 0
    said = (tmp_path / "argv").read_text()
    assert said == f"apply --aws --yes --prune --expect {FINGERPRINT} --lock-timeout 900\n"


def other(folder: Path, github: GitHub, *, environment: str, pull: str = "12") -> Told:
    (folder / "plan").mkdir(exist_ok=True)
    (folder / "plan" / "plan.md").write_text(plan_text(ANOTHER))
    script = step("apply", "Post it, and stop unless somebody is asked")["with"]["script"]
    return scripted(folder, script, github, {"CHANGED_ENVIRONMENT": environment, "PULL": pull})


def rules(*kinds: str, reviewers: int = 1) -> dict[str, Any]:
    people = [{"type": "User", "reviewer": {"login": "ann"}}] * reviewers
    named = [
        {"type": kind, **({"reviewers": people} if kind == "required_reviewers" else {})} for kind in kinds
    ]
    return {"production-changed": {"protection_rules": named}}


@pytest.mark.parametrize(
    ("environment", "environments", "goes_on"),
    [
        ("production-changed", rules("branch_policy", "required_reviewers"), True),
        ("production-changed", rules("branch_policy", "wait_timer"), False),
        ("production-changed", rules("required_reviewers", reviewers=0), False),
        ("production-changed", {"production-changed": {}}, False),
        ("production-changed", {}, False),
        ("somewhere-else", rules("required_reviewers"), False),
        ("", rules("required_reviewers"), False),
        ("production", {}, True),
    ],
)
@pytest.mark.parametrize("pull", ["12", ""])
def test_another_plan_is_posted_and_goes_on_only_where_somebody_is_asked(
    tmp_path: Path, environment: str, environments: Mapping[str, Any], goes_on: bool, pull: str
) -> None:
    told = other(tmp_path, GitHub(environments=environments), environment=environment, pull=pull)
    posted = [sent for call, sent in told if call == "create"]
    assert len(posted) == bool(pull)
    for each in posted:
        assert each["issue_number"] == 12
        assert each["body"].startswith(
            f"{OTHER_MARKER}\n[Run](https://github.com/acme/agents/actions/runs/5)"
        )
        assert plan_text(ANOTHER).strip() in each["body"]
        assert ("It waits for the environment" in each["body"]) == goes_on
        assert ("It is not applied: the " in each["body"]) != goes_on
    assert [call for call, _ in told if call == "failed"] == ([] if goes_on else ["failed"])


def test_there_is_one_comment_with_another_plan_and_the_one_that_was_read_stays(tmp_path: Path) -> None:
    there = [comment(), {**comment(f"{OTHER_MARKER}\nold"), "id": 8}]
    told = other(tmp_path, GitHub(comments=there), environment="production")
    ((call, sent),) = (each for each in told if each[0] in ("create", "update"))
    assert (call, sent["comment_id"]) == ("update", 8)


def test_what_was_posted_as_another_plan_never_counts_as_read(tmp_path: Path) -> None:
    told = other(tmp_path, GitHub(), environment="production")
    ((_, sent),) = (each for each in told if each[0] == "create")
    assert read(tmp_path, GitHub(pulls=[pull()], comments=[comment(sent["body"])])) == UNREAD


def test_apply_needs_the_plan_that_was_read_or_the_environment_that_asks() -> None:
    document = workflow("apply")
    assert list(document["on"]) == ["push", "workflow_dispatch"]
    assert document["on"]["push"] == {"branches": ["main"]}
    jobs = document["jobs"]
    assert "github.ref == 'refs/heads/main'" in jobs["plan"]["if"]
    assert jobs["other"]["if"] == "needs.plan.outputs.plan == 'other'"
    assert jobs["apply"]["needs"] == ["plan", "other"]
    assert jobs["apply"]["if"] == (
        "${{ !cancelled() && needs.plan.result == 'success' && (needs.plan.outputs.plan == 'read'"
        " || needs.plan.outputs.plan == 'other' && needs.other.result == 'success') }}"
    )
    assert jobs["apply"]["environment"] == (
        "${{ needs.plan.outputs.plan == 'read' && 'production' || vars.LAMBDACTL_CHANGED_ENVIRONMENT }}"
    )


def test_a_merge_is_planned_and_applied_before_the_next_and_none_is_left_out() -> None:
    assert workflow("apply")["concurrency"] == {
        "group": "lambdactl-apply",
        "cancel-in-progress": False,
        "queue": "max",
    }


def test_only_the_job_that_applies_holds_the_role_that_may() -> None:
    roles = {
        name: [
            each["with"]["role-to-assume"] for each in job["steps"] if "configure-aws" in each.get("uses", "")
        ]
        for name, job in workflow("apply")["jobs"].items()
    }
    assert roles == {
        "plan": ["${{ vars.LAMBDACTL_PLAN_ROLE }}"],
        "other": [],
        "apply": ["${{ vars.LAMBDACTL_APPLY_ROLE }}"],
        "skipped": [],
    }
