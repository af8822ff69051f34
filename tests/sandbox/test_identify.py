"""identify: a table of real boto3 calls, as they arrive on the wire."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from lambdactl.sandbox.front import Front, Next, Request, Response
from lambdactl.sandbox.identify import UNKNOWN, identify

POLICY = "{}"
NO_ANSWER = (ClientError, ResponseParserError)  # what boto3 makes of an empty 404, by protocol
OBJECT = {"Bucket": "b", "Key": "a folder/key+1"}
PART = {**OBJECT, "UploadId": "u"}
FUNCTION = {"FunctionName": "demo-main-x"}

CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("s3", "ListBuckets", {}),
    ("s3", "CreateBucket", {"Bucket": "b"}),
    ("s3", "HeadBucket", {"Bucket": "b"}),
    ("s3", "GetBucketVersioning", {"Bucket": "b"}),
    ("s3", "GetBucketLifecycleConfiguration", {"Bucket": "b"}),
    ("s3", "PutPublicAccessBlock", {"Bucket": "b", "PublicAccessBlockConfiguration": {}}),
    ("s3", "ListObjectsV2", {"Bucket": "b", "Prefix": "x/"}),
    ("s3", "ListObjects", {"Bucket": "b"}),
    ("s3", "ListObjectVersions", {"Bucket": "b"}),
    ("s3", "ListMultipartUploads", {"Bucket": "b"}),
    ("s3", "DeleteObjects", {"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}]}}),
    ("s3", "PutObject", {**OBJECT, "Body": b"x"}),
    ("s3", "GetObject", OBJECT),
    ("s3", "HeadObject", OBJECT),
    ("s3", "DeleteObject", OBJECT),
    ("s3", "CopyObject", {**OBJECT, "CopySource": "b/k"}),
    ("s3", "CreateMultipartUpload", OBJECT),
    ("s3", "UploadPart", {**PART, "PartNumber": 1, "Body": b"x"}),
    ("s3", "UploadPartCopy", {**PART, "PartNumber": 1, "CopySource": "b/k"}),
    ("s3", "ListParts", PART),
    ("s3", "CompleteMultipartUpload", PART),
    ("s3", "AbortMultipartUpload", PART),
    ("s3", "GetObjectTagging", OBJECT),
    ("lambda", "ListFunctions", {}),
    ("lambda", "GetFunction", FUNCTION),
    ("lambda", "GetFunctionConfiguration", FUNCTION),
    ("lambda", "CreateFunction", {**FUNCTION, "Role": "arn:aws:iam::0:role/x", "Code": {"ImageUri": "r@d"}}),
    ("lambda", "UpdateFunctionCode", {**FUNCTION, "ImageUri": "r@d"}),
    ("lambda", "UpdateFunctionConfiguration", {**FUNCTION, "Timeout": 3}),
    ("lambda", "DeleteFunction", FUNCTION),
    ("lambda", "Invoke", FUNCTION),
    (
        "lambda",
        "Invoke",
        {"FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:f", "Qualifier": "1"},
    ),
    ("lambda", "InvokeWithResponseStream", FUNCTION),
    ("lambda", "PutFunctionConcurrency", {**FUNCTION, "ReservedConcurrentExecutions": 1}),
    ("lambda", "PutFunctionEventInvokeConfig", {**FUNCTION, "MaximumRetryAttempts": 1}),
    ("lambda", "ListTags", {"Resource": "arn:aws:lambda:us-east-1:0:function:f"}),
    ("scheduler", "CreateScheduleGroup", {"Name": "g"}),
    ("iam", "ListRoles", {"PathPrefix": "/lambdactl/"}),
    ("iam", "PutRolePolicy", {"RoleName": "r", "PolicyName": "p", "PolicyDocument": POLICY}),
    ("sts", "GetCallerIdentity", {}),
    ("ssm", "GetParameters", {"Names": ["/a"]}),
    ("ecr", "DescribeImages", {"repositoryName": "re"}),
    ("logs", "PutRetentionPolicy", {"logGroupName": "/g", "retentionInDays": 30}),
    ("events", "ListRules", {}),
    ("sqs", "ListQueues", {}),
    ("kms", "ListKeys", {}),
    ("cloudwatch", "DescribeAlarms", {}),
    ("cloudwatch", "PutMetricData", {"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1}]}),
    ("stepfunctions", "ListStateMachines", {}),
    ("resourcegroupstaggingapi", "GetResources", {}),
    ("dynamodb", "ListTables", {}),
]


@pytest.fixture(scope="module")
def seen() -> Any:
    """A front that answers everything with an error and keeps what it saw."""
    kept: list[tuple[str, str]] = []

    def keep(request: Request, following: Next) -> Response:
        kept.append(identify(request))
        return Response(status=404)

    with Front("http://127.0.0.1:9", [keep]) as front:
        yield front.url, kept


def client(service: str, url: str, **config: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="made",
        aws_secret_access_key="up",
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


@pytest.mark.parametrize(("service", "operation", "parameters"), CALLS, ids=lambda value: str(value)[:40])
def test_every_protocol(seen: Any, service: str, operation: str, parameters: dict[str, Any]) -> None:
    url, kept = seen
    kept.clear()
    client_ = client(service, url)
    method = next(m for m, o in client_.meta.method_to_api_mapping.items() if o == operation)
    with pytest.raises(NO_ANSWER):
        getattr(client_, method)(**parameters)
    assert kept == [(service, operation)]


def test_a_presigned_url_needs_no_header() -> None:
    url = client("s3", "http://127.0.0.1:9").generate_presigned_url("put_object", Params=OBJECT)
    target = url.removeprefix("http://127.0.0.1:9")
    assert identify(Request(method="PUT", target=target)) == ("s3", "PutObject")


def test_unsigned_calls(seen: Any) -> None:
    url, kept = seen
    kept.clear()
    sts = client("sts", url, signature_version=UNSIGNED)
    with pytest.raises(NO_ANSWER):
        sts.assume_role_with_web_identity(
            RoleArn="arn:aws:iam::000000000000:role/abc", RoleSessionName="xy", WebIdentityToken="token"
        )
    s3 = client("s3", url, signature_version=UNSIGNED)
    with pytest.raises(NO_ANSWER):
        s3.get_object(**OBJECT)
    assert kept == [("sts", "AssumeRoleWithWebIdentity"), ("s3", "GetObject")]


@pytest.mark.parametrize("authorization", ["Basic Zm9vOmJhcg==", "Bearer x"])
def test_what_is_no_aws_call(authorization: str) -> None:
    request = Request(method="GET", target="/v2/", headers=(("Authorization", authorization),))
    assert identify(request) == UNKNOWN
