"""Bulk answers come in AWS's pages, whole, and without what AWS leaves out."""

from __future__ import annotations

from typing import Any

import pytest

from lambdactl.sandbox.front import Request, Response
from tests.strict.conftest import Behind, Bench, refused
from tests.support.strict.call import refuse, seen
from tests.support.strict.pages import Pages


def pages(bench: Bench, service: str, operation: str, **parameters: Any) -> list[Any]:
    return list(bench.client(service).get_paginator(operation).paginate(**parameters))


def test_functions_come_by_fifty(behind: Behind) -> None:
    bench = behind(Pages())
    names = [f"f{n:03}" for n in range(105)]
    for name in names:
        bench.function(name)
    found = pages(bench, "lambda", "list_functions")
    assert [len(page["Functions"]) for page in found] == [50, 50, 5]
    assert sorted(each["FunctionName"] for page in found for each in page["Functions"]) == names
    client = bench.client("lambda")
    assert len(client.list_functions(MaxItems=1000)["Functions"]) == 50
    assert len(client.list_functions(MaxItems=7)["Functions"]) == 7


def test_what_comes_between_two_pages_moves_none(behind: Behind) -> None:
    bench = behind(Pages())
    client = bench.client("lambda")
    for n in range(55):
        bench.function(f"f{n:03}")
    first = client.list_functions()
    client.delete_function(FunctionName=first["Functions"][0]["FunctionName"])
    second = client.list_functions(Marker=first["NextMarker"])
    assert len(second["Functions"]) == 5
    assert "NextMarker" not in second


@pytest.mark.parametrize(
    ("operation", "name", "extra"),
    [
        ("list_roles", "Roles", {"PathPrefix": "/ours/"}),
        ("get_account_authorization_details", "RoleDetailList", {"Filter": ["Role"]}),
    ],
)
def test_roles_come_by_a_hundred_or_as_many_as_asked(
    behind: Behind, operation: str, name: str, extra: dict[str, Any]
) -> None:
    bench = behind(Pages())
    iam = bench.client("iam")
    trust = '{"Version": "2012-10-17", "Statement": []}'
    names = [f"r{n:03}" for n in range(105)]
    for each in names:
        iam.create_role(RoleName=each, Path="/ours/", AssumeRolePolicyDocument=trust)
    for asked, sizes in (({}, [100, 5]), ({"MaxItems": 40}, [40, 40, 25]), ({"MaxItems": 1000}, [105])):
        listed: list[str] = []
        counts: list[int] = []
        for page in _raw(getattr(iam, operation), {**extra, **asked}):
            ours = [role["RoleName"] for role in page[name] if role["Path"] == "/ours/"]
            listed += ours
            counts.append(len(page[name]))
        assert sorted(listed) == names
        others = sum(counts) - len(names)  # the role that every account here begins with
        assert counts == [*sizes[:-1], sizes[-1] + others]


def _raw(call: Any, parameters: dict[str, Any]) -> list[Any]:
    """Page by page by hand: a paginator would take MaxItems for its own."""
    found = [call(**parameters)]
    while found[-1]["IsTruncated"]:
        found.append(call(**parameters, Marker=found[-1]["Marker"]))
    return found


def test_a_list_of_roles_leaves_out_what_aws_leaves_out(behind: Behind) -> None:
    bench = behind(Pages())
    boundary = "arn:aws:iam::123456789012:policy/b"
    iam = bench.client("iam")
    iam.create_policy(
        PolicyName="b",
        PolicyDocument='{"Version": "2012-10-17", "Statement": '
        '[{"Effect": "Allow", "Action": "*", "Resource": "*"}]}',
    )
    iam.create_role(
        RoleName="bounded",
        AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}',
        Description="kept",
        PermissionsBoundary=boundary,
        Tags=[{"Key": "a", "Value": "b"}],
    )
    (role,) = [each for each in iam.list_roles()["Roles"] if each["RoleName"] == "bounded"]
    assert role.keys().isdisjoint({"Tags", "PermissionsBoundary", "RoleLastUsed"})
    assert role["Description"] == "kept"
    details = iam.get_account_authorization_details(Filter=["Role"])["RoleDetailList"]
    (detail,) = [each for each in details if each["RoleName"] == "bounded"]
    assert detail["Tags"] == [{"Key": "a", "Value": "b"}]
    assert detail["AssumeRolePolicyDocument"] == {"Version": "2012-10-17", "Statement": []}


def test_log_groups_come_by_fifty(behind: Behind) -> None:
    bench = behind(Pages())
    logs = bench.client("logs")
    names = [f"/ours/{n:03}" for n in range(55)]
    for name in names:
        logs.create_log_group(logGroupName=name)
    found = pages(bench, "logs", "describe_log_groups", logGroupNamePrefix="/ours/")
    assert [len(page["logGroups"]) for page in found] == [50, 5]
    assert sorted(each["logGroupName"] for page in found for each in page["logGroups"]) == names


def test_a_listing_that_is_refused_is_no_empty_page(behind: Behind) -> None:
    def denied(request: Request, following: Any) -> Response:
        return refuse(seen(request).service, 403, "AccessDenied", "no")

    bench = behind(Pages(), denied)
    for call in (bench.client("lambda").list_functions, bench.client("iam").list_roles):
        assert refused(call) == (403, "AccessDenied", "no")
