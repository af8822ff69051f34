"""The account's numbers, and the floor under its concurrency."""

from __future__ import annotations

from tests.strict.conftest import Behind, refused
from tests.support.strict.account import Account
from tests.support.strict.iam_limits import IamLimits


def test_reservations_are_counted_over_the_whole_account(behind: Behind) -> None:
    before = behind()
    for name in ("f", "g"):
        before.function(name)
    before.client("lambda").put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=500)
    client = behind(Account(iam=IamLimits(), concurrency=1000, floor=100)).client("lambda")

    def unreserved() -> int:
        return int(client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"])

    settings = client.get_account_settings()
    assert settings["AccountLimit"]["ConcurrentExecutions"] == 1000
    assert settings["AccountUsage"]["FunctionCount"] == 2
    put = client.put_function_concurrency
    assert refused(put, FunctionName="g", ReservedConcurrentExecutions=401) == (
        400,
        "InvalidParameterValueException",
        "Specified ReservedConcurrentExecutions for function decreases account's "
        "UnreservedConcurrentExecution below its minimum value of [100].",
    )
    assert unreserved() == 500
    put(FunctionName="g", ReservedConcurrentExecutions=400)
    assert unreserved() == 100
    put(FunctionName="g", ReservedConcurrentExecutions=0)
    client.delete_function_concurrency(FunctionName="f")
    assert unreserved() == 1000
    put(FunctionName="g", ReservedConcurrentExecutions=900)
    client.delete_function(FunctionName="g")
    assert unreserved() == 1000


def test_a_small_account_has_a_lower_floor(behind: Behind) -> None:
    bench = behind(Account(iam=IamLimits(), concurrency=10, floor=10))
    bench.function()
    put = bench.client("lambda").put_function_concurrency
    assert refused(put, FunctionName="f", ReservedConcurrentExecutions=1)[2].endswith("[10].")


def test_the_roles_are_counted(behind: Behind) -> None:
    iam = IamLimits(roles=7)
    bench = behind(iam, Account(iam=iam))
    bench.role("second")
    summary = bench.client("iam").get_account_summary()["SummaryMap"]
    assert (summary["Roles"], summary["RolesQuota"]) == (2, 7)
