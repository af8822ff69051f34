"""Whose credentials a run on this machine gets: the job's role, a session as narrow, or a way to either."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lambdactl import credentials
from lambdactl.errors import AwsError, Refused
from lambdactl.kinds.role import policy
from tests.support.cloud import SITE, job

KEYS = {"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "made-up", "SessionToken": "made-up-too"}
TRIPLE = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "made-up",
    "AWS_SESSION_TOKEN": "made-up-too",
}
SESSION = f"arn:aws:sts::{SITE.account}:assumed-role"


class Sts:
    """What STS answers to whom, as AWS does: `gives` names the operations that are allowed."""

    def __init__(self, *gives: str, caller: str = f"arn:aws:iam::{SITE.account}:user/ada") -> None:
        self.gives, self.identity = gives, {"Arn": caller}
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Any:
        self.asked.append((operation, parameters))
        if operation not in self.gives:
            what = f"AccessDenied: User: {self.identity['Arn']} is not authorized to perform: sts:{operation}"
            raise AwsError(what, code="AccessDenied", call=f"{service}.{operation}")
        return {"Credentials": KEYS}


def refused(sts: Sts, **changes: Any) -> Refused:
    with pytest.raises(Refused) as error:
        credentials.of_job(sts, job(**changes), SITE)  # type: ignore[arg-type]
    return error.value


def test_the_role_itself_under_the_name_that_lambda_gives_its_session() -> None:
    sts = Sts("AssumeRole", "GetFederationToken")
    assert credentials.of_job(sts, job(), SITE) == (TRIPLE, f"the role {SITE.role_arn('triage')}")  # type: ignore[arg-type]
    assert sts.asked == [
        (
            "AssumeRole",
            {
                "RoleArn": SITE.role_arn("triage"),
                "RoleSessionName": "demo-main-triage",
                "DurationSeconds": 3600,
            },
        )
    ]


def test_a_user_gets_a_session_as_narrow_as_the_role() -> None:
    sts = Sts("GetFederationToken")
    found, how = credentials.of_job(sts, job(), SITE)  # type: ignore[arg-type]
    assert (found, how) == (TRIPLE, "a session policy equal to the role's")
    assert json.loads(sts.asked[-1][1]["Policy"]) == policy(job(), SITE)


def test_else_it_says_whom_to_name_in_the_manifest() -> None:
    error = refused(Sts())
    assert f"`localDev: {{principals: [arn:aws:iam::{SITE.account}:user/ada]}}`" in error.hint
    error = refused(Sts(caller=f"{SESSION}/Developers/ada"))
    assert f"[arn:aws:iam::{SITE.account}:role/Developers]" in error.hint
    assert "is not known here" in error.hint
    assert "sts:GetFederationToken" in error.why


def test_a_policy_too_large_for_a_session_is_not_sent() -> None:
    sts = Sts("GetFederationToken")
    many = {f"SECRET_{number}": f"/agents/triage/{number:040}" for number in range(20)}
    assert "over 2,048" in refused(sts, secrets=many).why
    assert [operation for operation, _ in sts.asked] == ["AssumeRole"]


def test_a_role_made_elsewhere_is_assumed_and_never_guessed_at() -> None:
    role = f"arn:aws:iam::{SITE.account}:role/elsewhere"
    sts = Sts("AssumeRole")
    assert credentials.of_job(sts, job(role=role), SITE)[1] == f"the role {role}"  # type: ignore[arg-type]
    sts = Sts("GetFederationToken")
    assert "localDev" not in refused(sts, role=role).hint
    assert [operation for operation, _ in sts.asked] == ["AssumeRole"]


@pytest.mark.parametrize(
    ("caller", "principal", "certain"),
    [
        ("arn:aws:iam::1:user/a/ada", "arn:aws:iam::1:user/a/ada", True),
        ("arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:root", True),
        (f"{SESSION}/Dev/ada", f"arn:aws:iam::{SITE.account}:role/Dev", False),
        (
            f"{SESSION}/AWSReservedSSO_Dev_0123/ada@example.com",
            f"arn:aws:iam::{SITE.account}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Dev_0123",
            False,
        ),
    ],
)
def test_whom_a_trust_policy_is_to_name(caller: str, principal: str, certain: bool) -> None:
    assert credentials.principal_of(caller) == (principal, certain)
