"""Quotas of the account that a plan would meet half-way: asked before anything changes. Reads only."""

from __future__ import annotations

from collections.abc import Iterator

from lambdactl.aws import Reader
from lambdactl.engine import Plan
from lambdactl.kinds.function import Function
from lambdactl.kinds.role import Role

# Lambda keeps this many executions for functions without a reservation ("Specified
# ReservedConcurrentExecutions ... below its minimum value of [100]"). New accounts with a limit of 10 or 50
# were seen with that as the minimum: taken to be the smaller of the two (an inference, *unverified*).
UNRESERVED = 100


def quota_problems(aws: Reader, plan: Plan) -> tuple[str, ...]:
    """One sentence for each quota that the plan would run into."""
    return (*_roles(aws, plan), *_concurrency(aws, plan))


def _roles(aws: Reader, plan: Plan) -> Iterator[str]:
    new = sum(step.action == "create" and isinstance(step.wanted, Role) for step in plan.steps)
    answer = aws.maybe("iam", "GetAccountSummary") if new else None
    counts = answer["SummaryMap"] if answer else {}
    if "RolesQuota" in counts and counts["Roles"] + new > counts["RolesQuota"]:
        yield (
            f"{new} new roles beside the {counts['Roles']} of this account are over its quota of "
            f"{counts['RolesQuota']}; ask AWS for more (Service Quotas, IAM), or apply less"
        )


def _concurrency(aws: Reader, plan: Plan) -> Iterator[str]:
    more = sum(_reserved(step.wanted) - _reserved(step.found) for step in plan.steps)
    answer = aws.maybe("lambda", "GetAccountSettings") if more > 0 else None
    limits = (answer or {}).get("AccountLimit", {})
    if "UnreservedConcurrentExecutions" not in limits:
        return
    left = limits["UnreservedConcurrentExecutions"]
    floor = min(UNRESERVED, limits["ConcurrentExecutions"])
    if left - more < floor:
        yield (
            f"`concurrency` asks for {more} more reserved executions; of the {left} that are free in this "
            f"account Lambda keeps {floor} for functions without a reservation; "
            f"{_removal_first(aws, plan)}lower it, or ask AWS for more"
        )


def _removal_first(aws: Reader, plan: Plan) -> str:
    """What the functions that go would give back. It is not counted: nothing makes them go before the others
    come, as it would have to be for a job that is renamed."""
    going = [step.found for step in plan.steps if step.action == "delete"]
    functions = [each for each in going if isinstance(each, Function)]
    held = aws.each(lambda each: _held(aws, each), functions)
    jobs = [each.name for each, count in zip(functions, held, strict=True) if count]
    if not jobs:
        return ""
    targets = " ".join(f"--target {job}" for job in jobs)
    return (
        f"{sum(held)} become free with what this plan removes: apply that first "
        f"(`lambdactl apply --prune {targets}`), or "
    )


def _held(aws: Reader, function: Function) -> int:
    """What a function has reserved that is to be removed: its settings are not read for the plan."""
    answer = aws.maybe("lambda", "GetFunction", FunctionName=function.function_name) or {}
    return int(answer.get("Concurrency", {}).get("ReservedConcurrentExecutions", 0))


def _reserved(resource: object) -> int:
    return (resource.concurrency or 0) if isinstance(resource, Function) else 0
