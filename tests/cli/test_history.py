"""`history` and `unlock` as a user meets them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lambdactl import history
from lambdactl.author import Author
from lambdactl.engine import Done, make_plan
from lambdactl.lease import Lease, current
from lambdactl.report.plan import told_steps
from lambdactl.wanted import wanted
from tests.support.cloud import ACCOUNT, REGION, SITE, Cloud, deployments, job
from tests.support.program import Program

BUCKET = f"demo-main-{ACCOUNT}-{REGION}"
HERE = replace(SITE, bucket=BUCKET)
ANN = Author(who="ann@laptop", commit="a" * 40)


@pytest.fixture
def program(lambdactl: Program, cloud: Cloud) -> Program:
    """The program against the emulated account, as against AWS."""
    (lambdactl.root / "lambdactl.yaml").write_text(f"project: demo\nregion: {REGION}\n")
    machine = {
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "made-up",
    }
    return replace(lambdactl, machine=machine)


def test_history_lists_applies_and_shows_one(program: Program, cloud: Cloud) -> None:
    assert program("history").stdout == "no applies yet\n"
    cloud.client("s3").create_bucket(Bucket=BUCKET)
    plan = make_plan({}, wanted(deployments(job(), site=HERE)))
    begun = history.begun(plan, ANN, "apply")
    history.write(cloud.aws(), HERE, history.ended(begun, [Done(step, 1.0) for step in plan.steps]))
    later = history.begun(plan, ANN, "apply --prune")
    history.write(cloud.aws(), HERE, later)
    rows = program("history").stdout.splitlines()[1:]
    assert [row.split()[0] for row in rows] == [later.id, begun.id]
    assert "killed" in rows[0]  # nobody holds the lock
    assert rows[1].split()[-2:] == ["complete", f"{len(told_steps(plan))}/0/0"]
    assert len(program("history", "-n", "1").stdout.splitlines()) == 2
    assert "✓ create function.triage (1.0 s)" in program("history", begun.id).stdout
    (document,) = json.loads(program("history", later.id, "--format", "json").stdout)
    assert (document["command"], document["status"]) == ("apply --prune", "killed")
    with Lease.acquire(cloud.aws(), HERE, ANN):
        assert "running" in program("history").stdout.splitlines()[1]
    assert "lambdactl history" in program("history", "nonsense", code=1).stderr


def test_unlock_asks_and_says_whose_lock_it_was(program: Program, cloud: Cloud) -> None:
    assert program("unlock").stdout == "no apply holds the lock\n"
    cloud.client("s3").create_bucket(Bucket=BUCKET)
    lease = Lease.acquire(cloud.aws(), HERE, ANN)
    refused = program("unlock", code=1).stderr
    assert "ann@laptop at commit aaaaaaaaaaaa" in refused
    assert "--yes" in refused
    assert lease.renew()
    assert program("unlock", "--yes").stdout == "unlocked\n"
    assert current(cloud.aws(), HERE) is None
    lease.release()
