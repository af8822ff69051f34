"""A role that Lambda cannot assume: yet, or ever."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.strict.conftest import TRUST, Behind, refused
from tests.support.cloud import ACCOUNT
from tests.support.strict import VirtualClock
from tests.support.strict.young_roles import NOT_ASSUMED, YoungRoles

REFUSAL = (400, "InvalidParameterValueException", NOT_ASSUMED)
FOREIGN: Any = {
    **TRUST,
    "Statement": [{**TRUST["Statement"][0], "Principal": {"Service": "ec2.amazonaws.com"}}],
}


def layer(clock: VirtualClock, **seconds: Any) -> YoungRoles:
    return YoungRoles(clock=clock.now, **{"assumable": 6, "visible": 0, **seconds})


def test_a_young_role_is_refused_until_it_is_old_enough(behind: Behind) -> None:
    clock = VirtualClock()
    bench = behind(layer(clock), clock=clock)
    young = bench.role("young")
    assert refused(bench.function, role=young) == REFUSAL
    bench.function("other")  # with a role from long ago
    update = bench.client("lambda").update_function_configuration
    assert refused(update, FunctionName="other", Role=young) == REFUSAL
    update(FunctionName="other", Timeout=5)
    clock.sleep(6)
    bench.function(role=young)
    update(FunctionName="other", Role=young)


def test_an_absent_role_and_another_path_are_refused(behind: Behind) -> None:
    bench = behind(layer(VirtualClock()))
    for name in ("absent", "elsewhere/role"):
        assert refused(bench.function, role=f"arn:aws:iam::{ACCOUNT}:role/{name}") == REFUSAL


@pytest.mark.parametrize("mended_trust", [TRUST, {**TRUST, "Statement": TRUST["Statement"][0]}])
def test_a_trust_that_does_not_name_lambda_is_refused_for_ever(behind: Behind, mended_trust: Any) -> None:
    clock = VirtualClock()
    bench = behind(layer(clock), clock=clock)
    foreign = bench.role("foreign", FOREIGN)
    clock.sleep(1000)
    assert refused(bench.function, role=foreign) == REFUSAL
    mend = bench.client("iam").update_assume_role_policy
    mend(RoleName="foreign", PolicyDocument=json.dumps(mended_trust))
    assert refused(bench.function, role=foreign) == REFUSAL
    clock.sleep(6)
    mend(RoleName="foreign", PolicyDocument=json.dumps(TRUST))  # it was good already: not young again
    bench.function(role=foreign)


def test_a_new_role_is_overlooked_now_and_then_the_same_way_each_time(behind: Behind) -> None:
    def tried(seed: int, name: str) -> list[str]:
        clock = VirtualClock()
        bench = behind(YoungRoles(clock=clock.now, seed=seed, visible=1), clock=clock)
        bench.role(name)
        client, codes = bench.client("iam"), []
        for _ in range(12):
            try:
                client.tag_role(RoleName=name, Tags=[{"Key": "a", "Value": "b"}])
                codes.append("")
            except client.exceptions.NoSuchEntityException as error:
                codes.append(error.response["Error"]["Code"])
        clock.sleep(1)
        for _ in range(12):
            client.tag_role(RoleName=name, Tags=[{"Key": "a", "Value": "b"}])
        client.delete_role(RoleName=name)
        return codes

    first = tried(1, "young")
    assert set(first) == {"", "NoSuchEntity"}
    assert tried(1, "young") == first
    assert tried(2, "young") != first
