"""What IAM and Logs refuse: names, sizes, tags, roles in the account, retention.

Source: IAM's quotas page ("IAM and AWS STS quotas": white space is not counted) and texts seen in
kubeflow/dashboard #29 (LimitExceeded), aws-amplify/amplify-backend #2615 (inline policies),
aws/eks-hybrid #741 (trust policy); retention: CloudWatch Logs' API reference, PutRetentionPolicy.
The words about tags and names are unverified. DeleteRole with policies is refused by both emulators already.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from lambdactl.sandbox.messages import Next, Request, Response
from tests.support.strict.call import Seen, ask, refuse, seen
from tests.support.strict.lambda_limits import wrong_tags

INLINE_MAX, TRUST_MAX = 10_240, 2_048
RETENTION = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)


@dataclass(kw_only=True)
class IamLimits:
    """The layer. `roles` may the account have."""

    roles: int = 1000
    _names: dict[str, str] | None = None  # in lower case -> as made
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request, following: Next) -> Response:
        call = seen(request)
        check = _CHECKS.get((call.service, call.operation))
        refused = check(self, call, request, following) if check else None
        response = refused or following(request)
        if call.service == "iam" and response.status < 300 and self._names is not None:
            name = str(call.parameters.get("RoleName"))
            if call.operation == "CreateRole":
                self._names[name.lower()] = name
            elif call.operation == "DeleteRole":
                self._names.pop(name.lower(), None)
        return response

    def names(self, request: Request, following: Next) -> dict[str, str]:
        """Asked of the emulator once, kept up to date after."""
        with self._lock:
            if self._names is None:
                self._names = {}
                marker: dict[str, str] = {}
                while True:
                    page = ask(following, request, "iam", "ListRoles", MaxItems=1000, **marker) or {}
                    each = (role["RoleName"] for role in page.get("Roles", []))
                    self._names |= {name.lower(): name for name in each}
                    if not page.get("IsTruncated"):
                        break
                    marker = {"Marker": page["Marker"]}
            return self._names

    def create(self, call: Seen, request: Request, following: Next) -> Response | None:
        name, names = str(call.parameters["RoleName"]), self.names(request, following)
        if not re.fullmatch(r"[\w+=,.@-]{1,64}", name, re.ASCII):
            text = f"1 validation error detected: Value '{name}' at 'roleName' failed to satisfy constraint"
            return refuse("iam", 400, "ValidationError", text)
        if name.lower() in names:
            return refuse("iam", 409, "EntityAlreadyExists", f"Role with name {name} already exists.")
        if len(names) >= self.roles:
            text = f"Cannot exceed quota for RolesPerAccount: {self.roles}"
            return refuse("iam", 409, "LimitExceeded", text)
        return self.trust(call, request, following) or self.tag(call, request, following)

    def trust(self, call: Seen, request: Request, following: Next) -> Response | None:
        given = call.parameters.get("AssumeRolePolicyDocument") or call.parameters.get("PolicyDocument", "")
        if _size(str(given)) <= TRUST_MAX:
            return None
        return refuse("iam", 409, "LimitExceeded", f"Cannot exceed quota for ACLSizePerRole: {TRUST_MAX}")

    def inline(self, call: Seen, request: Request, following: Next) -> Response | None:
        name, put = str(call.parameters["RoleName"]), str(call.parameters["PolicyName"])
        total = _size(str(call.parameters["PolicyDocument"]))
        listed = ask(following, request, "iam", "ListRolePolicies", RoleName=name) or {"PolicyNames": []}
        for other in set(listed["PolicyNames"]) - {put}:
            there = ask(following, request, "iam", "GetRolePolicy", RoleName=name, PolicyName=other)
            total += _size(unquote(there["PolicyDocument"])) if there else 0
        if total <= INLINE_MAX:
            return None
        text = f"Maximum policy size of {INLINE_MAX} bytes exceeded for role {name}"
        return refuse("iam", 409, "LimitExceeded", text)

    def tag(self, call: Seen, request: Request, following: Next) -> Response | None:
        tags = {each["Key"]: each["Value"] for each in call.parameters.get("Tags", ())}
        if call.operation == "TagRole":
            there = ask(following, request, "iam", "ListRoleTags", RoleName=call.parameters["RoleName"])
            tags = {each["Key"]: each["Value"] for each in (there or {}).get("Tags", ())} | tags
        text = wrong_tags(tags)
        return refuse("iam", 400, "InvalidInput", text) if text else None

    def logs(self, call: Seen, request: Request, following: Next) -> Response | None:
        days = call.parameters.get("retentionInDays")
        text = wrong_tags(call.parameters.get("tags") or {})
        if days is not None and days not in RETENTION:
            text = f"1 validation error detected: Value '{days}' at 'retentionInDays' is not one it can have"
        return refuse("logs", 400, "InvalidParameterException", text) if text else None


_CHECKS: Mapping[tuple[str, str], Any] = {
    ("iam", "CreateRole"): IamLimits.create,
    ("iam", "PutRolePolicy"): IamLimits.inline,
    ("iam", "TagRole"): IamLimits.tag,
    ("iam", "UpdateAssumeRolePolicy"): IamLimits.trust,
    ("logs", "CreateLogGroup"): IamLimits.logs,
    ("logs", "PutRetentionPolicy"): IamLimits.logs,
    ("logs", "TagResource"): IamLimits.logs,
}


def _size(document: str) -> int:
    return len(re.sub(r"\s", "", document))
