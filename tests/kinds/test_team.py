"""What keeps a team safe: prune, protection, adoption, targeting, saved plans, drift."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lambdactl import applied, applying, history, saved
from lambdactl.author import Author
from lambdactl.aws import Aws
from lambdactl.deployment import Deployments
from lambdactl.engine import Address, Choice, Done, Failed, Plan, Skipped
from lambdactl.errors import Refused, TimeLimit, UsageError
from lambdactl.kinds.image import Image
from lambdactl.lease import Lease, current
from lambdactl.reconcile import carry_out, guard, plan, plan_destroy
from lambdactl.scope import Scope
from tests.support.cloud import (
    ACCOUNT,
    SITE,
    Cloud,
    StrictCloud,
    builder,
    deployments,
    job,
    strict_front,
)
from tests.support.strict import Options

ON_MOTO = pytest.mark.parametrize("cloud", ["moto"], indirect=True)
FUNCTION = SITE.function("triage")
ANN = Author(who="ann@laptop", commit="c" * 40)


def apply(cloud: Cloud, wanted: Deployments, made: Plan | None = None, **scope: Any) -> list[str]:
    """The errors of the steps that failed."""
    aws = cloud.aws()
    events = list(carry_out(aws, wanted, made or plan(aws, wanted, Scope(**scope)), builder(cloud)))
    return [str(event.error) for event in events if isinstance(event, Failed)]


def kinds(addresses: Any) -> set[str]:
    return {address.kind for address in addresses}


# -- prune ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "left", "refused"),
    [
        (1, 0, True),  # no manifest at all
        (2, 0, True),
        (2, 1, False),
        (6, 1, False),  # five
        (7, 1, True),  # six, and more than 30 %
        (30, 21, False),  # nine: 30 %
        (30, 20, True),
    ],
)
def test_too_many_removals_at_once_are_refused_unless_said_so(there: int, left: int, refused: bool) -> None:
    from lambdactl.engine import make_plan
    from lambdactl.scope import mass_removal
    from lambdactl.wanted import wanted

    names = [f"job-{number}" for number in range(there)]
    found = wanted(deployments(*map(job, names)))
    scope = Scope(prune=True)
    made = make_plan(found, wanted(deployments(*map(job, names[:left]))), scope.choice(datetime.now(UTC)))
    assert bool(mass_removal(found, made, scope, left)) == refused
    assert mass_removal(found, made, replace(scope, allow_mass_prune=True), left) == ()


@ON_MOTO
def test_an_empty_folder_of_manifests_prunes_nothing(cloud: Cloud) -> None:
    assert apply(cloud, deployments(job(), job("other"))) == []
    made = plan(cloud.aws(), deployments(), Scope(prune=True))
    with pytest.raises(Refused, match=r"no manifest is left, and 2 jobs would go.*--allow-mass-prune"):
        guard(made)
    assert apply(cloud, deployments(), prune=True, allow_mass_prune=True) == []
    assert cloud.client("lambda").list_functions()["Functions"] == []


def test_what_changed_hands_since_the_plan_is_not_removed(cloud: Cloud) -> None:
    assert apply(cloud, deployments(job(), job("gone"))) == []
    aws, rest = cloud.aws(), deployments(job())
    made = plan(aws, rest, Scope(prune=True))
    theirs = {"Variables": {"LAMBDACTL_OWNER": "other/main"}}
    cloud.client("lambda").update_function_configuration(
        FunctionName=SITE.function("gone"), Environment=theirs
    )
    failed = [e for e in carry_out(aws, rest, made, builder(cloud)) if isinstance(e, Failed | Skipped)]
    assert "not ours any more" in str(failed[0].error)  # type: ignore[union-attr]
    # What the function still needs stays too.
    assert kinds(event.step.address for event in failed) >= {"function", "role", "definition"}
    names = [each["FunctionName"] for each in cloud.client("lambda").list_functions()["Functions"]]
    assert SITE.function("gone") in names


def test_logs_go_only_with_their_own_switch(cloud: Cloud) -> None:
    assert apply(cloud, deployments(job(), job("gone"))) == []
    rest = deployments(job())
    assert apply(cloud, rest, prune=True) == []
    kept = plan(cloud.aws(), rest, Scope(prune=True))
    assert (kept.steps, kept.kept) == ((), (Address("log_group", "gone"),))
    assert apply(cloud, rest, prune=True, prune_logs=True) == []
    assert plan(cloud.aws(), rest).kept == ()


@pytest.mark.parametrize("cloud", ["ministack"], indirect=True)  # moto gives all of these one digest
def test_images_go_only_when_they_are_old_and_nobody_uses_them(cloud: Cloud) -> None:
    old, new = deployments(job(), image="a" * 32), deployments(job(), image="b" * 32)
    assert apply(cloud, old) == []
    assert apply(cloud, new) == []
    assert plan(cloud.aws(), new, Scope(prune=True, prune_images=1)).steps == ()  # not old enough
    # Another function of the account runs it by its digest.
    known = {each["imageTag"]: each["imageDigest"] for each in _images(cloud)}
    role = cloud.client("iam").create_role(RoleName="x", AssumeRolePolicyDocument='{"Statement": []}')
    uri = f"{SITE.repository_uri}@{known['a' * 32]}"
    cloud.client("lambda").create_function(
        FunctionName="theirs", Role=role["Role"]["Arn"], PackageType="Image", Code={"ImageUri": uri}
    )
    assert plan(cloud.aws(), new, Scope(prune=True, prune_images=0)).steps == ()
    cloud.client("lambda").delete_function(FunctionName="theirs")
    assert apply(cloud, new, prune=True, prune_images=0) == []
    assert [each["imageTag"] for each in _images(cloud)] == ["b" * 32]


def _images(cloud: Cloud) -> list[dict[str, str]]:
    return cloud.client("ecr").list_images(repositoryName=SITE.repository)["imageIds"]


def test_how_old_an_image_must_be() -> None:
    now = datetime(2026, 11, 25, tzinfo=UTC)
    choice = Scope(prune=True, prune_images=30).choice(now)

    def may_go(days: int, used: bool = False) -> bool:
        pushed = now - timedelta(days=days)
        return choice.remove_data(Image(name="t", repository="r", pushed=pushed, used=used))

    assert (may_go(30), may_go(29), may_go(30, used=True)) == (True, False, False)


# -- protection -------------------------------------------------------------------------------------


def test_a_protected_job_outlives_its_manifest_and_a_destroy(cloud: Cloud) -> None:
    assert apply(cloud, deployments(job(), job("kept", protect=True))) == []
    rest = deployments(job())
    made = plan(cloud.aws(), rest, Scope(prune=True))
    assert made.steps == ()
    assert kinds(made.protected) == {"definition", "role", "function", "stamp"}
    destroyed = plan_destroy(cloud.aws(), rest)
    assert {step.address.name for step in destroyed.steps} == {"triage"}
    assert "kept" in {address.name for address in destroyed.protected}
    # Protection is taken off where it was put on: in git, by an apply.
    assert apply(cloud, deployments(job(), job("kept"))) == []
    assert apply(cloud, rest, prune=True) == []
    assert plan(cloud.aws(), rest).protected == ()


def test_protection_that_came_after_the_plan_holds(cloud: Cloud) -> None:
    assert apply(cloud, deployments(job(), job("kept"))) == []
    aws, rest = cloud.aws(), deployments(job())
    made = plan(aws, rest, Scope(prune=True))
    tag = [{"Key": "lambdactl:protect", "Value": "true"}]
    cloud.client("iam").tag_role(RoleName=SITE.role("kept"), Tags=tag)
    errors = apply(cloud, rest, made)
    assert errors
    assert all("was protected since" in error for error in errors)


# -- adoption ---------------------------------------------------------------------------------------


def test_what_carries_nobodys_mark_is_taken_over_when_asked(cloud: Cloud) -> None:
    wanted = deployments(job())
    assert apply(cloud, wanted) == []
    client = cloud.client("lambda")
    client.update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": {"MINE": "1"}})
    assert Address("function", "triage") in plan(cloud.aws(), wanted).refused
    made = plan(cloud.aws(), wanted, Scope(adopt=True))
    assert made.refused == ()
    fields = {delta.field for step in made.steps for delta in step.deltas}
    assert {"environment.LAMBDACTL_OWNER", "environment.MINE"} <= fields  # the difference is shown
    assert apply(cloud, wanted, adopt=True) == []
    assert plan(cloud.aws(), wanted).steps == ()


@ON_MOTO
@pytest.mark.parametrize("owner", ["other/main", "demo/prod"])
def test_what_another_project_or_environment_owns_is_never_taken(cloud: Cloud, owner: str) -> None:
    wanted = deployments(job())
    assert apply(cloud, wanted) == []
    theirs = {"Variables": {"LAMBDACTL_OWNER": owner}}
    cloud.client("lambda").update_function_configuration(FunctionName=FUNCTION, Environment=theirs)
    assert Address("function", "triage") in plan(cloud.aws(), wanted, Scope(adopt=True)).refused


@ON_MOTO
def test_what_cannot_become_ours_is_said_and_the_others_go_on(cloud: Cloud) -> None:
    """A role of that name elsewhere: IAM moves none."""
    cloud.client("iam").create_role(RoleName=FUNCTION, AssumeRolePolicyDocument='{"Statement": []}')
    wanted = deployments(job(), job("other"))
    made = plan(cloud.aws(), wanted, Scope(adopt=True))
    blocked = dict(made.blocked)
    assert "its path is /" in blocked[Address("role", "triage")]
    assert blocked[Address("function", "triage")] == "needs role.triage"
    assert apply(cloud, wanted, made) == []
    names = [each["FunctionName"] for each in cloud.client("lambda").list_functions()["Functions"]]
    assert names == [SITE.function("other")]


# -- targeting --------------------------------------------------------------------------------------


def test_a_target_is_planned_with_what_it_needs_and_nothing_else(cloud: Cloud) -> None:
    wanted = deployments(job("web-a"), job("web-b"), job("batch"), image="a" * 32)
    made = plan(cloud.aws(), wanted, Scope(targets=("web-*",), excludes=("web-b",)))
    names = {step.address.name for step in made.steps}
    assert names == {"web-a", "a" * 32, SITE.bucket, SITE.repository}
    assert made.left_out > 0
    assert apply(cloud, wanted, made) == []
    assert plan(cloud.aws(), wanted, Scope(targets=("web-a",))).steps == ()


@ON_MOTO
def test_a_target_that_matches_nothing_is_an_error(cloud: Cloud) -> None:
    with pytest.raises(UsageError, match="no job matches web-"):
        plan(cloud.aws(), deployments(job()), Scope(targets=("web-*",)))


@ON_MOTO
def test_a_removed_job_can_be_a_target(cloud: Cloud) -> None:
    assert apply(cloud, deployments(job(), job("gone"), job("later"))) == []
    rest = deployments(job())
    made = plan(cloud.aws(), rest, Scope(prune=True, targets=("gone",)))
    assert {step.address.name for step in made.steps} == {"gone"}
    assert apply(cloud, rest, made) == []
    assert {step.address.name for step in plan(cloud.aws(), rest, Scope(prune=True)).steps} == {"later"}


# -- saved plans ------------------------------------------------------------------------------------


def keep(made: Plan, scope: Scope | None = None) -> saved.Saved:
    """As a file would give it back."""
    text = saved.dump(saved.saved(made, scope or Scope(), SITE, ANN.commit))
    return saved.parse(text, "plan.json")


@ON_MOTO
def test_a_saved_plan_holds_until_something_moves_and_says_what(cloud: Cloud) -> None:
    assert apply(cloud, deployments(job())) == []
    wanted = deployments(job(timeout=700))
    old = keep(plan(cloud.aws(), wanted))
    saved.check(old, keep(plan(cloud.aws(), wanted)))
    with pytest.raises(Refused, match=r"function\.triage changed in the manifests"):
        saved.check(old, keep(plan(cloud.aws(), deployments(job(timeout=701)))))
    cloud.client("lambda").update_function_configuration(FunctionName=FUNCTION, MemorySize=4096)
    with pytest.raises(Refused, match=r"function\.triage changed in AWS"):
        saved.check(old, keep(plan(cloud.aws(), wanted)))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 2}', '{"version": 1, "scope": {}}', "[" * 100_000]
)
def test_what_is_no_saved_plan_is_said_so(text: str) -> None:
    with pytest.raises(UsageError, match=r"plan\.json"):
        saved.parse(text, "plan.json")


@pytest.mark.parametrize(
    "change",
    [
        {"found": []},
        {"wanted": {"role.a": 1}},
        {"place": None},
        {"scope": {"prune": "no"}},
        {"scope": {"targets": [1]}},
        {"scope": {"prune_images": -1}},
        {"scope": {"prune_images": 10**10}},
        {"scope": {"prune_images": float("nan")}},
        {"scope": {"prune_images": True}},
    ],
)
def test_a_saved_plan_of_other_types_is_none(change: dict[str, Any]) -> None:
    from lambdactl.engine import make_plan

    kept = saved.saved(make_plan({}, {}, Choice()), Scope(prune_images=30), SITE, "")
    document = json.loads(saved.dump(kept))
    assert saved.parse(json.dumps(document), "plan.json") == kept
    for key, value in change.items():
        document[key] = {**document[key], **value} if key == "scope" else value
    with pytest.raises(UsageError, match="no saved plan"):
        saved.parse(json.dumps(document), "plan.json")


def test_a_saved_plan_of_another_place_is_refused() -> None:
    from lambdactl.engine import make_plan

    made = make_plan({}, {}, Choice())
    elsewhere = saved.saved(made, Scope(), replace(SITE, environment="prod"), "")
    with pytest.raises(Refused, match="demo/prod"):
        saved.check(elsewhere, saved.saved(made, Scope(), SITE, ""))


@ON_MOTO
def test_the_fingerprint_is_of_the_differences_alone(cloud: Cloud) -> None:
    wanted = deployments(job(), job("other"))
    before = plan(cloud.aws(), wanted)
    cloud.client("logs").create_log_group(logGroupName="/aws/lambda/of-somebody-else")
    assert plan(cloud.aws(), wanted).fingerprint == before.fingerprint
    assert plan(cloud.aws(), deployments(job(timeout=61), job("other"))).fingerprint != before.fingerprint


# -- apply, whole, and who changed what -------------------------------------------------------------


def apply_whole(cloud: Cloud, wanted: Deployments) -> list[Any]:
    aws = cloud.aws()
    with Lease.acquire(aws, SITE, ANN) as lease:
        return list(applying.run(work(aws, wanted, cloud), plan(aws, wanted), lease))


def work(aws: Aws, wanted: Deployments, cloud: Cloud) -> applying.Work:
    return applying.Work(
        aws=aws,
        deployments=wanted,
        build=builder(cloud),
        author=ANN,
        command="lambdactl apply",
        stop=lambda: False,
        on_line=lambda line: None,
    )


def origins(cloud: Cloud, wanted: Deployments) -> dict[str, str]:
    aws = cloud.aws()
    made = plan(aws, wanted, Scope(full=True))
    return {str(a): who for a, who in applying.origins(aws, wanted, made).items() if a.kind != "stamp"}


def test_drift_tells_who_changed_what(cloud: Cloud) -> None:
    wanted = deployments(job(concurrency=5), job("other"))
    assert not [event for event in apply_whole(cloud, wanted) if isinstance(event, Failed | Skipped)]
    assert origins(cloud, wanted) == {}
    # By hand, and where a stamp would have hidden it.
    cloud.client("lambda").put_function_concurrency(FunctionName=FUNCTION, ReservedConcurrentExecutions=7)
    assert plan(cloud.aws(), wanted).steps == ()
    assert origins(cloud, wanted) == {"function.triage": "aws"}
    later = deployments(job(concurrency=5), job("other", timeout=61))
    assert origins(cloud, later) == {"function.triage": "aws", "function.other": "git"}
    assert applied.load(cloud.aws(), SITE) is not None


def test_the_first_apply_makes_the_bucket_and_then_takes_the_lock(cloud: Cloud) -> None:
    wanted = deployments(job())
    aws = cloud.aws()
    first = Lease.acquire(aws, SITE, ANN)
    assert first.pending
    assert not [event for event in apply_whole(cloud, wanted) if isinstance(event, Failed | Skipped)]
    first.take()
    with first, pytest.raises(Refused, match="ann@laptop"):
        apply_whole(cloud, deployments(job(timeout=61)))
    assert apply_whole(cloud, deployments(job(timeout=61)))


# -- roles made elsewhere ---------------------------------------------------------------------------


def test_when_the_time_limit_is_over_nothing_more_starts_and_the_lock_goes(strict_cloud: StrictCloud) -> None:
    options = Options(call_seconds=3)
    with strict_front(strict_cloud.name, strict_cloud.upstream, options) as cloud:

        def limited(seconds: float) -> Aws:
            return Aws(
                endpoint=cloud.endpoint, sleep=cloud.clock.sleep, clock=cloud.clock.now, time_limit=seconds
            )

        wanted = deployments(job())
        with pytest.raises(TimeLimit):
            plan(limited(4), wanted)
        made, aws = plan(cloud.aws(), wanted), limited(14)  # four calls for the bucket, and one more
        with Lease.acquire(aws, SITE, ANN) as lease:
            events = list(applying.run(work(aws, wanted, cloud), made, lease))
        assert [str(event.step.address) for event in events if isinstance(event, Done)] == [
            f"bucket.{SITE.bucket}"
        ]
        assert {type(event) for event in events[2:]} == {Skipped}
        assert current(cloud.aws(), SITE) is None
        assert [record.status for record in history.latest(cloud.aws(), SITE, 1)] == ["interrupted"]


def test_a_role_made_elsewhere_is_used_and_left_alone(cloud: Cloud) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    }
    iam = cloud.client("iam")
    arn = iam.create_role(RoleName="theirs", Path="/team/", AssumeRolePolicyDocument=json.dumps(trust))
    wanted = deployments(job(role=arn["Role"]["Arn"], concurrency=5, protect=True), job("own"))
    cloud.record.reset()
    assert apply(cloud, wanted) == []
    made = [call for call in cloud.writes() if call.startswith("iam.")]
    assert sorted(made) == ["iam.CreateRole", "iam.PutRolePolicy", "iam.TagRole"]  # of `own` alone
    found = cloud.client("lambda").get_function(FunctionName=FUNCTION)["Configuration"]["Role"]
    assert found == arn["Role"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/team/theirs"
    assert plan(cloud.aws(), wanted).steps == ()
    cloud.client("lambda").put_function_concurrency(FunctionName=FUNCTION, ReservedConcurrentExecutions=7)
    assert [step.action for step in plan(cloud.aws(), wanted).steps] == ["update"]  # no stamp: seen
    rest = plan(cloud.aws(), deployments(job("own")), Scope(prune=True))
    assert "function" in kinds(rest.protected)


def test_calls_of_a_plan_can_be_printed_and_hold_no_secret(cloud: Cloud, tmp_path: Path) -> None:
    from lambdactl.report.calls import text

    lines = text(plan(cloud.aws(), deployments(job())), SITE.repository_uri).splitlines()
    assert lines[0] == f"# create bucket.{SITE.bucket}"
    assert f"build and push {SITE.repository_uri}:{'a' * 32}" in lines
    created = next(line for line in lines if line.startswith("lambda CreateFunction "))
    parameters = json.loads(created.removeprefix("lambda CreateFunction "))
    assert parameters["Code"] == {"ImageUri": f"{SITE.repository_uri}@<digest of {'a' * 32}>"}
    assert lines.index(created) > lines.index(f"build and push {SITE.repository_uri}:{'a' * 32}")
