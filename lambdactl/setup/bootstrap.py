"""`bootstrap --print`: what an administrator sets up once, as one CloudFormation template. Pure.

The identity provider for GitHub's workflows, a role that may plan, a role that may apply, and the
permissions boundary of all jobs. They lie outside of the path of the jobs' roles, so that the apply role
can change neither itself nor the boundary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lambdactl import permissions
from lambdactl.errors import UsageError
from lambdactl.setup import names
from lambdactl.setup.boundary import boundary
from lambdactl.site import Site

ISSUER = "token.actions.githubusercontent.com"
PATH = "/lambdactl-ci/"
_REPOSITORY = re.compile(r"[A-Za-z0-9-]+(@[0-9]+)?/[A-Za-z0-9._-]+(@[0-9]+)?")
_ENVIRONMENT = re.compile(r"[A-Za-z0-9._-]+")
_UNLIMITED = """\
#
# Beware: lambdactl.yaml has no `allow: parameters:`, so the boundary allows every SSM parameter.
"""
# https://docs.github.com/en/actions/reference/security/oidc, "Immutable subject claims"
_BY_NAME = """\
#
# {repository} is trusted by its name. GitHub's tokens also say the ids of a repository made or renamed after
# 2026-07-15, or that opted in; for one of those pass --repo with what this prints:
#   gh api repos/{repository} --jq '"\\(.owner.login)@\\(.owner.id)/\\(.name)@\\(.id)"'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whose workflows. `repository` is OWNER/NAME, or OWNER@ID/NAME@ID as GitHub's newer tokens say it."""

    repository: str
    environment: str  # GitHub's, not lambdactl's

    def __post_init__(self) -> None:
        if not _REPOSITORY.fullmatch(self.repository) or self.repository.count("@") == 1:
            raise UsageError(
                f"{self.repository!r} is not a repository",
                hint="--repo OWNER/NAME, or --repo OWNER@ID/NAME@ID for one made or renamed after 2026-07-15",
            )
        if not _ENVIRONMENT.fullmatch(self.environment):
            raise UsageError(
                f"{self.environment!r} cannot be trusted as a GitHub environment",
                hint="letters, digits, dots, hyphens and underscores only",
            )

    @property
    def planners(self) -> list[str]:
        """Pull requests of the repository itself, and its main branch (for the drift check)."""
        return [f"repo:{self.repository}:pull_request", f"repo:{self.repository}:ref:refs/heads/main"]

    @property
    def environments(self) -> tuple[str, str]:
        """Where a plan is applied that was read, and where another one is."""
        return self.environment, names.changed(self.environment)

    @property
    def appliers(self) -> list[str]:
        return [f"repo:{self.repository}:environment:{each}" for each in self.environments]


def boundary_arn(site: Site) -> str:
    """What goes into lambdactl.yaml as `permissionsBoundary`."""
    return f"arn:{site.partition}:iam::{site.account}:policy{PATH}{_name(site, 'boundary')}"


def role_arn(site: Site, what: str) -> str:
    """The ARN of the role that may `what`: "plan" or "apply"."""
    return f"arn:{site.partition}:iam::{site.account}:role{PATH}{_name(site, what)}"


def bootstrap(site: Site, trust: Trust, *, allowed_parameters: Sequence[str] = ()) -> str:
    """The template as YAML: the same for the same arguments, always."""
    import yaml

    document = template(site, trust, allowed_parameters)
    body = yaml.dump(document, Dumper=_plain_dumper(), sort_keys=False, width=110, allow_unicode=True)
    return _header(site, trust, bool(allowed_parameters)) + str(body)


def template(site: Site, trust: Trust, allowed_parameters: Sequence[str]) -> dict[str, Any]:
    """The template as a value. Its boundary is the one of the apply role, whatever lambdactl.yaml says."""
    bounded = replace(site, permissions_boundary=boundary_arn(site))
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"lambdactl: GitHub workflows of {trust.repository} plan and apply {_stem(site)}",
        "Parameters": {
            "CreateProvider": {
                "Type": "String",
                "AllowedValues": ["yes", "no"],
                "Default": "yes",
                "Description": "no if the account has GitHub's identity provider: there can be one",
            }
        },
        "Conditions": {"MakeProvider": {"Fn::Equals": [{"Ref": "CreateProvider"}, "yes"]}},
        "Resources": {
            "Provider": _provider(),
            "Boundary": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {
                    "ManagedPolicyName": _name(site, "boundary"),
                    "Path": PATH,
                    "Description": f"the most that any job of {_stem(site)} may do",
                    "PolicyDocument": boundary(site, allowed_parameters),
                },
            },
            "PlanRole": _role(site, "plan", {"sub": trust.planners}, permissions.plan(site)),
            "ApplyRole": _role(site, "apply", _appliers(site, trust), permissions.apply(bounded)),
        },
        "Outputs": {
            "PlanRole": {"Value": {"Fn::GetAtt": ["PlanRole", "Arn"]}},
            "ApplyRole": {"Value": {"Fn::GetAtt": ["ApplyRole", "Arn"]}},
            "Boundary": {"Value": {"Ref": "Boundary"}},
        },
    }


def _appliers(site: Site, trust: Trust) -> dict[str, str | list[str]]:
    """The two environments, from main alone: a workflow on any branch can name one that does not exist yet,
    and so is protected by nothing. AWS compares `ref` since 2026-01, in its commercial regions:
    https://aws.amazon.com/about-aws/whats-new/2026/01/aws-sts-supports-validation-identity-provider-claims/
    """
    main: dict[str, str | list[str]] = {"ref": "refs/heads/main"} if site.partition == "aws" else {}
    return {"sub": trust.appliers, **main}


def _provider() -> dict[str, Any]:
    # No thumbprint: AWS checks GitHub's certificate against its own list of authorities.
    return {
        "Type": "AWS::IAM::OIDCProvider",
        "Condition": "MakeProvider",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {"Url": f"https://{ISSUER}", "ClientIdList": ["sts.amazonaws.com"]},
    }


def _role(
    site: Site, what: str, claims: Mapping[str, str | list[str]], policy: dict[str, Any]
) -> dict[str, Any]:
    existing = f"arn:{site.partition}:iam::{site.account}:oidc-provider/{ISSUER}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": {"Fn::If": ["MakeProvider", {"Ref": "Provider"}, existing]}},
        "Action": "sts:AssumeRoleWithWebIdentity",
        # StringEquals, no wildcard: just these.
        "Condition": {
            "StringEquals": {
                f"{ISSUER}:aud": "sts.amazonaws.com",
                **{f"{ISSUER}:{claim}": value for claim, value in claims.items()},
            },
        },
    }
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": _name(site, what),
            "Path": PATH,
            "Description": f"lambdactl {what} of {_stem(site)} in GitHub workflows",
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            "Policies": [{"PolicyName": what, "PolicyDocument": policy}],
        },
    }


def _stem(site: Site) -> str:
    return f"{site.project}/{site.environment}"


def _name(site: Site, what: str) -> str:
    """With dots, which no job's role has: the two can never be one."""
    return f"{site.project}.{site.environment}.{what}"


def _header(site: Site, trust: Trust, parameters_limited: bool) -> str:
    stack = f"lambdactl-{site.project}-{site.environment}"
    read, changed = trust.environments
    variables = names.variables(site.environment)
    warnings = "" if parameters_limited else _UNLIMITED
    if "@" not in trust.repository:
        warnings += _BY_NAME.format(repository=trust.repository)
    return f"""\
# What lambdactl needs once in account {site.account}, for the workflows of {trust.repository}.
# Made by `lambdactl bootstrap --print`. Read it. First, on GitHub, in {trust.repository}:
#   - environments {read!r} and {changed!r}, which only the branch main may deploy to
#   - {changed!r} requires reviewers: a plan that is not the one its pull request showed waits there.
#     (An environment that does not exist is made by whichever job names it, without any protection.)
# then, as an administrator:
#
#   aws cloudformation deploy --stack-name {stack} --region {site.region} \\
#     --template-file FILE --capabilities CAPABILITY_NAMED_IAM
#     (--parameter-overrides CreateProvider=no, if the account has GitHub's provider already)
#
# and on GitHub the repository variables
#   {variables}_PLAN_ROLE   {role_arn(site, "plan")}
#   {variables}_APPLY_ROLE  {role_arn(site, "apply")}
#   {variables}_CHANGED_ENVIRONMENT  {changed}
#     (without this one, a plan that is not the one its pull request showed is posted and never applied;
#     {read} here lets it pass unasked: for private repositories, where reviewers need GitHub Enterprise)
#
# and in lambdactl.yaml:
#   permissionsBoundary: {boundary_arn(site)}
{warnings}
"""


def _plain_dumper() -> Any:
    """Without anchors: CloudFormation reads aliases, people do not."""
    import yaml

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    return Plain
