"""What a job's role may do: exactly docs/design.md, whatever the manifest says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lambdactl.kinds.role import policy, trust
from lambdactl.manifest.job import Agent
from lambdactl.policies import normal
from tests.support.cloud import SITE, job


def statements(**changes: Any) -> dict[str, dict]:
    return {each["Sid"]: each for each in policy(job(**changes), SITE)["Statement"]}


def test_only_lambda_may_assume_it() -> None:
    assert [each["Principal"] for each in trust(job())["Statement"]] == [{"Service": "lambda.amazonaws.com"}]


def test_whom_local_dev_names_may_assume_it_too() -> None:
    people = ("arn:aws:iam::123456789012:role/Developers", "arn:aws:iam::123456789012:user/ada")
    of_lambda, of_people = trust(job(local_principals=people))["Statement"]
    assert of_lambda == trust(job())["Statement"][0]
    assert of_people == {
        "Sid": "LocalDev",
        "Effect": "Allow",
        "Principal": {"AWS": list(people)},
        "Action": "sts:AssumeRole",
    }


def test_it_reads_just_its_parameters() -> None:
    found = statements(secrets={"A": "/agents/a", "B": "b", "C": "/agents/a"})
    assert found["Parameters"]["Action"] == "ssm:GetParameters"
    assert found["Parameters"]["Resource"] == [
        "arn:aws:ssm:us-east-1:123456789012:parameter/agents/a",
        "arn:aws:ssm:us-east-1:123456789012:parameter/b",
    ]
    condition = found["DecryptParameters"]["Condition"]["StringEquals"]
    assert condition["kms:EncryptionContext:PARAMETER_ARN"] == found["Parameters"]["Resource"]
    assert condition["kms:ViaService"] == "ssm.us-east-1.amazonaws.com"


def test_without_secrets_it_reads_no_parameter_and_decrypts_nothing() -> None:
    assert sorted(statements(secrets={})) == ["Definition", "ListRuns", "Logs", "Runs"]


def test_it_writes_just_under_its_prefix_and_reads_just_its_definitions() -> None:
    found = statements(prefix="team/triage/")
    assert found["Runs"]["Resource"] == "arn:aws:s3:::demo-main-bucket/team/triage/*"
    assert (
        found["Definition"]["Resource"] == "arn:aws:s3:::demo-main-bucket/.lambdactl/demo/main/jobs/triage/*"
    )
    assert found["ListRuns"]["Condition"] == {"StringLike": {"s3:prefix": "team/triage/*"}}
    writes = [sid for sid, each in found.items() if "s3:PutObject" in each["Action"]]
    assert writes == ["Runs"]


def test_it_cannot_make_log_groups() -> None:
    found = statements()["Logs"]
    assert "logs:CreateLogGroup" not in found["Action"]
    assert found["Resource"] == "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/demo-main-triage:*"


def test_a_bucket_key_adds_just_that_key() -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/k"
    found = {each["Sid"]: each for each in policy(job(), replace(SITE, kms_key=key))["Statement"]}
    assert found["BucketKey"]["Resource"] == key
    assert found["BucketKey"]["Condition"]["StringEquals"]["kms:ViaService"] == "s3.us-east-1.amazonaws.com"


def test_policies_are_compared_by_meaning() -> None:
    ours = policy(job(), SITE)
    spelled = {
        "Statement": [
            {**each, "Action": [each["Action"]] if isinstance(each["Action"], str) else each["Action"][::-1]}
            for each in reversed(ours["Statement"])
        ],
        "Version": "2012-10-17",
    }
    assert normal(spelled) == normal(ours)
    from json import dumps
    from urllib.parse import quote

    assert normal(quote(dumps(spelled))) == normal(ours)
    less = {**ours, "Statement": ours["Statement"][:-1]}
    assert normal(less) != normal(ours)


ACTIONS = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]


def of_bedrock(model: str) -> dict[str, dict]:
    return statements(agent=Agent(type="claude-code", provider="bedrock", model=model), secrets={})


def test_it_invokes_just_the_named_model() -> None:
    found = of_bedrock("anthropic.claude-3-5-haiku-20241022-v1:0")
    assert sorted(found) == ["Definition", "ListRuns", "Logs", "Model", "Runs"]
    assert found["Model"]["Action"] == ACTIONS
    arn = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-5-haiku-20241022-v1:0"
    assert found["Model"]["Resource"] == arn


def test_an_inference_profile_is_a_model_in_several_regions_and_only_through_it() -> None:
    found = of_bedrock("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
    profiles = "arn:aws:bedrock:us-east-1:123456789012:inference-profile"
    profile = f"{profiles}/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    assert found["Model"]["Resource"] == profile
    models = found["ModelOfProfile"]
    assert models["Action"] == ACTIONS
    assert (
        models["Resource"] == "arn:aws:bedrock:*::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0"
    )
    assert models["Condition"] == {"StringEquals": {"bedrock:InferenceProfileArn": profile}}
