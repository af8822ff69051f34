"""A project's life in three stages that, between them, take every call there is: made, changed, mended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lambdactl.deployment import Deployments
from lambdactl.manifest.job import Agent, Schedule
from lambdactl.site import Site
from tests.support.cloud import ACCOUNT, SITE, Cloud, deployments, job

BOUNDED = replace(SITE, permissions_boundary=f"arn:aws:iam::{ACCOUNT}:policy/boundary")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`before` is what somebody else does to the account; then `wanted` is applied, with prune."""

    name: str
    wanted: Deployments
    before: Callable[[Cloud, Site], None] = lambda cloud, site: None


def stages(site: Site = BOUNDED) -> tuple[Stage, ...]:
    agent = Agent(type="command", command=("true",), prompt="another")
    hourly, daily = Schedule(expression="rate(1 hour)"), Schedule(expression="rate(1 day)")
    made = job(tags={"team": "a"}, schedule=hourly)
    changed = job(agent=agent, timeout=60, concurrency=5, schedule=daily)
    return (
        Stage(name="made", wanted=deployments(made, job("gone"), site=site)),
        Stage(name="changed", wanted=deployments(changed, image="b" * 32, site=site)),
        Stage(name="mended", wanted=deployments(job(retries=0), site=site), before=tamper),
    )


def tamper(cloud: Cloud, site: Site) -> None:
    """Somebody changes by hand what plan must find and apply must mend."""
    iam, ecr, name = cloud.client("iam"), cloud.client("ecr"), site.function("triage")
    policy = '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}'
    trust = policy.replace('"Resource": "*"', '"Principal": {"Service": "ec2.amazonaws.com"}').replace(
        '"*"', '"sts:AssumeRole"'
    )
    arn = iam.create_policy(PolicyName=f"{name}-boundary", PolicyDocument=policy)["Policy"]["Arn"]
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
    iam.put_role_policy(RoleName=name, PolicyName="more", PolicyDocument=policy)
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    iam.delete_role_permissions_boundary(RoleName=name)
    ecr.put_image_tag_mutability(repositoryName=site.repository, imageTagMutability="MUTABLE")
    cloud.client("logs").delete_retention_policy(logGroupName=site.log_group("triage"))
