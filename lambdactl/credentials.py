"""AWS credentials for a job on this machine, as the environment triple that Lambda sets too.

Never written to a file or an argument list. Asks STS, changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from lambdactl.errors import AwsError, Refused

if TYPE_CHECKING:  # the command line needs the names of `Creds` at each start, and no more
    from lambdactl.aws import Aws
    from lambdactl.manifest.job import Job
    from lambdactl.site import Site

_SESSION = re.compile(
    r"arn:(?P<partition>[a-z-]+):sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/[^/]+"
)
_OTHERWISE = "--creds own runs it with your own permissions, --creds none without AWS"
SESSION_POLICY_MAX = 2048  # characters of an inline session policy (STS API reference, AssumeRole)
SESSION_SECONDS = 3600  # a role assumed from a role lasts an hour at most


class Creds(StrEnum):
    """Whose credentials the job gets: its own role's, yours, or none."""

    job = "job"
    own = "own"
    none = "none"


def handed_on(job: Job, creds: Creds) -> str:
    """What a manifest's `aws: true` comes to with these credentials; "" when it is as in Lambda."""
    who = ["the agent"] if job.agent.aws else []
    who += [f"MCP server {each.name}" for each in job.mcp_servers if each.aws]
    if not who or creds is Creds.job:
        return ""
    if creds is Creds.none:
        return f"`aws: true` of {', '.join(who)}: no credentials with --creds none; use --creds job"
    return f"`aws: true` of {', '.join(who)}: your own credentials go there, for all that you may do"


def own(aws: Aws) -> dict[str, str]:
    """The caller's, frozen."""
    return _triple(aws.frozen_credentials())


def of_job(aws: Aws, job: Job, site: Site) -> tuple[dict[str, str], str]:
    """The job's permissions and no more, and how they were had.

    The role itself where its trust lets us assume it (the manifest's `localDev`); else the caller's own
    session narrowed by a policy equal to the role's, which STS gives to IAM users only. Refused when
    neither can be had.
    """
    from lambdactl.kinds.role import policy

    name, role = site.function(job.name), job.role or site.role_arn(job.name)
    assume = {"RoleArn": role, "RoleSessionName": name, "DurationSeconds": SESSION_SECONDS}
    try:
        assumed = aws.call("sts", "AssumeRole", assume)["Credentials"]
        return _triple(assumed), f"the role {role}"
    except AwsError as refused:
        why = refused.what
    if job.role:  # what it may do, is not ours to know
        raise Refused(f"the job's role cannot be had on this machine: {why}", hint=_OTHERWISE)
    document = json.dumps(policy(job, site), separators=(",", ":"))
    try:
        if len(document) > SESSION_POLICY_MAX:
            raise Refused(f"the role's policy has {len(document):,} characters, over {SESSION_POLICY_MAX:,}")
        narrowed = {"Name": name[:32], "Policy": document, "DurationSeconds": SESSION_SECONDS}
        federated = aws.call("sts", "GetFederationToken", narrowed)["Credentials"]
        return _triple(federated), "a session policy equal to the role's"
    except (AwsError, Refused) as refused:
        principal, certain = principal_of(caller(aws))
        like = "" if certain else " (its path, if it has one, is not known here: see it in IAM)"
        raise Refused(
            f"the job's role cannot be had on this machine: {why}",
            why=f"nor can a session narrowed to it: {refused.what}",
            hint=f"put `localDev: {{principals: [{principal}]}}` into the manifest{like} and apply it; "
            f"{_OTHERWISE}",
        ) from None


def principal_of(arn: str) -> tuple[str, bool]:
    """Whom a trust policy is to name for a caller, by its ARN in GetCallerIdentity; and whether that is
    certain: the ARN of an assumed role's session leaves out the role's path."""
    session = _SESSION.fullmatch(arn)
    if session is None:
        return arn, True
    start, role = f"arn:{session['partition']}:iam::{session['account']}:role", session["role"]
    if role.startswith("AWSReservedSSO_"):
        # IAM Identity Center's own path; outside of us-east-1 its region follows.
        return f"{start}/aws-reserved/sso.amazonaws.com/{role}", False
    return f"{start}/{role}", False


def caller(aws: Aws) -> str:
    return str(aws.identity["Arn"])


def _triple(answer: Mapping[str, str]) -> dict[str, str]:
    found = {
        "AWS_ACCESS_KEY_ID": answer["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"],
        "AWS_SESSION_TOKEN": answer.get("SessionToken") or "",
    }
    return {name: value for name, value in found.items() if value}
