"""Every fault as boto3 sees it, what was done all the same, and that it is the same each time."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, ResponseStreamingError
from botocore.parsers import ResponseParserError

from tests.strict.conftest import TRUST, Behind, refused
from tests.support.strict import Faults, Rates


def only(fault: str) -> Faults:
    return Faults(rates=Rates(**{fault: 1.0}), in_a_row=1)


@pytest.mark.parametrize(("fault", "done"), [("dropped_before", False), ("dropped_after", True)])
def test_a_dropped_connection(behind: Behind, fault: str, done: bool) -> None:
    bench, bare = behind(only(fault)), behind()
    with pytest.raises(ConnectionClosedError):
        bench.role("dropped")
    names = [role["RoleName"] for role in bare.client("iam").list_roles()["Roles"]]
    assert ("dropped" in names) is done


@pytest.mark.parametrize(
    ("fault", "status", "done"), [("error_before", 503, False), ("error_after", 500, True)]
)
def test_an_error_of_the_server(behind: Behind, fault: str, status: int, done: bool) -> None:
    bench, bare = behind(only(fault)), behind()
    assert refused(bench.function)[0] == status
    assert bool(bare.client("lambda").list_functions()["Functions"]) is done
    assert refused(bench.role, name="r")[0] == status  # the query protocol's errors are XML
    assert refused(bench.client("s3").create_bucket, Bucket="b")[0] == status
    assert refused(bench.client("logs").describe_log_groups)[0] == status


@pytest.mark.parametrize("fault", ["truncated", "cut"])
def test_half_a_json_body_looks_like_nothing_at_all(behind: Behind, fault: str) -> None:
    list_functions = behind(only(fault)).client("lambda").list_functions
    assert list_functions().keys() == {"ResponseMetadata"}
    assert list_functions()["Functions"] == []


@pytest.mark.parametrize("fault", ["truncated", "cut"])
def test_half_an_xml_body_does_not_parse(behind: Behind, fault: str) -> None:
    bench = behind(only(fault))
    with pytest.raises(ResponseParserError):
        bench.client("iam").list_roles()
    bench.client("iam").list_roles()
    s3 = bench.client("s3")
    assert refused(s3.list_buckets)[0] == 500  # so botocore reads it in S3's answers
    s3.list_buckets()


def test_an_object_that_ends_before_its_length_is_noticed_as_it_is_read(behind: Behind) -> None:
    bench, bare = behind(only("cut")), behind()
    bare.client("s3").create_bucket(Bucket="bucket")
    bare.client("s3").put_object(Bucket="bucket", Key="k", Body=b"0123456789")
    get = bench.client("s3").get_object
    with pytest.raises(ResponseStreamingError):
        get(Bucket="bucket", Key="k")["Body"].read()
    assert get(Bucket="bucket", Key="k")["Body"].read() == b"0123456789"


def test_faults_on_one_thing_end(behind: Behind) -> None:
    faults = Faults(rates=Rates(dropped_before=1), in_a_row=3)
    lambda_ = behind(faults).client("lambda")
    for name in ("f", "g"):
        for _ in range(3):
            with pytest.raises(ConnectionClosedError):
                lambda_.get_function(FunctionName=name)
        assert refused(lambda_.get_function, FunctionName=name)[0] == 404
    with pytest.raises(ConnectionClosedError):
        lambda_.get_function(FunctionName="f")  # and may begin again
    assert faults.struck == {"dropped_before": 7}


def test_the_same_seed_strikes_the_same_calls_in_any_order(behind: Behind) -> None:
    def met(seed: int, names: list[str]) -> dict[str, str]:
        lambda_ = behind(Faults(seed=seed, rates=Rates.each(0.1))).client("lambda")
        return {name: outcome(lambda_.get_function, FunctionName=name) for name in names}

    names = [f"f{n}" for n in range(40)]
    first = met(1, names)
    assert len(set(first.values())) > 3
    assert met(1, names[::-1]) == first
    assert met(2, names) != first


def outcome(call: Any, **parameters: Any) -> str:
    try:
        call(**parameters)
    except ClientError as error:
        return str(error.response["ResponseMetadata"]["HTTPStatusCode"])
    except BotoCoreError as error:
        return type(error).__name__
    return ""


def test_no_rates_no_faults(behind: Behind) -> None:
    bench = behind(Faults())
    bench.role("r", TRUST)
    for _ in range(50):
        bench.client("lambda").list_functions()
