"""The words in which a module lists, at its end, which IAM actions its calls need, and on what. Pure.

An action is not an operation: HeadBucket needs s3:ListBucket, a role's tags need iam:TagRole, and giving
a function its role needs iam:PassRole. Tests compare the lists with the calls that are really made.
Sources: AWS's service authorization reference, and the API reference of each operation.
`lambdactl.permissions` makes policies of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdactl.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Where an action applies: one statement of a policy. `limits` answers its Resource, and its
    Condition if it has one; None where a site has no such thing."""

    sid: str
    limits: Callable[[Site], Mapping[str, Any] | None]


def role_arns(site: Site) -> str:
    """Every role on the jobs' path."""
    return f"arn:{site.partition}:iam::{site.account}:role{site.role_path}*"


def _bucket_key(site: Site) -> Mapping[str, Any] | None:
    """A key of the user's, and only through S3."""
    via = {"kms:ViaService": f"s3.{site.region}.amazonaws.com"}
    return {"Resource": site.kms_key, "Condition": {"StringEquals": via}} if site.kms_key else None


# What several modules need; a reach of one kind alone stands in that kind's module.
ACCOUNT = Reach(sid="Account", limits=lambda site: {"Resource": "*"})  # actions that name no resource
BUCKET = Reach(sid="Bucket", limits=lambda site: {"Resource": site.bucket_arn})
BUCKET_KEY = Reach(sid="BucketKey", limits=_bucket_key)
REPOSITORY = Reach(sid="Repository", limits=lambda site: {"Resource": site.repository_arn})
ROLES = Reach(sid="Roles", limits=lambda site: {"Resource": role_arns(site)})
FUNCTIONS = Reach(sid="Functions", limits=lambda site: {"Resource": site.function_arn("*")})

# "service.Operation" -> IAM action -> where.
Needs = Mapping[str, Mapping[str, Reach]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What the calls of one module need. `withheld`: calls that people make, never a workflow."""

    reads: Needs = field(default_factory=dict)
    writes: Needs = field(default_factory=dict)
    withheld: Needs = field(default_factory=dict)


def statements(needs: Iterable[Needs], site: Site) -> list[dict[str, Any]]:
    """The least that allows all of these calls within `site`: one statement for each reach, by Sid."""
    actions: dict[Reach, set[str]] = {}
    for action, reach in (pair for each in needs for row in each.values() for pair in row.items()):
        actions.setdefault(reach, set()).add(action)
    return [
        {"Sid": reach.sid, "Effect": "Allow", "Action": sorted(actions[reach]), **limits}
        for reach in sorted(actions, key=lambda each: each.sid)
        if (limits := reach.limits(site)) is not None
    ]
