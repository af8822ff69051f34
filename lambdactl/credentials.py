"""AWS credentials for a job on this machine, as the environment triple that Lambda sets too.

Never written to a file or an argument list. Asks STS, changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from lambdactl.errors import AwsError, Refused

if TYPE_CHECKING:  # the command line needs the names of `Creds` at each start, and no more
    from lambdactl.aws import Aws
    from lambdactl.manifest.job import Job
    from lambdactl.site import Site

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

    The role itself where its trust lets us assume it; else the caller's own session narrowed by a
    policy equal to the role's, which STS gives to IAM users only.
    """
    from lambdactl.kinds.role import policy

    name = site.function(job.name)
    role = {"RoleArn": site.role_arn(job.name), "RoleSessionName": name, "DurationSeconds": SESSION_SECONDS}
    try:
        assumed = aws.call("sts", "AssumeRole", role)["Credentials"]
        return _triple(assumed), f"the role {site.role_arn(job.name)}"
    except AwsError as refused:
        why = refused.what
    narrowed = {
        "Name": name[:32],  # STS: federated user names
        "Policy": json.dumps(policy(job, site), separators=(",", ":")),
        "DurationSeconds": SESSION_SECONDS,
    }
    try:
        federated = aws.call("sts", "GetFederationToken", narrowed)["Credentials"]
        return _triple(federated), "a session policy equal to the role's"
    except AwsError as refused:
        raise Refused(
            f"the job's role cannot be had on this machine: {why}",
            why=f"nor can a session narrowed to it: {refused.what}",
            hint="--creds own runs it with your own permissions, --creds none without AWS",
        ) from None


def caller(aws: Aws) -> str:
    return str(aws.identity["Arn"])


def _triple(answer: Mapping[str, str]) -> dict[str, str]:
    found = {
        "AWS_ACCESS_KEY_ID": answer["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"],
        "AWS_SESSION_TOKEN": answer.get("SessionToken") or "",
    }
    return {name: value for name, value in found.items() if value}
