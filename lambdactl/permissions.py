"""The least IAM policies for what lambdactl does, from what stands beside its calls. Pure.

Each kind lists the actions of its own calls at the end of its module (lambdactl.grants); nothing is
listed here. What only people do (`destroy --data`) is in no policy, and neither is the right to take a
boundary off a role.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from lambdactl import runs, secrets
from lambdactl.errors import Refused
from lambdactl.grants import Needs, Permissions, statements
from lambdactl.kinds import KINDS, function, look
from lambdactl.site import Site

# Characters without white space: "IAM and AWS STS quotas" in IAM's user guide.
MANAGED_MAX = 6_144
INLINE_MAX = 10_240


def listed() -> list[Permissions]:
    """The lists of all modules that plan and apply call AWS from."""
    modules = [sys.modules[name] for name in dict.fromkeys(kind.__module__ for kind in KINDS)]
    kinds = [getattr(module, "PERMISSIONS") for module in modules]  # noqa: B009
    return [*kinds, look.PERMISSIONS, secrets.PERMISSIONS]


def reads() -> list[Needs]:
    return [each.reads for each in listed()]


def writes() -> list[Needs]:
    return [each.writes for each in listed()]


def plan(site: Site) -> dict[str, Any]:
    """Reads names and settings; no parameter's value, and nothing that a key of yours encrypts."""
    return _policy(statements(reads(), site))


def apply(site: Site, given_roles: Iterable[str] = ()) -> dict[str, Any]:
    """Plans, pushes images, changes what is the project's. Refused for a project without a boundary.

    `given_roles`: the ARNs that jobs name as `role:`, which are passed to Lambda and otherwise left alone.
    """
    if not site.permissions_boundary:
        raise Refused(
            "there is no least policy for apply without a permissions boundary",
            why="who may write roles could give a job's role any right there is, and take it from there",
            hint="`lambdactl bootstrap --print` makes a boundary; its ARN goes into lambdactl.yaml as "
            "`permissionsBoundary`",
        )
    given = sorted(set(given_roles))
    passed = [{**function.pass_role(given), "Sid": "GivenRoles"}] if given else []
    return _policy([*statements([*reads(), *writes()], site), *passed])


def launch(site: Site, prefixes: Iterable[str]) -> dict[str, Any]:
    """Starts the project's jobs and reads their run folders, which lie under `prefixes`."""
    return _policy(statements([runs.needs(prefixes)], site))


def oversize(policy: Mapping[str, Any]) -> str:
    """Words about a policy that IAM would not take as a managed one; "" for one that it takes."""
    size = len(json.dumps(policy, separators=(",", ":")))
    if size <= MANAGED_MAX:
        return ""
    return (
        f"{size:,} characters: IAM takes {MANAGED_MAX:,} in a managed policy, {INLINE_MAX:,} inline in a role"
    )


def _policy(allowed: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": allowed}
