"""A role takes seconds to be seen: by Lambda, and by the other hosts of IAM.

Source: the same text for a young role, an absent one and one whose trust does not name Lambda:
Terraform's `retryFunctionOp`, chalice's `_is_iam_role_related_error`; NoSuchEntity right after CreateRole:
Terraform's RetryWhenNewResourceNotFound, alchemy PR #193. How long it takes is nowhere published.
Emulators let a new role be used at once; ministack even one that does not exist.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from lambdactl.sandbox.messages import Next, Request, Response
from tests.support.strict.call import Seen, ask, invalid, refuse, seen
from tests.support.strict.clock import Clock

NOT_ASSUMED = "The role defined for the function cannot be assumed by Lambda."
ASSUMING = frozenset({"CreateFunction", "UpdateFunctionConfiguration"})
OVERLOOKING = frozenset({"AttachRolePolicy", "PutRolePolicy", "TagRole"})


@dataclass(kw_only=True)
class YoungRoles:
    """The layer. Seconds after CreateRole: until Lambda may assume it, and until all of IAM sees it."""

    clock: Clock
    seed: int = 0
    assumable: float = 6.0
    visible: float = 1.0
    _born: dict[str, float] = field(default_factory=dict)
    _trusted: dict[str, float] = field(default_factory=dict)
    _attempts: Counter[str] = field(default_factory=Counter)

    def __call__(self, request: Request, following: Next) -> Response:
        call = seen(request)
        name = str(call.parameters.get("RoleName", ""))
        if call.service == "iam" and call.operation in ("CreateRole", "UpdateAssumeRolePolicy"):
            return self._written(name, call, request, following)
        if call.service == "iam" and call.operation in OVERLOOKING and self._overlooked(name, call.operation):
            return refuse("iam", 404, "NoSuchEntity", f"The role with name {name} cannot be found.")
        role = call.parameters.get("Role")
        if role and call.operation in ASSUMING and not self._assumed(role, request, following):
            return invalid("lambda", NOT_ASSUMED)
        return following(request)

    def _written(self, name: str, call: Seen, request: Request, following: Next) -> Response:
        trusted = call.operation != "CreateRole" and self._trusted_already(name, request, following)
        response = following(request)
        if response.status < 300 and not trusted:
            self._trusted[name] = self.clock()
            if call.operation == "CreateRole":
                self._born[name] = self.clock()
        return response

    def _trusted_already(self, name: str, request: Request, following: Next) -> bool:
        there = ask(following, request, "iam", "GetRole", RoleName=name)
        return there is not None and _trusts_lambda(there["Role"])

    def _overlooked(self, name: str, operation: str) -> bool:
        if self.clock() - self._born.get(name, float("-inf")) >= self.visible:
            return False
        key = f"{self.seed}/{name}/{operation}"
        self._attempts[key] += 1
        return random.Random(f"{key}/{self._attempts[key]}").random() < 0.5

    def _assumed(self, arn: str, request: Request, following: Next) -> bool:
        name = arn.rpartition("/")[2]
        there = ask(following, request, "iam", "GetRole", RoleName=name)
        if there is None or there["Role"]["Arn"] != arn or not _trusts_lambda(there["Role"]):
            return False
        return self.clock() - self._trusted.get(name, float("-inf")) >= self.assumable


def _trusts_lambda(role: dict[str, Any]) -> bool:
    document = json.loads(unquote(role["AssumeRolePolicyDocument"]))
    statements = document.get("Statement", [])
    for each in statements if isinstance(statements, list) else [statements]:
        principal = each.get("Principal", {})
        services = principal.get("Service", []) if isinstance(principal, dict) else []
        if each.get("Effect") == "Allow" and "lambda.amazonaws.com" in (
            services if isinstance(services, list) else [services]
        ):
            return True
    return False
