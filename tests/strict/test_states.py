"""Functions take their time, refuse to be hurried, and fail late."""

from __future__ import annotations

from typing import Any

import pytest

from lambdactl.sandbox.fill import Fill
from tests.strict.conftest import REGISTRY, Behind, Bench, refused
from tests.support.cloud import ACCOUNT, REGION
from tests.support.strict import VirtualClock
from tests.support.strict.states import States

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
IN_PROGRESS = (
    409,
    "ResourceConflictException",
    f"The operation cannot be performed at this time. An update is in progress for resource: {ARN}",
)


def in_state(state: str, code: str) -> tuple[int, str, str]:
    text = f"The resource {ARN} is currently in the following state: '{state}'. StateReasonCode: '{code}'"
    return 409, "ResourceConflictException", f"The operation cannot be performed at this time. {text}"


@pytest.fixture
def bench(behind: Behind) -> tuple[Bench, States]:
    clock = VirtualClock()
    states = States(clock=clock.now, creating=3, updating=2)
    return behind(states, Fill(), clock=clock), states


def configuration(bench: Bench) -> Any:
    return bench.client("lambda").get_function(FunctionName="f")["Configuration"]


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("update_function_configuration", {"Timeout": 5}),
    ("update_function_code", {"ImageUri": f"{REGISTRY}@sha256:{'3' * 64}"}),
    ("put_function_concurrency", {"ReservedConcurrentExecutions": 1}),
    ("publish_version", {}),
    ("delete_function", {}),
]


def test_a_new_function_is_pending_and_then_active(bench: tuple[Bench, States]) -> None:
    there, _ = bench
    made = there.function()
    assert (made["State"], made["StateReasonCode"]) == ("Pending", "Creating")
    assert "LastUpdateStatus" not in made
    there.clock.sleep(2.9)
    assert configuration(there)["State"] == "Pending"
    there.clock.sleep(0.1)
    settled = configuration(there)
    assert (settled["State"], settled["LastUpdateStatus"]) == ("Active", "Successful")
    assert "StateReasonCode" not in settled


@pytest.mark.parametrize(("operation", "parameters"), CHANGES)
def test_nothing_changes_a_function_that_is_not_ready(
    bench: tuple[Bench, States], operation: str, parameters: dict[str, Any]
) -> None:
    there, _ = bench
    change = getattr(there.client("lambda"), operation)
    there.function()
    assert refused(change, FunctionName="f", **parameters) == in_state("Pending", "Creating")
    there.clock.sleep(3)
    updated = there.client("lambda").update_function_configuration(FunctionName=ARN, MemorySize=256)
    assert (updated["State"], updated["LastUpdateStatus"]) == ("Active", "InProgress")
    assert refused(change, FunctionName="f", **parameters) == IN_PROGRESS
    there.clock.sleep(2)
    change(FunctionName="f", **parameters)


def test_a_listing_tells_no_state(bench: tuple[Bench, States]) -> None:
    there, _ = bench
    there.function()
    (listed,) = there.client("lambda").list_functions()["Functions"]
    assert not [key for key in listed if key.startswith(("State", "LastUpdateStatus"))]


def test_a_creation_that_fails_late_cannot_be_mended_but_deleted(bench: tuple[Bench, States]) -> None:
    there, states = bench
    states.fail_create("f")
    assert there.function()["State"] == "Pending"
    there.clock.sleep(3)
    found = configuration(there)
    assert (found["State"], found["StateReasonCode"]) == ("Failed", "InsufficientRolePermissions")
    client = there.client("lambda")
    for operation, parameters in CHANGES[:-1]:
        answer = refused(getattr(client, operation), FunctionName="f", **parameters)
        assert answer == in_state("Failed", "InsufficientRolePermissions")
    client.delete_function(FunctionName="f")
    there.function()
    there.clock.sleep(3)
    assert configuration(there)["State"] == "Active"


def test_an_update_that_fails_keeps_its_settings_and_the_next_heals(bench: tuple[Bench, States]) -> None:
    there, states = bench
    client = there.client("lambda")
    there.function()
    there.clock.sleep(3)
    states.fail_update("f")
    client.update_function_configuration(FunctionName="f", MemorySize=256)
    there.clock.sleep(2)
    found = configuration(there)
    assert (found["State"], found["MemorySize"]) == ("Active", 256)
    assert (found["LastUpdateStatus"], found["LastUpdateStatusReasonCode"]) == ("Failed", "ImageAccessDenied")
    client.update_function_configuration(FunctionName="f", MemorySize=256)
    there.clock.sleep(2)
    assert configuration(there)["LastUpdateStatus"] == "Successful"


def test_an_inactive_function_can_be_updated(bench: tuple[Bench, States]) -> None:
    there, states = bench
    there.function()
    states.inactive("f")
    assert configuration(there)["State"] == "Inactive"
    there.client("lambda").update_function_configuration(FunctionName="f", MemorySize=256)
    there.clock.sleep(2)
    assert configuration(there)["State"] == "Active"


def test_a_refused_creation_and_a_missing_function_leave_no_state(bench: tuple[Bench, States]) -> None:
    there, _ = bench
    there.function()
    there.clock.sleep(3)
    assert refused(there.function)[1] == "ResourceConflictException"
    assert configuration(there)["State"] == "Active"
    missing = refused(there.client("lambda").update_function_configuration, FunctionName="g", Timeout=5)
    assert missing[:2] == (404, "ResourceNotFoundException")
