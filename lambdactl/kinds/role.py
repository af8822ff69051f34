"""A job's IAM role with its one inline policy. Our roles' path is the index of what exists.

The role may read just the job's parameters and its own definitions, and write just under the job's
prefix and into its own log streams (docs/design.md). A role is never replaced: grants of a function's
encrypted environment are bound to the role's id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from lambdactl.deployment import Deployments
from lambdactl.engine import Address, Call, Effect, Resource, computed
from lambdactl.grants import ROLES, Permissions, Reach, role_arns
from lambdactl.kinds.look import LEGS_TAG, NAMED_ROLES, STAMP_TAG, Look, mark_of_tags, tags_of
from lambdactl.manifest.job import Job
from lambdactl.policies import normal
from lambdactl.site import Site
from lambdactl.tags import pairs

POLICY_NAME = "job"
_GONE = frozenset({"NoSuchEntity"})  # to a deletion: it is so already
_LAMBDA: Mapping[str, Any] = {
    "Sid": "Lambda",
    "Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Role(Resource):
    kind: ClassVar[str] = "role"

    role_name: str = computed()
    path: str = computed()
    trust: Mapping[str, Any]
    policies: Mapping[str, Any]  # inline, by name
    attached: tuple[str, ...] = ()  # ARNs of managed policies; we attach none
    permissions_boundary: str = ""
    tags: Mapping[str, str]

    @classmethod
    def wanted(cls, deployments: Deployments) -> Iterable[Self]:
        site = deployments.site
        for each in deployments.jobs:
            if each.job.role:
                continue  # made elsewhere, not ours to look at
            yield cls(
                name=each.job.name,
                role_name=site.role(each.job.name),
                path=site.role_path,
                trust=normal(trust(each.job)),
                policies={POLICY_NAME: normal(policy(each.job, site))},
                permissions_boundary=site.permissions_boundary,
                tags=tags_of(each.job, site) | ({LEGS_TAG: each.job.name} if each.job.legs > 1 else {}),
            )

    @classmethod
    def read(cls, look: Look) -> Iterable[Resource]:
        # All of them before the functions are asked for, whose pages take longest.
        for role in list(cls._listed(look)):
            if role.role_name in look.functions_by_name:
                # Otherwise it stays a difference: a stamp must not outlive the function it vouches for.
                tags = {key: value for key, value in role.tags.items() if key != STAMP_TAG}
                yield replace(role, tags=tags)
            else:
                yield role

    @classmethod
    def _listed(cls, look: Look) -> Iterator[Self]:
        for detail in look.roles:
            job, tags = look.site.job_of(detail["RoleName"]), look.role_tags[detail["RoleName"]]
            if job is None or not look.concerns(job):
                continue
            strange = mark_of_tags(look.site, tags) != "ours"
            if strange and Address("role", job) not in look.wanted and not look.only:
                continue
            yield cls.found(look, job, detail, tags, path=look.site.role_path)

    @classmethod
    def found(
        cls, look: Look, job: str, detail: Mapping[str, Any], tags: Mapping[str, str], *, path: str
    ) -> Self:
        """A role as IAM shows it; `path` is where ours lie."""
        return cls(
            name=job,
            mark=mark_of_tags(look.site, tags),
            blocked=_immovable(path, detail["Path"]),
            role_name=detail["RoleName"],
            path=detail["Path"],
            trust=normal(detail["AssumeRolePolicyDocument"]),
            policies={
                each["PolicyName"]: normal(each["PolicyDocument"]) for each in detail["RolePolicyList"]
            },
            attached=tuple(sorted(each["PolicyArn"] for each in detail["AttachedManagedPolicies"])),
            permissions_boundary=_boundary(look, detail),
            tags=tags,
        )

    def part_of(self) -> Address:
        return Address("function", self.name)  # which may have a role made elsewhere now

    def create(self) -> Iterator[Effect]:
        boundary: dict[str, Any] = (
            {"PermissionsBoundary": self.permissions_boundary} if self.permissions_boundary else {}
        )
        yield self._call(
            "CreateRole",
            Path=self.path,
            AssumeRolePolicyDocument=compact(self.trust),
            Tags=pairs(self.tags),
            **boundary,
        )
        yield from self._put_policies({})

    def update(self, found: Self) -> Iterator[Effect]:
        if found.trust != self.trust:
            yield self._call("UpdateAssumeRolePolicy", PolicyDocument=compact(self.trust))
        if found.permissions_boundary != self.permissions_boundary:
            if self.permissions_boundary:
                yield self._call("PutRolePermissionsBoundary", PermissionsBoundary=self.permissions_boundary)
            else:
                yield self._call("DeleteRolePermissionsBoundary", tolerate=_GONE)
        for arn in found.attached:
            yield self._call("DetachRolePolicy", tolerate=_GONE, PolicyArn=arn)
        yield from self._put_policies(found.policies)
        if set_ := {key: value for key, value in self.tags.items() if found.tags.get(key) != value}:
            yield self._call("TagRole", Tags=pairs(set_))
        if unset := sorted(found.tags.keys() - self.tags.keys()):
            yield self._call("UntagRole", TagKeys=unset)

    def delete(self) -> Iterator[Effect]:
        for arn in self.attached:
            yield self._call("DetachRolePolicy", tolerate=_GONE, PolicyArn=arn)
        for name in sorted(self.policies):
            yield self._call("DeleteRolePolicy", tolerate=_GONE, PolicyName=name)
        yield self._call("DeleteRole", tolerate=_GONE)

    def _put_policies(self, found: Mapping[str, Any]) -> Iterator[Effect]:
        for name in sorted(self.policies):
            if found.get(name) != self.policies[name]:
                document = compact(self.policies[name])
                yield self._call("PutRolePolicy", PolicyName=name, PolicyDocument=document)
        for name in sorted(found.keys() - self.policies.keys()):
            yield self._call("DeleteRolePolicy", tolerate=_GONE, PolicyName=name)

    def _call(self, operation: str, *, tolerate: frozenset[str] = frozenset(), **parameters: Any) -> Call:
        return Call(
            service="iam",
            operation=operation,
            parameters={"RoleName": self.role_name, **parameters},
            tolerate=tolerate,
        )


def _immovable(wanted: str, path: str) -> str:
    if path == wanted:
        return ""
    return f"its path is {path}, and IAM moves no role: rename the job, or delete the role"


def _boundary(look: Look, detail: Mapping[str, Any]) -> str:
    """The bulk read of some emulators leaves it out; GetRole has it, asked only where one is wanted."""
    boundary = detail.get("PermissionsBoundary")
    if boundary is None and look.site.permissions_boundary:
        role = look.aws.read("iam", "GetRole", RoleName=detail["RoleName"])["Role"]
        boundary = role.get("PermissionsBoundary")
    return str(boundary["PermissionsBoundaryArn"]) if boundary else ""


def compact(document: Mapping[str, Any]) -> str:
    """A policy as it is sent: of a trust policy IAM may count every character."""
    return json.dumps(document, separators=(",", ":"))


def trust(job: Job) -> dict[str, Any]:
    """Who may take the role: Lambda, and whom `localDev` names."""
    statements = [dict(_LAMBDA)]
    if job.local_principals:
        principals = {"AWS": list(job.local_principals)}
        statements.append({**_LAMBDA, "Sid": "LocalDev", "Principal": principals})
    return {"Version": "2012-10-17", "Statement": statements}


def policy(job: Job, site: Site) -> dict[str, Any]:
    """What the job may do; nothing else can (docs/design.md, Contracts)."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            *_parameters(job, site),
            *_bucket(job, site),
            *_model(job, site),
            _logs(job, site),
            *_legs(job, site),
        ],
    }


def _parameters(job: Job, site: Site) -> list[dict[str, Any]]:
    if not job.secrets:
        return []
    arns = sorted({site.parameter_arn(name) for name in job.secrets.values()})
    via = {
        "kms:ViaService": f"ssm.{site.region}.amazonaws.com",
        "kms:EncryptionContext:PARAMETER_ARN": arns,
    }
    keys = f"arn:{site.partition}:kms:{site.region}:{site.account}:key/*"
    return [
        {"Sid": "Parameters", "Effect": "Allow", "Action": "ssm:GetParameters", "Resource": arns},
        {
            "Sid": "DecryptParameters",
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": keys,
            "Condition": {"StringEquals": via},
        },
    ]


def _bucket(job: Job, site: Site) -> list[dict[str, Any]]:
    statements: list[dict[str, Any]] = [
        {
            "Sid": "Definition",
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": f"{site.bucket_arn}/{site.definitions_prefix(job.name)}*",
        },
        {
            "Sid": "Runs",
            "Effect": "Allow",
            "Action": ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
            "Resource": f"{site.bucket_arn}/{job.prefix}*",
        },
        {
            "Sid": "ListRuns",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": site.bucket_arn,
            "Condition": {"StringLike": {"s3:prefix": f"{job.prefix}*"}},
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


def _model(job: Job, site: Site) -> list[dict[str, Any]]:
    """The named model on Bedrock. A profile (eu.anthropic.…) is itself, and a model in its regions."""
    if job.agent.provider != "bedrock":
        return []
    model = job.agent.model
    plain = model[model.index("anthropic.") :]
    actions = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
    if plain == model:
        arn = f"arn:{site.partition}:bedrock:{site.region}::foundation-model/{model}"
        return [{"Sid": "Model", "Effect": "Allow", "Action": actions, "Resource": arn}]
    profile = f"arn:{site.partition}:bedrock:{site.region}:{site.account}:inference-profile/{model}"
    return [
        {"Sid": "Model", "Effect": "Allow", "Action": actions, "Resource": profile},
        {
            "Sid": "ModelOfProfile",
            "Effect": "Allow",
            "Action": actions,
            "Resource": f"arn:{site.partition}:bedrock:*::foundation-model/{plain}",
            "Condition": {"StringEquals": {"bedrock:InferenceProfileArn": profile}},
        },
    ]


def _logs(job: Job, site: Site) -> dict[str, Any]:
    # No CreateLogGroup: logs flushed after a deletion would make the group again, without retention.
    return {
        "Sid": "Logs",
        "Effect": "Allow",
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"{site.log_group_arn(job.name)}:*",
    }


def _legs(job: Job, site: Site) -> list[dict[str, Any]]:
    """To start the next leg, and to remove a checkpoint. In a bucket with versions it would stay, were it
    not deleted by its version."""
    if job.legs == 1:
        return []
    return [
        {
            "Sid": "NextLeg",
            "Effect": "Allow",
            "Action": "lambda:InvokeFunction",
            "Resource": site.function_arn(job.name),
        },
        {
            "Sid": "Checkpoints",
            "Effect": "Allow",
            "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
            "Resource": f"{site.bucket_arn}/{job.prefix}*/checkpoint/*",
        },
    ]


def _bounded(site: Site) -> Mapping[str, Any]:
    """A role made or changed here can never do more than the boundary; without one, none can be."""
    bound = {"iam:PermissionsBoundary": site.permissions_boundary}
    return {"Resource": role_arns(site), "Condition": {"ArnEquals": bound}}


BOUNDED = Reach(sid="BoundedRoles", limits=_bounded)
PERMISSIONS = Permissions(
    reads={"iam.GetRole": {"iam:GetRole": NAMED_ROLES}},
    writes={
        "iam.CreateRole": {"iam:CreateRole": BOUNDED, "iam:TagRole": ROLES},
        "iam.UpdateAssumeRolePolicy": {"iam:UpdateAssumeRolePolicy": ROLES},
        "iam.PutRolePermissionsBoundary": {"iam:PutRolePermissionsBoundary": BOUNDED},
        "iam.PutRolePolicy": {"iam:PutRolePolicy": BOUNDED},
        "iam.DeleteRolePolicy": {"iam:DeleteRolePolicy": ROLES},
        "iam.DetachRolePolicy": {"iam:DetachRolePolicy": ROLES},
        "iam.TagRole": {"iam:TagRole": ROLES},
        "iam.UntagRole": {"iam:UntagRole": ROLES},
        "iam.DeleteRole": {"iam:DeleteRole": ROLES},
    },
    # No workflow takes a boundary off a role.
    withheld={"iam.DeleteRolePermissionsBoundary": {"iam:DeleteRolePermissionsBoundary": ROLES}},
)
