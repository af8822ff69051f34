"""AWS as it is, row by row: what breaks naive reconcilers, met by plan and apply on the strict cloud."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from lambdactl.deployment import Deployments
from lambdactl.engine import Address, Call, Failed, Plan, Skipped
from lambdactl.errors import AwsError, Refused
from lambdactl.reconcile import carry_out, plan
from lambdactl.sandbox.answers import refusal, xml_refusal
from lambdactl.sandbox.front import Front, Layer, Next, Request, Response
from lambdactl.scope import Scope
from tests.convergence.actual import TRUST, actual, client, differences, elsewhere, expected, images
from tests.convergence.driver import pushed, wanted
from tests.convergence.ledger import Ledger
from tests.support.cloud import SITE, StrictCloud, job, strict_front
from tests.support.strict import Options
from tests.support.strict.call import seen
from tests.support.strict.states import States

ANY = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}
FUNCTION, ROLE = SITE.function("triage"), SITE.role("triage")


@contextmanager
def behind(cloud: StrictCloud, layer: Layer) -> Iterator[StrictCloud]:
    """The same account through one more layer."""
    with Front(cloud.url, [layer]) as front:
        yield replace(cloud, url=front.url)


def apply(cloud: StrictCloud, jobs: Deployments, made: Plan | None = None, **scope: Any) -> list[str]:
    """What went wrong in one apply."""
    aws = cloud.aws()
    events = list(carry_out(aws, jobs, made or plan(aws, jobs, Scope(**scope)), pushed(aws)))
    failed = [f"{event.step.address}: {event.error}" for event in events if isinstance(event, Failed)]
    return [*failed, *(f"{event.step.address} skipped" for event in events if isinstance(event, Skipped))]


def reached(cloud: StrictCloud, jobs: Deployments) -> None:
    found = actual(cloud.upstream)
    assert differences(found, expected(jobs.jobs, images(found))) == []
    assert plan(cloud.aws(), jobs).steps == ()


class Once:
    """A layer: refuses the first `times` calls of an operation, before they arrive or after."""

    def __init__(self, operation: str, answer: Response, *, times: int = 1, after: bool = False) -> None:
        self.operation, self.answer, self.left, self.after = operation, answer, times, after

    def __call__(self, request: Request, following: Next) -> Response:
        if seen(request).operation != self.operation or not self.left:
            return following(request)
        self.left -= 1
        if self.after:
            following(request)
        return self.answer


LOST = Response(status=500)


def told(operation: str, change: Callable[[dict[str, Any]], None]) -> Layer:
    """A layer: an operation's answers, changed."""

    def layer(request: Request, following: Next) -> Response:
        response = following(request)
        if seen(request).operation != operation or response.status >= 300:
            return response
        answer = json.loads(response.body)
        change(answer)
        return response.with_body(json.dumps(answer).encode())

    return layer


# -- roles ----------------------------------------------------------------------------------------


def test_a_role_of_this_run_is_given_as_long_as_it_takes(strict_cloud: StrictCloud) -> None:
    options = Options(role_assumable=90, role_visible=20)
    with strict_front(strict_cloud.name, strict_cloud.upstream, options) as cloud:
        assert apply(cloud, wanted([job()])) == []
        reached(cloud, wanted([job()]))


def test_so_is_one_whose_creation_was_not_answered(strict_cloud: StrictCloud) -> None:
    options = Options(role_assumable=90, role_visible=20)
    lost = Once("CreateRole", LOST, after=True)
    with strict_front(strict_cloud.name, strict_cloud.upstream, options, outer=[lost]) as cloud:
        assert apply(cloud, wanted([job()])) == []
        reached(cloud, wanted([job()]))


def test_a_role_that_lambda_may_never_assume_is_no_longer_waited_for_than_needed(
    strict_cloud: StrictCloud,
) -> None:
    arn = elsewhere(strict_cloud.upstream)
    nobody = json.dumps(TRUST).replace("lambda.", "ec2.")
    client(strict_cloud.upstream, "iam").update_assume_role_policy(
        RoleName="elsewhere", PolicyDocument=nobody
    )
    before = strict_cloud.clock.now()
    (failed,) = apply(strict_cloud, wanted([job(role=arn)]))
    assert "cannot be assumed by Lambda" in failed
    assert 20 <= strict_cloud.clock.now() - before < 60


def test_a_function_that_failed_for_want_of_permissions_is_made_once_more(strict_cloud: StrictCloud) -> None:
    ledger = Ledger()
    with strict_front(strict_cloud.name, strict_cloud.upstream, inner=[ledger]) as cloud:
        cloud.strict.states.fail_create(FUNCTION)
        assert apply(cloud, wanted([job()])) == []
        reached(cloud, wanted([job()]))
    made = [each.operation for each in ledger.taken if each.service == "lambda"]
    assert made[:3] == ["CreateFunction", "DeleteFunction", "CreateFunction"]
    assert ledger.counts[f"lambda.CreateFunction {FUNCTION}"] == 2


def test_and_not_a_third_time(strict_cloud: StrictCloud) -> None:
    ledger = Ledger()
    states: list[States] = []

    def always(request: Request, following: Next) -> Response:
        if seen(request).operation == "CreateFunction":
            states[0].fail_create(FUNCTION)
        return following(request)

    with strict_front(strict_cloud.name, strict_cloud.upstream, outer=[always], inner=[ledger]) as cloud:
        states.append(cloud.strict.states)
        failed, *_ = apply(cloud, wanted([job()]))
    assert "lacks permissions" in failed
    assert ledger.counts[f"lambda.CreateFunction {FUNCTION}"] == 2


@pytest.mark.parametrize("code", ["ConcurrentModification", "EntityTemporarilyUnmodifiable"])
def test_two_writes_to_a_role_at_once(strict_cloud: StrictCloud, code: str) -> None:
    busy = Once("PutRolePolicy", xml_refusal(409, code, "try again"), times=3)
    with behind(strict_cloud, busy) as cloud:
        assert apply(cloud, wanted([job()])) == []
    assert busy.left == 0
    reached(strict_cloud, wanted([job()]))


def test_a_role_goes_after_its_policies_however_long_iam_remembers_them(strict_cloud: StrictCloud) -> None:
    assert apply(strict_cloud, wanted([job(), job("gone")])) == []
    iam = client(strict_cloud.upstream, "iam")
    arn = iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(ANY))
    iam.attach_role_policy(RoleName=SITE.role("gone"), PolicyArn=arn["Policy"]["Arn"])
    conflict = Once("DeleteRole", xml_refusal(409, "DeleteConflict", "must detach all policies first."))
    with behind(strict_cloud, conflict) as cloud:
        assert apply(cloud, wanted([job()]), prune=True) == []
    assert conflict.left == 0
    assert "role.gone" not in actual(strict_cloud.upstream)


def test_a_role_made_anew_under_its_name_needs_the_function_made_anew(strict_cloud: StrictCloud) -> None:
    jobs = wanted([job(concurrency=3)])
    assert apply(strict_cloud, jobs) == []
    iam = client(strict_cloud.upstream, "iam")
    tags = iam.get_role(RoleName=ROLE)["Role"]["Tags"]
    (policy,) = iam.list_role_policies(RoleName=ROLE)["PolicyNames"]
    iam.delete_role_policy(RoleName=ROLE, PolicyName=policy)
    iam.delete_role(RoleName=ROLE)
    time.sleep(1.1)  # IAM tells dates in whole seconds
    iam.create_role(RoleName=ROLE, Path=SITE.role_path, AssumeRolePolicyDocument=json.dumps(TRUST), Tags=tags)
    made = plan(strict_cloud.aws(), jobs)
    assert {step.address.kind: step.action for step in made.steps}["function"] == "replace"
    assert "made anew" in str(made.steps)
    assert apply(strict_cloud, jobs, made) == []
    reached(strict_cloud, jobs)


def test_a_function_made_anew_only_half_is_not_vouched_for(strict_cloud: StrictCloud) -> None:
    jobs = wanted([job(concurrency=3)])
    assert apply(strict_cloud, jobs) == []
    whole = {"State": "Failed", "StateReason": "its image is gone", "StateReasonCode": "ImageDeleted"}
    deleted: list[bool] = []

    def broken(request: Request, following: Next) -> Response:
        operation = seen(request).operation
        deleted.extend([True] * (operation == "DeleteFunction"))
        if operation == "PutFunctionConcurrency":
            return refusal(403, "AccessDeniedException", "no")
        layer = told("GetFunction", lambda answer: answer["Configuration"].update({} if deleted else whole))
        return layer(request, following)

    with behind(strict_cloud, broken) as cloud:
        made = plan(cloud.aws(), jobs, Scope(full=True))
        assert [step.action for step in made.steps if step.address.kind == "function"] == ["replace"]
        assert "AccessDenied" in apply(cloud, jobs, made)[0]
    assert apply(strict_cloud, jobs) == []  # and not with --full
    reached(strict_cloud, jobs)


def test_a_job_with_a_role_made_elsewhere_changes_and_gets_its_own_and_gives_it_back(
    strict_cloud: StrictCloud,
) -> None:
    arn = elsewhere(strict_cloud.upstream)
    for one in (
        job(role=arn, tags={"v": "1"}),
        job(role=arn, tags={"v": "2"}, concurrency=4),
        job(protect=True),
        job(role=arn, protect=True),
    ):
        assert apply(strict_cloud, wanted([one])) == []
        reached(strict_cloud, wanted([one]))


# -- functions ------------------------------------------------------------------------------------


def test_an_update_that_somebody_else_began_is_waited_for(strict_cloud: StrictCloud) -> None:
    assert apply(strict_cloud, wanted([job()])) == []
    strict_cloud.client("lambda").update_function_configuration(FunctionName=FUNCTION, Timeout=5)
    jobs = wanted([job(concurrency=3)], image=lambda _: "b" * 32)
    assert apply(strict_cloud, jobs) == []
    reached(strict_cloud, jobs)


@pytest.mark.parametrize("state", ["Inactive", "Deactivated", "SomethingNew"])
def test_a_function_in_any_state_but_failed_can_be_changed(strict_cloud: StrictCloud, state: str) -> None:
    assert apply(strict_cloud, wanted([job()])) == []
    jobs = wanted([job(timeout=300)], image=lambda _: "b" * 32)
    with behind(
        strict_cloud, told("GetFunction", lambda answer: answer["Configuration"].update(State=state))
    ) as cloud:
        assert apply(cloud, jobs) == []
    reached(strict_cloud, jobs)


@pytest.mark.parametrize(
    ("code", "healed_by"),
    [
        ("ImageAccessDenied", "lambda.UpdateFunctionCode"),
        ("KMSKeyNotFound", "lambda.UpdateFunctionConfiguration"),
    ],
)
def test_an_update_that_failed_is_a_difference_and_is_healed(
    strict_cloud: StrictCloud, code: str, healed_by: str
) -> None:
    jobs = wanted([job()])
    assert apply(strict_cloud, jobs) == []
    strict_cloud.strict.states.fail_update(FUNCTION, code, "in a word: no")
    strict_cloud.client("lambda").update_function_configuration(FunctionName=FUNCTION, Timeout=600)
    strict_cloud.clock.sleep(60)
    assert plan(strict_cloud.aws(), jobs).steps == ()  # the stamp is trusted, and said to be
    made = plan(strict_cloud.aws(), jobs, Scope(full=True))
    (delta,) = made.steps[0].deltas
    assert (delta.field, delta.found) == ("last_update", "failed: in a word: no")
    client(strict_cloud.upstream, "iam").untag_role(RoleName=ROLE, TagKeys=["lambdactl:stamp"])
    made = plan(strict_cloud.aws(), jobs)
    assert "last_update" in str(made.steps)
    strict_cloud.record.reset()
    assert apply(strict_cloud, jobs, made) == []
    assert strict_cloud.record.calls[healed_by] == 1
    assert plan(strict_cloud.aws(), jobs, Scope(full=True)).steps == ()


def test_our_own_update_that_fails_later_fails_its_step_and_the_next_apply_tries_again(
    strict_cloud: StrictCloud,
) -> None:
    assert apply(strict_cloud, wanted([job()])) == []
    jobs = wanted([job()], image=lambda _: "b" * 32)
    strict_cloud.strict.states.fail_update(FUNCTION)
    failed, *_ = apply(strict_cloud, jobs)
    assert "Lambda cannot pull the image" in failed
    assert "last_update" in str(plan(strict_cloud.aws(), jobs).steps)
    assert apply(strict_cloud, jobs) == []
    reached(strict_cloud, jobs)


def test_code_comes_before_configuration_and_the_code_it_has_is_not_sent(strict_cloud: StrictCloud) -> None:
    ledger = Ledger()
    with strict_front(strict_cloud.name, strict_cloud.upstream, inner=[ledger]) as cloud:
        assert apply(cloud, wanted([job()])) == []
        ledger.reset()
        assert apply(cloud, wanted([job(timeout=300)])) == []
        sent = [each.operation for each in ledger.taken if each.service == "lambda"]
        assert sent == ["UpdateFunctionConfiguration"]
        ledger.reset()
        assert apply(cloud, wanted([job(timeout=200)], image=lambda _: "b" * 32)) == []
        sent = [each.operation for each in ledger.taken if each.service == "lambda"]
        assert sent == ["UpdateFunctionCode", "UpdateFunctionConfiguration"]


@pytest.mark.parametrize("strict_cloud", ["moto"], indirect=True)  # ministack gives an image one tag
def test_two_tags_of_one_image_are_one_image(strict_cloud: StrictCloud) -> None:
    jobs = wanted([job()])
    assert apply(strict_cloud, jobs) == []
    ecr = client(strict_cloud.upstream, "ecr")
    (found,) = ecr.batch_get_image(repositoryName=SITE.repository, imageIds=[{"imageTag": "a" * 32}])[
        "images"
    ]
    for tag in ("0" * 32, "f" * 32):  # one before and one behind it in any order
        ecr.put_image(repositoryName=SITE.repository, imageManifest=found["imageManifest"], imageTag=tag)
    assert plan(strict_cloud.aws(), jobs).steps == ()
    other = plan(strict_cloud.aws(), wanted([job()], image=lambda _: "f" * 32))
    assert {step.address.kind for step in other.steps} == {"stamp"}


def test_what_somebody_changed_since_the_plan_fails_its_step_with_the_way_out(
    strict_cloud: StrictCloud,
) -> None:
    assert apply(strict_cloud, wanted([job(), job("other")])) == []
    jobs = wanted([job(timeout=300), job("other", timeout=300)])
    made = plan(strict_cloud.aws(), jobs)
    strict_cloud.client("lambda").update_function_configuration(FunctionName=FUNCTION, Timeout=5)
    strict_cloud.clock.sleep(60)
    failed, *skipped = apply(strict_cloud, jobs, made)
    assert failed.startswith("function.triage")
    assert "somebody changed it since the plan was made: plan again" in failed
    assert skipped == ["stamp.triage skipped"]
    found = actual(strict_cloud.upstream)
    assert (found["function.triage"]["timeout"], found["function.other"]["timeout"]) == (5, 300)
    assert apply(strict_cloud, jobs) == []
    reached(strict_cloud, jobs)


@pytest.mark.parametrize(
    "operations",
    [
        ["UpdateFunctionCode"],
        ["UpdateFunctionConfiguration"],
        ["UpdateFunctionCode", "UpdateFunctionConfiguration"],
    ],
)
def test_a_lost_answer_to_our_own_update_is_a_success(
    strict_cloud: StrictCloud, operations: list[str]
) -> None:
    assert apply(strict_cloud, wanted([job()])) == []
    jobs = wanted([job(timeout=300, concurrency=3)], image=lambda _: "b" * 32)
    lost, ledger = [Once(each, LOST, after=True) for each in operations], Ledger()
    with strict_front(strict_cloud.name, strict_cloud.upstream, outer=lost, inner=[ledger]) as cloud:
        assert apply(cloud, jobs) == []
        reached(cloud, jobs)
    assert [each.left for each in lost] == [0] * len(lost)
    assert ledger.counts[f"lambda.UpdateFunctionCode {FUNCTION}"] == 1


def test_half_an_answer_says_nothing_of_a_function(strict_cloud: StrictCloud) -> None:
    """Half of GetFunction reads as settled, half of the invoke configuration as none: asked again."""

    def half(request: Request, following: Next) -> Response:
        response = following(request)
        call = seen(request)
        struck.setdefault(call.operation, 0)
        struck[call.operation] += 1
        odd = struck[call.operation] % 2
        if call.service == "lambda" and call.operation.startswith("Get") and odd and response.status < 300:
            return response.with_body(response.body[: len(response.body) // 2])
        return response

    struck: dict[str, int] = {}
    with behind(strict_cloud, half) as cloud:
        assert apply(cloud, wanted([job()])) == []
        assert plan(cloud.aws(), wanted([job()]), Scope(full=True)).steps == ()
    assert strict_cloud.record.calls["lambda.CreateFunction"] > 0
    reached(strict_cloud, wanted([job()]))


def test_an_environment_that_cannot_be_read_blocks_its_job_and_no_other(strict_cloud: StrictCloud) -> None:
    assert apply(strict_cloud, wanted([job(), job("other"), job("gone")])) == []
    denied = {"Error": {"ErrorCode": "AccessDeniedException", "Message": "no kms:Decrypt"}}

    def hide(answer: dict[str, Any]) -> None:
        listed = answer["Functions"] if "Functions" in answer else [answer["Configuration"]]
        for each in listed:
            if each["FunctionName"] in (FUNCTION, SITE.function("gone")):
                each["Environment"] = denied

    def layer(request: Request, following: Next) -> Response:
        return told("ListFunctions", hide)(request, lambda r: told("GetFunction", hide)(r, following))

    before = actual(strict_cloud.upstream)
    changed = wanted([job(timeout=300), job("other", timeout=300)])
    with behind(strict_cloud, layer) as cloud:
        made = plan(cloud.aws(), changed, Scope(prune=True))
        assert {address for address, _ in made.blocked} >= {
            Address("function", "triage"),
            Address("function", "gone"),
        }
        assert "kms:Decrypt" in str(made.blocked)
        assert apply(cloud, changed, made) == []
    after = actual(strict_cloud.upstream)
    for name in before:
        if name.endswith((".triage", ".gone")):
            assert (name, after[name]) == (name, before[name])
    assert after["function.other"]["timeout"] == 300


def test_an_image_just_pushed_may_be_invisible_for_a_while(strict_cloud: StrictCloud) -> None:
    with strict_front(strict_cloud.name, strict_cloud.upstream, Options(image_visible=20)) as cloud:
        assert apply(cloud, wanted([job()])) == []
        assert apply(cloud, wanted([job()], image=lambda _: "b" * 32)) == []
        reached(cloud, wanted([job()], image=lambda _: "b" * 32))


def test_an_index_is_refused_in_the_plan_before_lambda_sees_it(strict_cloud: StrictCloud) -> None:
    assert apply(strict_cloud, wanted([job("other")])) == []
    media_type = "application/vnd.oci.image.index.v1+json"
    index = {"schemaVersion": 2, "mediaType": media_type, "manifests": []}
    client(strict_cloud.upstream, "ecr").put_image(
        repositoryName=SITE.repository,
        imageManifest=json.dumps(index),
        imageManifestMediaType=media_type,
        imageTag="c" * 32,
    )
    jobs = wanted(
        [job(), job("other", timeout=300)], image=lambda one: ("c" if one.name == "triage" else "a") * 32
    )
    made = plan(strict_cloud.aws(), jobs)
    assert [address for address, _ in made.blocked] == [
        Address("function", "triage"),
        Address("image", "c" * 32),
        Address("stamp", "triage"),
    ]
    assert media_type in str(made.blocked)
    strict_cloud.record.reset()
    assert apply(strict_cloud, jobs, made) == []
    assert strict_cloud.record.calls["lambda.CreateFunction"] == 0
    assert actual(strict_cloud.upstream)["function.other"]["timeout"] == 300


# -- what an account has and allows -----------------------------------------------------------------


def test_log_groups_are_told_apart_by_their_whole_name(strict_cloud: StrictCloud) -> None:
    """Logs are asked for by a prefix: that of `triage` finds `triage-2` and `triagefoo` too."""
    logs = client(strict_cloud.upstream, "logs")
    logs.create_log_group(logGroupName=f"{SITE.log_group('triage')}foo")
    jobs = wanted([job("triage-2", log_retention_days=7), job(log_retention_days=30)])
    made = plan(strict_cloud.aws(), jobs)
    assert Address("log_group", "triage") in {step.address for step in made.steps}
    assert apply(strict_cloud, jobs, made) == []
    found = actual(strict_cloud.upstream)
    assert [found[f"log_group.{name}"] for name in ("triage", "triage-2", "triagefoo")] == [30, 7, None]
    rest = wanted([job("triage-2", log_retention_days=7)])
    assert apply(strict_cloud, rest, prune=True, prune_logs=True) == []
    found = actual(strict_cloud.upstream)
    assert "log_group.triage" not in found
    assert found["log_group.triage-2"] == 7


def test_where_a_policy_of_the_account_decides_retention_is_no_difference(strict_cloud: StrictCloud) -> None:
    jobs = wanted([job()])
    assert apply(strict_cloud, jobs) == []

    def decided(answer: dict[str, Any]) -> None:
        for group in answer["logGroups"]:
            group |= {"retentionInDays": 365, "retentionPolicyName": "company"}

    with behind(strict_cloud, told("DescribeLogGroups", decided)) as cloud:
        assert plan(cloud.aws(), jobs).steps == ()
        assert apply(cloud, wanted([job(log_retention_days=7)])) == []


@pytest.mark.parametrize(
    ("options", "jobs", "why"),
    [
        (Options(roles=1), [job(), job("other")], "over its quota of 1"),
        (Options(concurrency=105), [job(concurrency=4), job("other", concurrency=2)], "Lambda keeps 100"),
    ],
    ids=["roles", "concurrency"],
)
def test_a_quota_is_met_before_anything_changes(
    strict_cloud: StrictCloud, options: Options, jobs: list[Any], why: str
) -> None:
    with strict_front(strict_cloud.name, strict_cloud.upstream, options) as cloud:
        with pytest.raises(Refused, match=why):
            apply(cloud, wanted(jobs))
        assert cloud.writes() == []
        assert apply(cloud, wanted(jobs[:1])) == []


def test_reservations_move_from_one_job_to_another_within_the_quota(strict_cloud: StrictCloud) -> None:
    with strict_front(strict_cloud.name, strict_cloud.upstream, Options(concurrency=110)) as cloud:
        for here, there in ((8, 2), (2, 8)):
            jobs = wanted([job(concurrency=here), job("other", concurrency=there)])
            assert apply(cloud, jobs) == []
            reached(cloud, jobs)


def test_what_a_renamed_job_has_reserved_is_free_once_the_old_one_is_gone(strict_cloud: StrictCloud) -> None:
    with strict_front(strict_cloud.name, strict_cloud.upstream, Options(concurrency=110)) as cloud:
        assert apply(cloud, wanted([job("old", concurrency=8), job()])) == []
        renamed = wanted([job("new", concurrency=8), job()])
        first = r"8 become free with what this plan removes.*`lambdactl apply --prune --target old`"
        with pytest.raises(Refused, match=first):
            apply(cloud, renamed, prune=True)
        with pytest.raises(Refused) as without:
            apply(cloud, renamed)
        assert "become free" not in str(without.value)
        assert apply(cloud, renamed, prune=True, targets=("old",)) == []
        assert apply(cloud, renamed, prune=True) == []
        assert plan(cloud.aws(), renamed, Scope(prune=True)).steps == ()


def test_an_error_that_echoes_the_environment_is_masked(strict_cloud: StrictCloud) -> None:
    assert apply(strict_cloud, wanted([job()])) == []
    variables = {"AA": "made-up-value-" * 300, "BB": "another-made-up-value"}
    call = Call(
        service="lambda",
        operation="UpdateFunctionConfiguration",
        parameters={"FunctionName": FUNCTION, "Environment": {"Variables": variables}},
    )
    with pytest.raises(AwsError) as caught:
        strict_cloud.aws().perform(call)
    assert "exceeded the 4KB limit" in str(caught.value)
    assert "made-up-value" not in str(caught.value)


def test_throttles_alone_fail_nothing(strict_cloud: StrictCloud) -> None:
    slow = Options(per_second={"lambda": 1, "lambda.GetFunction": 2, "iam": 1, "s3": 2, "logs": 1, "ecr": 1})
    with strict_front(strict_cloud.name, strict_cloud.upstream, slow) as cloud:
        jobs = wanted([job(), job("other", concurrency=3)])
        assert apply(cloud, jobs) == []
        assert cloud.strict.throttle.refusals.total() > 0
        reached(cloud, jobs)
