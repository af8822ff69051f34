"""What other hands, lost answers and failures leave in AWS, and what plan and apply make of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from lambdactl.aws import Reader
from lambdactl.deployment import Deployments
from lambdactl.engine import Action, Address, Failed, Plan
from lambdactl.kinds import Look
from lambdactl.reconcile import carry_out, plan, plan_destroy
from lambdactl.sandbox.front import Front, Layer, Next, Request, Response
from lambdactl.sandbox.identify import identify
from lambdactl.scope import Scope
from tests.support.cloud import SITE, Cloud, builder, deployments, job

FUNCTION = SITE.function("triage")


@contextmanager
def behind(cloud: Cloud, layer: Layer) -> Iterator[Cloud]:
    with Front(cloud.url, [layer]) as front:
        yield replace(cloud, url=front.url)


def apply(cloud: Cloud, wanted: Deployments, made: Plan | None = None) -> list[str]:
    """The steps that failed."""
    aws = cloud.aws()
    events = carry_out(aws, wanted, made or plan(aws, wanted), builder(cloud))
    return [str(event.step.address) for event in events if isinstance(event, Failed)]


def actions(made: Plan) -> dict[str, Action]:
    return {step.address.kind: step.action for step in made.steps}


class Broken:
    """A layer: GetFunction answers with this state until a call named in `mended_by` has passed."""

    def __init__(self, state: dict[str, str], mended_by: str) -> None:
        self.state, self.mended_by, self.mended = state, mended_by, False

    def __call__(self, request: Request, following: Next) -> Response:
        response = following(request)
        operation = identify(request)[1]
        self.mended |= operation == self.mended_by
        if operation != "GetFunction" or self.mended or response.status != 200:
            return response
        answer = json.loads(response.body)
        answer["Configuration"] |= self.state
        return response.with_body(json.dumps(answer).encode())


def test_an_update_that_failed_does_not_block_the_one_that_mends_it(cloud: Cloud) -> None:
    assert apply(cloud, deployments(job())) == []
    broken = Broken({"LastUpdateStatus": "Failed"}, mended_by="UpdateFunctionConfiguration")
    with behind(cloud, broken) as later:
        assert apply(later, deployments(job(timeout=700))) == []
    assert broken.mended


def test_a_failed_update_that_a_stamp_hides_is_in_the_note_and_seen_by_full(cloud: Cloud) -> None:
    wanted = deployments(job())
    assert apply(cloud, wanted) == []
    broken = Broken({"LastUpdateStatus": "Failed"}, mended_by="UpdateFunctionConfiguration")
    with behind(cloud, broken) as later:
        quiet = plan(later.aws(), wanted)
        assert quiet.steps == ()
        (note,) = quiet.notes
        assert "how the last update ended their stamp vouches: --full looks" in note
        full = plan(later.aws(), wanted, Scope(full=True))
        assert [(str(step.address), step.deltas[0].field) for step in full.steps] == [
            ("function.triage", "last_update")
        ]


def test_a_function_whose_creation_failed_is_made_anew(cloud: Cloud) -> None:
    wanted = deployments(job())
    failed = {"State": "Failed", "StateReason": "no access to the image"}
    with behind(cloud, Broken(failed, mended_by="DeleteFunction")) as later:
        assert apply(later, wanted) == ["function.triage"]
        again = plan(later.aws(), wanted)
        assert actions(again) == {"function": "replace", "stamp": "create"}
        assert "no access to the image" in str(again.steps[0].deltas)
        assert apply(later, wanted) == []
        assert plan(later.aws(), wanted).steps == ()


def test_the_log_group_of_a_foreign_function_is_never_ours(cloud: Cloud) -> None:
    """Its name may begin as ours do: `destroy --data` would delete another tool's logs."""
    wanted = deployments(job())
    assert apply(cloud, wanted) == []
    role = cloud.client("iam").create_role(RoleName="other", AssumeRolePolicyDocument='{"Statement": []}')
    cloud.client("lambda").create_function(
        FunctionName=SITE.function("theirs"),
        Role=role["Role"]["Arn"],
        PackageType="Image",
        Code={"ImageUri": f"{SITE.repository_uri}@sha256:" + "1" * 64},
    )
    group = SITE.log_group("theirs")
    cloud.client("logs").create_log_group(logGroupName=group)
    assert plan(cloud.aws(), wanted).kept == ()
    assert apply(cloud, wanted, plan_destroy(cloud.aws(), wanted, data=True)) == []
    left = cloud.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/demo-main-")
    assert [each["logGroupName"] for each in left["logGroups"]] == [group]


def test_a_role_that_goes_while_it_is_read_is_gone(cloud: Cloud) -> None:
    """When a job is removed, steps look at its role while another step deletes it."""
    wanted = deployments(job())
    assert apply(cloud, wanted) == []
    iam, role = cloud.client("iam"), SITE.role("triage")

    def gone(request: Request, following: Next) -> Response:
        if identify(request) == ("iam", "ListAttachedRolePolicies"):
            iam.delete_role_policy(RoleName=role, PolicyName="job")
            iam.delete_role(RoleName=role)
        return following(request)

    with behind(cloud, gone) as unlucky:
        assert Look(aws=Reader(unlucky.aws()), deployments=wanted, only="triage").roles == []


def test_statements_that_others_added_to_the_repositorys_policy_stay(cloud: Cloud) -> None:
    assert apply(cloud, deployments(job())) == []
    ecr, name = cloud.client("ecr"), {"repositoryName": SITE.repository}
    document = json.loads(ecr.get_repository_policy(**name)["policyText"])
    theirs = {"Sid": "Scanner", "Effect": "Allow", "Principal": {"AWS": "1" * 12}, "Action": "ecr:ListImages"}
    document["Statement"].append(theirs)
    ecr.set_repository_policy(**name, policyText=json.dumps(document))
    ecr.put_image_tag_mutability(**name, imageTagMutability="MUTABLE")
    assert actions(plan(cloud.aws(), deployments(job()))) == {"repository": "update"}
    assert apply(cloud, deployments(job())) == []
    after = json.loads(ecr.get_repository_policy(**name)["policyText"])["Statement"]
    assert {each["Sid"] for each in after} == {"LambdaECRImageRetrievalPolicy", "Scanner"}


def test_an_image_goes_after_the_function_that_runs_it(cloud: Cloud) -> None:
    wanted = deployments(job())
    assert apply(cloud, wanted) == []
    order = [step.address.kind for step in plan_destroy(cloud.aws(), wanted, data=True).steps]
    assert order.index("function") < order.index("image") < order.index("repository")


def test_what_is_gone_already_when_it_is_to_be_deleted_is_no_failure(cloud: Cloud) -> None:
    """Two destroys at once, or somebody quicker with the console."""
    wanted = deployments(job())
    assert apply(cloud, wanted) == []
    late = plan_destroy(cloud.aws(), wanted, data=True)
    assert apply(cloud, wanted, plan_destroy(cloud.aws(), wanted, data=True)) == []
    assert apply(cloud, wanted, late) == []


class LostAnswers:
    """A layer: each write happens, and the answer to the first one of its kind is lost on its way."""

    def __init__(self) -> None:
        self.lost: set[str] = set()

    def __call__(self, request: Request, following: Next) -> Response:
        response = following(request)
        operation = identify(request)[1]
        reads = operation.startswith(("Get", "List", "Describe", "Head", "BatchGet"))
        if reads or operation in self.lost or response.status >= 300:
            return response
        self.lost.add(operation)
        return Response(status=500)


def test_answers_that_are_lost_after_the_write_are_healed_by_applying_again(cloud: Cloud) -> None:
    wanted = deployments(job(concurrency=5))
    with behind(cloud, LostAnswers()) as flaky:
        for _ in range(5):
            apply(flaky, wanted)
    assert plan(cloud.aws(), wanted).steps == ()


def test_a_program_that_plans_again_after_its_apply_sees_what_it_did(cloud: Cloud) -> None:
    aws, wanted = cloud.aws(), deployments(job())
    list(carry_out(aws, wanted, plan(aws, wanted), builder(cloud)))
    assert plan(aws, wanted).steps == ()


@pytest.mark.parametrize("other", ["triage-2", "tri", "triage-"])
def test_jobs_whose_names_begin_alike_do_not_touch_each_other(cloud: Cloud, other: str) -> None:
    both = deployments(job(), job(other, concurrency=3))
    assert apply(cloud, both) == []
    one = deployments(job())
    pruned = plan(cloud.aws(), one, Scope(prune=True))
    assert {step.address.name for step in pruned.steps} == {other}
    assert apply(cloud, one, pruned) == []
    assert plan(cloud.aws(), one).steps == ()
    assert cloud.client("lambda").list_functions()["Functions"][0]["FunctionName"] == FUNCTION


def test_projects_whose_names_begin_alike_do_not_see_each_other(cloud: Cloud) -> None:
    other = replace(SITE, project="demo2", bucket="demo-main-other")
    theirs = deployments(job(), site=other)
    aws = cloud.aws()
    list(carry_out(aws, theirs, plan(aws, theirs), builder(cloud, other)))
    nothing = Deployments(site=SITE)
    found = plan_destroy(cloud.aws(), nothing, data=True)
    assert (found.steps, found.kept, found.refused) == ((), (), ())
    assert Address("function", "triage") in {
        step.address for step in plan(cloud.aws(), deployments(job())).steps
    }
