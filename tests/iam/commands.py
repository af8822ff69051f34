"""`apply` as the command does it, for whoever may or may not do so."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from lambdactl.applying import Work, run
from lambdactl.author import Author
from lambdactl.aws import Aws
from lambdactl.deployment import Deployments
from lambdactl.engine import Failed, Plan
from lambdactl.errors import LambdactlError
from lambdactl.lease import Lease
from lambdactl.publish import ecr_credentials
from lambdactl.reconcile import plan
from lambdactl.scope import Scope
from lambdactl.secrets import missing_notes
from lambdactl.site import Site
from tests.support.cloud import put_image

AUTHOR = Author(who="me@here")


def applied(me: Aws, wanted: Deployments) -> list[str]:
    """What goes wrong in one apply as the command does it: planned, then again under the lock, with a
    record."""
    try:
        first = planned(me, wanted)
        with Lease.acquire(me, wanted.site, AUTHOR) as lease:
            made = planned(me, wanted)
            assert made.fingerprint == first.fingerprint
            events = list(run(work(me, wanted), made, lease))
    except LambdactlError as error:
        return [str(error)]
    return [str(event.error) for event in events if isinstance(event, Failed)]


def planned(me: Aws, wanted: Deployments) -> Plan:
    missing_notes(me, [each.job for each in wanted.jobs])
    return plan(me, wanted, Scope(prune=True))


def work(me: Aws, wanted: Deployments) -> Work:
    return Work(
        aws=me,
        deployments=wanted,
        build=pushing(me, wanted.site),
        author=AUTHOR,
        command="apply",
        stop=lambda: False,
        on_line=lambda line: None,
    )


def pushing(me: Aws, site: Site) -> Callable[[str], str]:
    """A push by the API's calls: the emulator has no registry, whose protocol stands on the same actions.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
    """

    def push(tag: str) -> str:
        ecr_credentials(me)
        layer, where = tag.encode(), {"repositoryName": site.repository}
        digest = "sha256:" + hashlib.sha256(layer).hexdigest()
        me.call("ecr", "BatchCheckLayerAvailability", {**where, "layerDigests": [digest]})
        upload = {**where, "uploadId": me.call("ecr", "InitiateLayerUpload", where)["uploadId"]}
        part = {"partFirstByte": 0, "partLastByte": len(layer) - 1, "layerPartBlob": layer}
        me.call("ecr", "UploadLayerPart", {**upload, **part})
        me.call("ecr", "CompleteLayerUpload", {**upload, "layerDigests": [digest]})
        pushed = me.call("ecr", "PutImage", put_image(tag, site))["image"]["imageId"]
        me.call("ecr", "BatchGetImage", {**where, "imageIds": [pushed]})
        return str(pushed["imageDigest"])

    return push
