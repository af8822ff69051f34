"""What AWS refuses before it does anything, and emulators do not: Lambda's, IAM's and Logs' limits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.strict.conftest import TRUST, Behind, refused
from tests.support.strict.iam_limits import IamLimits
from tests.support.strict.lambda_limits import lambda_limits

TAGS_51 = {f"k{n}": "v" for n in range(51)}


def says(name: str, value: Any, must: str) -> str:
    breaks = f"Value '{value}' at '{name}' failed to satisfy constraint: Member must have {must}"
    return f"1 validation error detected: {breaks}"


def storage(size: int) -> dict[str, Any]:
    return {"EphemeralStorage": {"Size": size}}


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ({"Timeout": 0}, says("timeout", 0, "value greater than or equal to 1")),
        ({"Timeout": 901}, says("timeout", 901, "value less than or equal to 900")),
        ({"MemorySize": 127}, says("memorySize", 127, "value greater than or equal to 128")),
        ({"MemorySize": 10241}, says("memorySize", 10241, "value less than or equal to 10240")),
        (storage(511), says("ephemeralStorage.size", 511, "value greater than or equal to 512")),
        (storage(10241), says("ephemeralStorage.size", 10241, "value less than or equal to 10240")),
        ({"Description": "d" * 257}, says("description", "d" * 257, "length less than or equal to 256")),
    ],
)
def test_a_setting_out_of_range_is_refused(behind: Behind, setting: dict[str, Any], text: str) -> None:
    bench = behind(lambda_limits)
    assert refused(bench.function, **setting) == (400, "ValidationException", text)
    bench.function(Timeout=900, MemorySize=10240, EphemeralStorage={"Size": 10240}, Description="d" * 256)
    update = bench.client("lambda").update_function_configuration
    assert refused(update, FunctionName="f", **setting) == (400, "ValidationException", text)


@pytest.mark.parametrize("name", ["n" * 65, "a.b", "ä"])
def test_a_function_name_that_is_none_is_refused(behind: Behind, name: str) -> None:
    bench = behind(lambda_limits)
    status, code, text = refused(bench.function, name=name)
    assert (status, code) == (400, "ValidationException")
    assert "at 'functionName' failed to satisfy constraint" in text
    bench.function(name="n" * 64)


def test_an_environment_over_4_kb_is_refused_with_its_values(behind: Behind) -> None:
    bench = behind(lambda_limits)
    fits = {"KEY": "v" * (4096 - len('{"KEY":""}'))}
    bench.function(Environment={"Variables": fits})
    over = {"KEY": fits["KEY"] + "v"}
    status, code, text = refused(bench.function, name="g", Environment={"Variables": over})
    assert (status, code) == (400, "InvalidParameterValueException")
    measured = json.dumps(over, separators=(",", ":"))
    assert text == (
        "Lambda was unable to configure your environment variables because the environment variables you "
        f"have provided exceeded the 4KB limit. String measured: {measured}"
    )


def test_an_update_of_more_than_5120_bytes_is_refused_otherwise(behind: Behind) -> None:
    bench = behind(lambda_limits)
    bench.function()
    update = bench.client("lambda").update_function_configuration
    assert refused(update, FunctionName="f", Environment={"Variables": {"KEY": "v" * 5200}}) == (
        413,
        "RequestEntityTooLargeException",
        "Request must be smaller than 5120 bytes for the UpdateFunctionConfiguration operation",
    )


def test_reserved_and_ill_formed_environment_keys_are_refused(behind: Behind) -> None:
    bench = behind(lambda_limits)
    reserved = refused(bench.function, Environment={"Variables": {"AWS_REGION": "x", "_HANDLER": "y"}})
    assert reserved[1] == "InvalidParameterValueException"
    assert reserved[2].endswith("Reserved keys used in this request: AWS_REGION, _HANDLER")
    for key in ("A", "1A", "A-B"):
        assert refused(bench.function, Environment={"Variables": {key: "x"}})[1] == "ValidationException"
    bench.function(Environment={"Variables": {"AB": "x"}})


BAD_TAGS = [TAGS_51, {"aws:x": "v"}, {"k" * 129: "v"}, {"k": "v" * 257}]


@pytest.mark.parametrize("tags", BAD_TAGS)
def test_tags_that_no_resource_can_have_are_refused(behind: Behind, tags: dict[str, str]) -> None:
    bench = behind(lambda_limits, IamLimits())
    assert refused(bench.function, Tags=tags)[:2] == (400, "InvalidParameterValueException")
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    role = {"RoleName": "tagged", "AssumeRolePolicyDocument": json.dumps(TRUST)}
    iam, logs = bench.client("iam"), bench.client("logs")
    assert refused(iam.create_role, **role, Tags=listed)[:2] == (400, "InvalidInput")
    assert refused(logs.create_log_group, logGroupName="g", tags=tags)[1] == "InvalidParameterException"


def test_tags_add_up_over_calls(behind: Behind) -> None:
    bench = behind(lambda_limits, IamLimits())
    arn = bench.function(Tags={f"a{n}": "v" for n in range(30)})["FunctionArn"]
    tag = bench.client("lambda").tag_resource
    assert refused(tag, Resource=arn, Tags={f"b{n}": "v" for n in range(21)})[0] == 400
    tag(Resource=arn, Tags={f"a{n}": "w" for n in range(30)} | {f"b{n}": "v" for n in range(20)})
    tag_role = bench.client("iam").tag_role
    tag_role(RoleName="role", Tags=[{"Key": f"a{n}", "Value": "v"} for n in range(50)])
    assert refused(tag_role, RoleName="role", Tags=[{"Key": "b", "Value": "v"}])[1] == "InvalidInput"


def test_role_names(behind: Behind) -> None:
    bench = behind(IamLimits())
    bench.role("r" * 64)
    for name in ("s" * 65, "a b"):
        assert refused(bench.role, name=name)[:2] == (400, "ValidationError")
    taken = (409, "EntityAlreadyExists", "Role with name ROLE already exists.")
    assert refused(bench.role, name="ROLE") == taken
    bench.client("iam").delete_role(RoleName="role")
    bench.role("ROLE")


def test_an_account_has_so_many_roles(behind: Behind) -> None:
    bench = behind(IamLimits(roles=2))
    bench.role("second")
    over = (409, "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 2")
    assert refused(bench.role, name="third") == over
    bench.client("iam").delete_role(RoleName="second")
    bench.role("third")


def policy(size: int) -> str:
    """A policy of so many characters without white space."""
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", "Sid": ""}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    statement["Sid"] = "s" * (size - len(json.dumps(document, separators=(",", ":"))))
    return json.dumps(document, indent=4)


def test_inline_policies_are_measured_together_without_white_space(behind: Behind) -> None:
    bench = behind(IamLimits())
    put = bench.client("iam").put_role_policy
    put(RoleName="role", PolicyName="a", PolicyDocument=policy(10_240))
    put(RoleName="role", PolicyName="a", PolicyDocument=policy(6_000))
    put(RoleName="role", PolicyName="b", PolicyDocument=policy(4_240))
    over = (409, "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role role")
    assert refused(put, RoleName="role", PolicyName="b", PolicyDocument=policy(4_241)) == over


def test_a_trust_policy_has_at_most_2048_characters(behind: Behind) -> None:
    bench = behind(IamLimits())
    statement = {**TRUST["Statement"][0], "Sid": "s" * 2000}
    long = {**TRUST, "Statement": [statement]}
    over = (409, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")
    assert refused(bench.role, name="long", trust=long) == over
    update = bench.client("iam").update_assume_role_policy
    assert refused(update, RoleName="role", PolicyDocument=json.dumps(long)) == over


def test_a_role_with_a_policy_is_not_deleted(behind: Behind) -> None:
    bench = behind(IamLimits())
    iam = bench.client("iam")
    iam.put_role_policy(RoleName="role", PolicyName="a", PolicyDocument=policy(200))
    assert refused(iam.delete_role, RoleName="role")[:2] == (409, "DeleteConflict")


def test_retention_is_one_of_a_few_numbers(behind: Behind) -> None:
    logs = behind(IamLimits()).client("logs")
    logs.create_log_group(logGroupName="g")
    put = logs.put_retention_policy
    assert refused(put, logGroupName="g", retentionInDays=42)[:2] == (400, "InvalidParameterException")
    put(logGroupName="g", retentionInDays=30)
