"""The account as it is, read from the emulator itself, and as it has to be, told from the jobs alone.

Neither asks lambdactl's own reading or its kinds: only the text of a role's policy comes from there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config

from lambdactl.definition import canonical
from lambdactl.deployment import Deployment
from lambdactl.kinds.role import policy
from lambdactl.manifest.job import Job, Schedule
from lambdactl.policies import normal
from tests.support.cloud import ACCOUNT, REGION, SITE

ELSEWHERE = "elsewhere"  # a role that is not ours
STAMP = "lambdactl:stamp"
State = dict[str, Any]
VERSION = {"Version": "2012-10-17"}
GROUP = f"{SITE.project}-{SITE.environment}"
SCHEDULER_TRUST = {
    **VERSION,
    "Statement": [
        {
            "Sid": "Scheduler",
            "Effect": "Allow",
            "Principal": {"Service": "scheduler.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringEquals": {
                    "aws:SourceAccount": ACCOUNT,
                    "aws:SourceArn": f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/{GROUP}",
                }
            },
        }
    ],
}
TRUST = {
    **VERSION,
    "Statement": [
        {
            "Sid": "Lambda",
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


@lru_cache
def client(url: str, service: str) -> Any:
    session = boto3.Session(ACCOUNT, "made-up", region_name=REGION)
    return session.client(service, endpoint_url=url, config=Config(s3={"addressing_style": "path"}))


def actual(url: str) -> State:
    """Everything in the account at `url` that apply may touch."""
    kinds = (_functions, _roles, _log_groups, _definitions, _images, _schedules)
    return {name: each for kind in kinds for name, each in kind(url).items()}


def expected(deployments: Iterable[Deployment], images: Mapping[str, str]) -> State:
    """All that has to be there. `images`: tag -> digest."""
    state: State = {}
    for each in deployments:
        job = each.job
        tags = {**job.tags, **SITE.owner_tags, **({"lambdactl:protect": "true"} if job.protect else {})}
        state[f"function.{job.name}"] = _function(each, tags, images)
        state[f"log_group.{job.name}"] = job.log_retention_days
        state[f"definition.{job.name}"] = {_key(each): canonical(each.definition)}
        if not job.role:
            state[f"role.{job.name}"] = {
                "path": f"/lambdactl/{SITE.project}/{SITE.environment}/",
                "trust": normal(TRUST),
                "policies": {"job": normal(policy(job, SITE))},
                "attached": [],
                "tags": tags,
                "stamped": True,
            }
        if job.schedule:
            state |= _scheduled(job, job.schedule, tags)
    return state


def _scheduled(job: Job, schedule: Schedule, tags: Mapping[str, str]) -> State:
    """A schedule, and the role that Scheduler takes for it."""
    function, role = f"demo-main-{job.name}", f"demo-main-{job.name}.schedule"
    path = f"/lambdactl/{SITE.project}/{SITE.environment}/schedule/"
    invoke = {"Sid": "Run", "Effect": "Allow", "Action": "lambda:InvokeFunction"}
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
    return {
        f"role.{job.name}.schedule": {
            "path": path,
            "trust": normal(SCHEDULER_TRUST),
            "policies": {"schedule": normal({**VERSION, "Statement": [{**invoke, "Resource": arn}]})},
            "attached": [],
            "tags": tags,
            "stamped": False,
        },
        f"schedule.{job.name}": {
            "expression": schedule.expression,
            "target": arn,
            "role": f"arn:aws:iam::{ACCOUNT}:role{path}{role}",
            "input": schedule.event,
        },
    }


def differences(found: State, wanted: State, gone: Iterable[str] = ()) -> list[str]:
    """What is not as it has to be: missing, wrong, or left behind. Log groups of jobs that went are kept."""
    kept = {f"log_group.{name}" for name in gone}
    left = sorted(found.keys() - wanted.keys() - kept)
    wrong = [
        f"{name}: {found.get(name)} instead of {value}"
        for name, value in wanted.items()
        if not _covers(name, found.get(name), value)
    ]
    return [*wrong, *(f"{name} is left behind" for name in left if not name.startswith("image."))]


def _covers(name: str, found: Any, wanted: Any) -> bool:
    # Older definitions of a job stay, with its name.
    return found == wanted or (name.startswith("definition.") and wanted.items() <= (found or {}).items())


def _key(each: Deployment) -> str:
    sha256 = hashlib.sha256(canonical(each.definition)).hexdigest()
    return f".lambdactl/{SITE.project}/{SITE.environment}/jobs/{each.job.name}/{sha256}.json"


def _function(each: Deployment, tags: Mapping[str, str], images: Mapping[str, str]) -> dict[str, Any]:
    job = each.job
    own = f"arn:aws:iam::{ACCOUNT}:role/lambdactl/{SITE.project}/{SITE.environment}/demo-main-{job.name}"
    return {
        "image": images[each.image],
        "architecture": [job.architecture],
        "description": job.description,
        "role": job.role or own,
        "timeout": job.timeout,
        "memory": job.memory,
        "storage": job.ephemeral_storage,
        "environment": {
            "LAMBDACTL_OWNER": f"{SITE.project}/{SITE.environment}",
            "LAMBDACTL_BUCKET": SITE.bucket,
            "LAMBDACTL_DEFINITION": _key(each),
        },
        "tags": dict(tags),
        "concurrency": job.concurrency,
        "invoke": (job.retries, job.max_event_age),
    }


def _functions(url: str) -> State:
    aws = client(url, "lambda")
    names = [each["FunctionName"] for each in aws.list_functions()["Functions"]]
    return {f"function.{_job(name)}": _read_function(aws, name) for name in names}


def _read_function(aws: Any, name: str) -> dict[str, Any]:
    whole = aws.get_function(FunctionName=name)
    settings = whole["Configuration"]
    try:
        invoke = aws.get_function_event_invoke_config(FunctionName=name)
    except aws.exceptions.ResourceNotFoundException:
        invoke = {}
    reserved = aws.get_function_concurrency(FunctionName=name)
    return {
        "image": whole["Code"]["ImageUri"].partition("@")[2],
        "architecture": settings["Architectures"],
        "description": settings["Description"],
        "role": settings["Role"],
        "timeout": settings["Timeout"],
        "memory": settings["MemorySize"],
        "storage": settings["EphemeralStorage"]["Size"],
        "environment": settings["Environment"]["Variables"],
        "tags": whole.get("Tags", {}),
        "concurrency": reserved.get("ReservedConcurrentExecutions"),
        "invoke": (invoke.get("MaximumRetryAttempts"), invoke.get("MaximumEventAgeInSeconds")),
    }


def _roles(url: str) -> State:
    aws = client(url, "iam")
    names = [each["RoleName"] for each in aws.list_roles()["Roles"]]
    return {f"role.{_job(name)}": _read_role(aws, name) for name in names if name != ELSEWHERE}


def _read_role(aws: Any, name: str) -> dict[str, Any]:
    role = aws.get_role(RoleName=name)["Role"]
    policies = aws.list_role_policies(RoleName=name)["PolicyNames"]
    tags = {each["Key"]: each["Value"] for each in role.get("Tags", ())}
    return {
        "path": role["Path"],
        "trust": normal(role["AssumeRolePolicyDocument"]),
        "policies": {
            each: normal(aws.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"])
            for each in policies
        },
        "attached": aws.list_attached_role_policies(RoleName=name)["AttachedPolicies"],
        "stamped": bool(tags.pop(STAMP, "")),
        "tags": tags,
    }


def _log_groups(url: str) -> State:
    found = client(url, "logs").describe_log_groups()["logGroups"]
    return {
        f"log_group.{_job(each['logGroupName'].removeprefix('/aws/lambda/'))}": each.get("retentionInDays")
        for each in found
    }


def _definitions(url: str) -> State:
    aws, prefix = client(url, "s3"), f".lambdactl/{SITE.project}/{SITE.environment}/jobs/"
    if not any(each["Name"] == SITE.bucket for each in aws.list_buckets()["Buckets"]):
        return {}
    state: State = {}
    for each in aws.list_objects_v2(Bucket=SITE.bucket, Prefix=prefix).get("Contents", ()):
        job = each["Key"].removeprefix(prefix).partition("/")[0]
        body = aws.get_object(Bucket=SITE.bucket, Key=each["Key"])["Body"].read()
        state.setdefault(f"definition.{job}", {})[each["Key"]] = body
    return state


def _images(url: str) -> State:
    aws = client(url, "ecr")
    try:
        ids = aws.list_images(repositoryName=SITE.repository)["imageIds"]
    except aws.exceptions.RepositoryNotFoundException:
        return {}
    return {f"image.{each['imageTag']}": each["imageDigest"] for each in ids if each.get("imageTag")}


def _schedules(url: str) -> State:
    aws = client(url, "scheduler")
    try:
        names = [each["Name"] for each in aws.list_schedules(GroupName=GROUP)["Schedules"]]
    except aws.exceptions.ResourceNotFoundException:
        return {}
    found = {name: aws.get_schedule(GroupName=GROUP, Name=name) for name in names}
    return {
        f"schedule.{_job(name)}": {
            "expression": each["ScheduleExpression"],
            "target": each["Target"]["Arn"],
            "role": each["Target"]["RoleArn"],
            "input": each["Target"]["Input"],
        }
        for name, each in found.items()
    }


def images(state: State) -> dict[str, str]:
    """tag -> digest, of what was read."""
    return {n.removeprefix("image."): each for n, each in state.items() if n.startswith("image.")}


def locked(url: str) -> bool:
    listed = client(url, "s3").list_objects_v2(Bucket=SITE.bucket, Prefix=SITE.apply_lock_key)
    return bool(listed["KeyCount"])


def elsewhere(url: str) -> str:
    """Makes the role that is not ours, as another tool would have; its ARN."""
    made = client(url, "iam").create_role(RoleName=ELSEWHERE, AssumeRolePolicyDocument=json.dumps(TRUST))
    return str(made["Role"]["Arn"])


def _job(name: str) -> str:
    return name.removeprefix(f"{SITE.project}-{SITE.environment}-")
