"""Apply as the command does, under the lock and with a record, and again until it is quiet."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import sha256

from lambdactl.applying import Work, run
from lambdactl.author import Author
from lambdactl.aws import Aws
from lambdactl.deployment import Deployment, Deployments
from lambdactl.engine import Event, Failed, Plan, Skipped
from lambdactl.errors import AwsError, LambdactlError
from lambdactl.holder import EXPIRE_SECONDS
from lambdactl.kinds.look import digests
from lambdactl.lease import Lease, Timing
from lambdactl.manifest.job import Job
from lambdactl.reconcile import plan
from lambdactl.sandbox.front import Next, Request, Response
from lambdactl.scope import Scope
from tests.support.cloud import SITE, StrictCloud

PRUNE = Scope(prune=True, allow_mass_prune=True)
ANN = Author(who="ann@laptop")
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
APPLIES = 12  # most that it may take, however often something fails


def wanted(jobs: Sequence[Job], image: Callable[[Job], str] = lambda job: "a" * 32) -> Deployments:
    each = tuple(
        Deployment(job=one, image=image(one), definition={"version": 1, "prompt": one.agent.prompt})
        for one in jobs
    )
    return Deployments(site=SITE, jobs=each)


def pushed(aws: Aws) -> Callable[[str], str]:
    """Stands for build and push, through the same way to AWS: a push may fail, or be done and not said."""

    def push(tag: str) -> str:
        config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 1}
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {**config, "digest": "sha256:" + "0" * 64},
            "layers": [
                {"mediaType": LAYER, "size": 1, "digest": f"sha256:{sha256(tag.encode()).hexdigest()}"}
            ],
        }
        parameters = {
            "repositoryName": SITE.repository,
            "imageManifest": json.dumps(manifest),
            "imageManifestMediaType": MANIFEST,
            "imageTag": tag,
        }
        try:
            aws.call("ecr", "PutImage", parameters)
        except AwsError as error:
            if error.code not in ("ImageAlreadyExistsException", "ImageTagAlreadyExistsException"):
                raise
        return (digests(aws, SITE) or {})[tag]

    return push


def dead_holders(request: Request, following: Next) -> Response:
    """A layer: S3's clock is so late at each look at the lock that whoever left it there counts as dead."""
    answer = following(request)
    if request.method != "GET" or not request.path.endswith(SITE.apply_lock_key):
        return answer
    now = parsedate_to_datetime(answer.header("date")) + timedelta(seconds=EXPIRE_SECONDS + 2)
    kept = tuple(each for each in answer.headers if each[0].lower() != "date")
    return replace(answer, headers=(*kept, ("Date", format_datetime(now, usegmt=True))))


def fresh(cloud: StrictCloud, like: Aws) -> Aws:
    """As a new command would have it, nothing remembered, but with clients that are made already."""
    aws = cloud.aws()
    aws._clients = like._clients
    return aws


@dataclass
class Outcome:
    """What became of the applies: their plans, and what went wrong in each."""

    plans: list[Plan] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


def applied(aws: Aws, deployments: Deployments, scope: Scope = PRUNE) -> tuple[Plan, list[Event]]:
    """One apply, whole. Raises what it raises."""
    timing = Timing(clock=aws._clock, sleep=aws._sleep_for, start=lambda keep: None)
    with Lease.acquire(aws, SITE, ANN, timing) as lease:
        made = plan(aws, deployments, scope)
        work = Work(
            aws=aws,
            deployments=deployments,
            build=pushed(aws),
            author=ANN,
            command="apply --prune",
            stop=lambda: False,
            on_line=lambda line: None,
        )
        return made, list(run(work, made, lease))


def until_quiet(
    new_aws: Callable[[], Aws], deployments: Deployments, scope: Scope = PRUNE, most: int = APPLIES
) -> Outcome:
    """Applies until one finds nothing to do, or just one. Borne are LambdactlErrors and what they end."""
    outcome = Outcome()
    for _ in range(most):
        aws = new_aws()
        try:
            made, events = applied(aws, deployments, scope)
        except LambdactlError as error:
            outcome.troubles.append(f"raised {error}")
            continue
        outcome.plans.append(made)
        bad = [event for event in events if isinstance(event, Failed | Skipped)]
        outcome.troubles += [_told(event) for event in bad]
        if not made.steps or most == 1:
            return outcome
    last = [f"{step.action} {step.address} {step.deltas}" for step in outcome.plans[-1].steps]
    raise AssertionError(f"not quiet after {most} applies: {outcome.troubles}; still {last}")


def _told(event: Failed | Skipped) -> str:
    if isinstance(event, Skipped):
        return f"{event.step.address} skipped"
    assert isinstance(event.error, LambdactlError), repr(event.error)
    return f"{event.step.action} {event.step.address}: {event.error}"
