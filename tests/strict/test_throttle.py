"""AWS's rates: who is too fast is refused, in each service's own words, until time has passed."""

from __future__ import annotations

from typing import Any

from tests.strict.conftest import Behind, refused
from tests.support.strict import VirtualClock
from tests.support.strict.throttle import Throttle


def test_lambda_counts_getfunction_apart_from_all_else(behind: Behind) -> None:
    clock = VirtualClock()
    throttle = Throttle(clock.now)
    bench = behind(throttle, clock=clock)
    client = bench.client("lambda")
    bench.function()
    for _ in range(7):
        client.list_functions()
        client.get_function_configuration(FunctionName="f")
    for operation in (client.list_functions, bench.function):
        assert refused(operation) == (429, "TooManyRequestsException", "Rate exceeded")
    for _ in range(100):
        client.get_function(FunctionName="f")
    assert refused(client.get_function, FunctionName="f")[0] == 429
    clock.sleep(1 / 15 + 1e-6)
    client.list_functions()
    assert refused(client.list_functions)[0] == 429
    assert throttle.refusals == {
        "lambda.ListFunctions": 2,
        "lambda.CreateFunction": 1,
        "lambda.GetFunction": 1,
    }


def test_a_refusal_says_why_and_when_to_come_again(behind: Behind) -> None:
    client = behind(Throttle(VirtualClock().now, {"lambda": 1})).client("lambda")
    client.list_functions()
    caught: Any = None
    try:
        client.list_functions()
    except client.exceptions.TooManyRequestsException as error:
        caught = error.response
    assert caught["Reason"] == "CallerRateLimitExceeded"
    assert caught["retryAfterSeconds"] == "1"


def test_a_bucket_holds_one_second_and_no_more(behind: Behind) -> None:
    clock = VirtualClock()
    client = behind(Throttle(clock.now, {"lambda": 3}), clock=clock).client("lambda")
    clock.sleep(1000)
    for _ in range(3):
        client.list_functions()
    assert refused(client.list_functions)[0] == 429


def test_each_service_has_its_own_words(behind: Behind) -> None:
    rates = {"iam": 1, "logs": 1}
    bench = behind(Throttle(VirtualClock().now, rates))
    iam, logs = bench.client("iam").list_roles, bench.client("logs").describe_log_groups
    iam()
    logs()
    assert refused(iam) == (400, "Throttling", "Rate exceeded")
    assert refused(logs) == (400, "ThrottlingException", "Rate exceeded")
    bench.client("lambda").list_functions()  # has no rate here
