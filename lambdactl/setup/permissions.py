"""Which IAM actions lambdactl's calls need, and on what: the one table of them. Pure.

An action is not an operation: HeadBucket needs s3:ListBucket, a role's tags need iam:TagRole, and giving
a function its role needs iam:PassRole. Tests compare this table with the calls that are really made.
Sources: AWS's service authorization reference, and the API reference of each operation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from lambdactl.site import Site

Actions = Mapping[str, tuple[str, ...]]

# sts.GetCallerIdentity needs no permission at all.
READS: Actions = MappingProxyType(
    {
        "sts.GetCallerIdentity": (),
        "s3.HeadBucket": ("s3:ListBucket",),
        "s3.GetBucketTagging": ("s3:GetBucketTagging",),
        "s3.GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
        "s3.GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
        "s3.GetBucketVersioning": ("s3:GetBucketVersioning",),
        "s3.ListObjectsV2": ("s3:ListBucket",),
        "s3.GetObject": ("s3:GetObject",),
        "ecr.DescribeRepositories": ("ecr:DescribeRepositories",),
        "ecr.ListTagsForResource": ("ecr:ListTagsForResource",),
        "ecr.GetRepositoryPolicy": ("ecr:GetRepositoryPolicy",),
        "ecr.GetLifecyclePolicy": ("ecr:GetLifecyclePolicy",),
        "ecr.ListImages": ("ecr:ListImages",),
        "iam.ListRoles": ("iam:ListRoles",),
        "iam.GetRole": ("iam:GetRole",),
        "iam.GetAccountAuthorizationDetails": ("iam:GetAccountAuthorizationDetails",),
        "lambda.ListFunctions": ("lambda:ListFunctions",),
        # Without ListTags the answer is the same, but has no tags: they would look gone.
        "lambda.GetFunction": ("lambda:GetFunction", "lambda:ListTags"),
        "lambda.GetFunctionEventInvokeConfig": ("lambda:GetFunctionEventInvokeConfig",),
        "logs.DescribeLogGroups": ("logs:DescribeLogGroups",),
        "scheduler.GetScheduleGroup": ("scheduler:GetScheduleGroup",),
        "scheduler.ListTagsForResource": ("scheduler:ListTagsForResource",),
        "scheduler.ListSchedules": ("scheduler:ListSchedules",),
        "scheduler.GetSchedule": ("scheduler:GetSchedule",),
        "ssm.DescribeParameters": ("ssm:DescribeParameters",),
    }
)
WRITES: Actions = MappingProxyType(
    {
        "s3.CreateBucket": ("s3:CreateBucket", "s3:TagResource"),
        "s3.PutBucketTagging": ("s3:PutBucketTagging",),
        "s3.PutPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
        "s3.PutBucketEncryption": ("s3:PutEncryptionConfiguration",),
        "s3.PutBucketVersioning": ("s3:PutBucketVersioning",),
        "s3.PutObject": ("s3:PutObject",),
        "s3.DeleteObject": ("s3:DeleteObject",),
        "ecr.CreateRepository": ("ecr:CreateRepository", "ecr:TagResource"),
        "ecr.TagResource": ("ecr:TagResource",),
        "ecr.PutImageTagMutability": ("ecr:PutImageTagMutability",),
        "ecr.SetRepositoryPolicy": ("ecr:SetRepositoryPolicy",),
        "ecr.PutLifecyclePolicy": ("ecr:PutLifecyclePolicy",),
        "iam.CreateRole": ("iam:CreateRole", "iam:TagRole"),
        "iam.UpdateAssumeRolePolicy": ("iam:UpdateAssumeRolePolicy",),
        "iam.PutRolePermissionsBoundary": ("iam:PutRolePermissionsBoundary",),
        "iam.PutRolePolicy": ("iam:PutRolePolicy",),
        "iam.DeleteRolePolicy": ("iam:DeleteRolePolicy",),
        "iam.DetachRolePolicy": ("iam:DetachRolePolicy",),
        "iam.TagRole": ("iam:TagRole",),
        "iam.UntagRole": ("iam:UntagRole",),
        "iam.DeleteRole": ("iam:DeleteRole",),
        # Lambda looks at the image with the caller's rights.
        "lambda.CreateFunction": (
            "lambda:CreateFunction",
            "lambda:TagResource",
            "iam:PassRole",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
        ),
        "lambda.UpdateFunctionCode": (
            "lambda:UpdateFunctionCode",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
        ),
        "lambda.UpdateFunctionConfiguration": ("lambda:UpdateFunctionConfiguration", "iam:PassRole"),
        "lambda.TagResource": ("lambda:TagResource",),
        "lambda.UntagResource": ("lambda:UntagResource",),
        "lambda.PutFunctionEventInvokeConfig": ("lambda:PutFunctionEventInvokeConfig",),
        "lambda.PutFunctionConcurrency": ("lambda:PutFunctionConcurrency",),
        "lambda.DeleteFunctionConcurrency": ("lambda:DeleteFunctionConcurrency",),
        "lambda.DeleteFunction": ("lambda:DeleteFunction",),
        "logs.CreateLogGroup": ("logs:CreateLogGroup",),
        "logs.PutRetentionPolicy": ("logs:PutRetentionPolicy",),
        "scheduler.CreateScheduleGroup": ("scheduler:CreateScheduleGroup", "scheduler:TagResource"),
        "scheduler.TagResource": ("scheduler:TagResource",),
        # With a group go the schedules in it.
        "scheduler.DeleteScheduleGroup": ("scheduler:DeleteScheduleGroup", "scheduler:DeleteSchedule"),
        "scheduler.CreateSchedule": ("scheduler:CreateSchedule", "iam:PassRole"),
        "scheduler.UpdateSchedule": ("scheduler:UpdateSchedule", "iam:PassRole"),
        "scheduler.DeleteSchedule": ("scheduler:DeleteSchedule",),
    }
)
# The one effect that is no call of a kind: an image pushed through the registry's own protocol.
PUSH: Actions = MappingProxyType(
    {
        "ecr.GetAuthorizationToken": ("ecr:GetAuthorizationToken",),
        "push": (
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:CompleteLayerUpload",
            "ecr:GetDownloadUrlForLayer",
            "ecr:InitiateLayerUpload",
            "ecr:PutImage",
            "ecr:UploadLayerPart",
        ),
    }
)
# Calls of the kinds that no workflow may make: `destroy --data` is for people, and nothing takes a
# boundary off a role once there is one.
WITHHELD = frozenset(
    {
        "ecr.DeleteRepository",
        "ecr.BatchDeleteImage",
        "logs.DeleteLogGroup",
        "iam.DeleteRolePermissionsBoundary",
    }
)

# Where an action applies: by service, with exceptions.
_SERVICES = {
    "s3": "Bucket",
    "ecr": "Repository",
    "iam": "Roles",
    "lambda": "Functions",
    "logs": "LogGroups",
    "scheduler": "Schedules",
}
_EXCEPTIONS = {
    "s3:GetObject": "Definitions",
    "s3:PutObject": "Definitions",
    "s3:DeleteObject": "Definitions",
    "iam:CreateRole": "BoundedRoles",
    "iam:PutRolePolicy": "BoundedRoles",
    "iam:PutRolePermissionsBoundary": "BoundedRoles",
    "iam:PassRole": "RolesForServices",
    "logs:DescribeLogGroups": "LogGroupNames",
    # These name no resource.
    "ecr:GetAuthorizationToken": "Account",
    "iam:GetAccountAuthorizationDetails": "Account",
    "iam:ListRoles": "Account",
    "lambda:ListFunctions": "Account",
    "scheduler:ListSchedules": "Account",
    "ssm:DescribeParameters": "Account",
}


def statements(tables: Iterable[Actions], site: Site, boundary: str) -> list[dict[str, Any]]:
    """The least that allows all of the tables' calls within `site`, one statement for each place."""
    places: dict[str, set[str]] = {}
    for table in tables:
        for action in (action for actions in table.values() for action in actions):
            place = _EXCEPTIONS.get(action) or _SERVICES[action.partition(":")[0]]
            places.setdefault(place, set()).add(action)
    return [
        {"Sid": place, "Effect": "Allow", "Action": sorted(places[place]), **_limits(place, site, boundary)}
        for place in sorted(places)
    ]


def _limits(place: str, site: Site, boundary: str) -> dict[str, Any]:
    """The resources of a place, and what must hold besides."""
    roles = f"arn:{site.partition}:iam::{site.account}:role{site.role_path}*"
    groups = f"arn:{site.partition}:logs:{site.region}:{site.account}:log-group:"
    limits: dict[str, dict[str, Any]] = {
        "Account": {"Resource": "*"},
        "Bucket": {"Resource": site.bucket_arn},
        "Definitions": {"Resource": f"{site.bucket_arn}/{site.own_prefix}*"},
        "Repository": {"Resource": site.repository_arn},
        "Functions": {"Resource": site.function_arn("*")},
        "LogGroupNames": {"Resource": f"{groups}*"},
        "LogGroups": {"Resource": site.log_group_arn("*")},
        "Roles": {"Resource": roles},
        # A role made or changed here can never do more than the boundary.
        "BoundedRoles": {
            "Resource": roles,
            "Condition": {"StringEquals": {"iam:PermissionsBoundary": boundary}},
        },
        # A job's role is for Lambda, a schedule's for Scheduler: the trust policy of each says so.
        "RolesForServices": {
            "Resource": roles,
            "Condition": {
                "StringEquals": {
                    "iam:PassedToService": ["lambda.amazonaws.com", "scheduler.amazonaws.com"],
                }
            },
        },
        "Schedules": {"Resource": [site.schedule_group_arn, site.schedule_arn("*")]},
    }
    return limits[place]
