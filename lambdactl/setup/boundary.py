"""The permissions boundary: the most that any job of a project may ever do. Pure.

A job's own role is narrower (lambdactl.kinds.role). The boundary holds for what its policy may one day
say, whoever changes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lambdactl.kinds.look import LEGS_TAG
from lambdactl.site import Site


def boundary(site: Site, allowed_parameters: Sequence[str]) -> dict[str, Any]:
    """The policy document. `allowed_parameters`: globs of lambdactl.yaml's `allow`; none is all."""
    statements = [*_parameters(site, allowed_parameters or ("/*",)), *_bucket(site), *_logs(site)]
    more = [_models(site), _schedules(site), *_legs(site)]
    return {"Version": "2012-10-17", "Statement": [*statements, *more]}


def _parameters(site: Site, globs: Sequence[str]) -> list[dict[str, Any]]:
    arns = sorted({site.parameter_arn(glob) for glob in globs})
    return [
        {"Sid": "Parameters", "Effect": "Allow", "Action": ["ssm:GetParameters"], "Resource": arns},
        {
            "Sid": "DecryptParameters",
            "Effect": "Allow",
            "Action": ["kms:Decrypt"],
            "Resource": f"arn:{site.partition}:kms:{site.region}:{site.account}:key/*",
            "Condition": {
                "StringEquals": {"kms:ViaService": f"ssm.{site.region}.amazonaws.com"},
                "StringLike": {"kms:EncryptionContext:PARAMETER_ARN": arns},
            },
        },
    ]


def _bucket(site: Site) -> list[dict[str, Any]]:
    statements: list[dict[str, Any]] = [
        {
            "Sid": "Runs",
            "Effect": "Allow",
            "Action": ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
            "Resource": f"{site.bucket_arn}/*",
        },
        {"Sid": "ListRuns", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": site.bucket_arn},
        # What a job runs is decided in git: no job changes a definition, of its own or another project.
        {
            "Sid": "DefinitionsAreNotTheirs",
            "Effect": "Deny",
            "Action": [
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:DeleteObjectVersion",
                "s3:PutObject",
            ],
            "Resource": f"{site.bucket_arn}/.lambdactl/*",
        },
    ]
    if site.kms_key:
        statements.append(
            {
                "Sid": "BucketKey",
                "Effect": "Allow",
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                "Resource": site.kms_key,
                "Condition": {"StringEquals": {"kms:ViaService": f"s3.{site.region}.amazonaws.com"}},
            }
        )
    return statements


def _logs(site: Site) -> list[dict[str, Any]]:
    return [
        {
            "Sid": "Logs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{site.log_group_arn('*')}:*",
        }
    ]


def _models(site: Site) -> dict[str, Any]:
    """For jobs with `provider: bedrock`, whose own role names one model."""
    return {
        "Sid": "Models",
        "Effect": "Allow",
        "Action": ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
        "Resource": [
            f"arn:{site.partition}:bedrock:*::foundation-model/anthropic.*",
            f"arn:{site.partition}:bedrock:{site.region}:{site.account}:inference-profile/*",
        ],
    }


def _schedules(site: Site) -> dict[str, Any]:
    """For the roles that Scheduler assumes, not for a job's own: no job starts another."""
    roles = f"arn:{site.partition}:iam::{site.account}:role{site.schedule_role_path}*"
    return {
        "Sid": "Schedules",
        "Effect": "Allow",
        "Action": ["lambda:InvokeFunction"],
        "Resource": site.function_arn("*"),
        "Condition": {"ArnLike": {"aws:PrincipalArn": roles}},
    }


def _legs(site: Site) -> list[dict[str, Any]]:
    """A job may go on in a further leg of its own function, which its role's tag names, and of no other."""
    return [
        {
            "Sid": "NextLeg",
            "Effect": "Allow",
            "Action": ["lambda:InvokeFunction"],
            "Resource": site.function_arn(f"${{aws:PrincipalTag/{LEGS_TAG}}}"),
        },
        {
            "Sid": "Checkpoints",
            "Effect": "Allow",
            "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
            "Resource": f"{site.bucket_arn}/*/checkpoint/*",
        },
    ]
