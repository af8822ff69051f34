"""`apply` under exactly the policy that `permissions apply` prints, with IAM enforced."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from lambdactl import permissions
from lambdactl.applying import Work, run
from lambdactl.author import Author
from lambdactl.aws import Aws
from lambdactl.engine import Failed
from lambdactl.errors import LambdactlError
from lambdactl.kinds.look import STAMP_TAG
from lambdactl.lease import Lease
from lambdactl.publish import ecr_credentials
from lambdactl.reconcile import plan
from lambdactl.scope import Scope
from lambdactl.secrets import missing_notes
from tests.iam.policies import actions, without
from tests.support.cloud import ACCOUNT, REGION, put_image
from tests.support.iam.gate import Enforced
from tests.support.life import BOUNDED, Stage, stages

SITE = replace(BOUNDED, kms_key=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234")
LIFE = stages(SITE)
APPLY = permissions.apply(SITE)
ME = "AKIAAPPLY"
AUTHOR = Author(who="me@here")


def lived(cloud: Enforced, me: Aws) -> list[str]:
    """What went wrong in a project's life, up to the first stage that failed."""
    for stage in LIFE:
        stage.before(cloud, SITE)
        if wrong := applied(cloud, me, stage):
            return wrong
    return unlike(cloud, LIFE[-1])


def applied(cloud: Enforced, me: Aws, stage: Stage) -> list[str]:
    """One apply as the command does it: under the lock, with a record."""
    try:
        with Lease.acquire(me, SITE, AUTHOR) as lease:
            made = plan(me, stage.wanted, Scope(prune=True))
            missing_notes(me, [each.job for each in stage.wanted.jobs])
            events = list(run(work(cloud, me, stage), made, lease))
    except LambdactlError as error:
        return [str(error)]
    return [str(event.error) for event in events if isinstance(event, Failed)]


def work(cloud: Enforced, me: Aws, stage: Stage) -> Work:
    return Work(
        aws=me,
        deployments=stage.wanted,
        build=pushing(cloud, me),
        author=AUTHOR,
        command="apply",
        stop=lambda: False,
        on_line=lambda line: None,
    )


def pushing(cloud: Enforced, me: Aws) -> Callable[[str], str]:
    """A push by the API's calls: the emulator has no registry, whose protocol stands on the same actions.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
    """

    def push(tag: str) -> str:
        ecr_credentials(me)
        layer, where = tag.encode(), {"repositoryName": SITE.repository}
        digest = "sha256:" + hashlib.sha256(layer).hexdigest()
        me.call("ecr", "BatchCheckLayerAvailability", {**where, "layerDigests": [digest]})
        upload = {**where, "uploadId": me.call("ecr", "InitiateLayerUpload", where)["uploadId"]}
        part = {"partFirstByte": 0, "partLastByte": len(layer) - 1, "layerPartBlob": layer}
        me.call("ecr", "UploadLayerPart", {**upload, **part})
        me.call("ecr", "CompleteLayerUpload", {**upload, "layerDigests": [digest]})
        pushed = me.call("ecr", "PutImage", put_image(tag, SITE))["image"]["imageId"]
        me.call("ecr", "BatchGetImage", {**where, "imageIds": [pushed]})
        return str(pushed["imageDigest"])

    return push


def unlike(cloud: Enforced, stage: Stage) -> list[str]:
    """Where AWS is not as the stage wants it, read in full: no stamp vouches for anything."""
    for each in stage.wanted.jobs:
        name = SITE.role(each.job.name)
        cloud.client("iam").untag_role(RoleName=name, TagKeys=[STAMP_TAG])
    found = plan(cloud.aws(), stage.wanted, Scope(prune=True)).steps
    return [f"{step.address}: {step.deltas}" for step in found if step.address.kind != "stamp"]


@pytest.fixture(scope="module")
def me(enforcing: Enforced) -> Aws:
    """One whose policy changes from test to test; the clients are made once."""
    return enforcing.who(ME, APPLY)


def test_apply_succeeds_under_exactly_the_printed_policy(enforced: Enforced, me: Aws) -> None:
    enforced.gate.admit(ME, APPLY)
    assert lived(enforced, me) == []
    assert enforced.denied(ME) == set()
    assert {ask.action for ask in enforced.gate.asked[ME]} == set(actions(APPLY))


@pytest.mark.parametrize("action", actions(APPLY))
def test_apply_fails_with_any_one_action_taken_out(enforced: Enforced, me: Aws, action: str) -> None:
    enforced.gate.admit(ME, without(APPLY, action))
    wrong = lived(enforced, me)
    assert enforced.denied(ME) == {action}
    assert wrong
