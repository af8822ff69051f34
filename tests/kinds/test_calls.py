"""Every call that a kind can yield is valid by botocore's own models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import botocore.session
import pytest
from botocore import xform_name
from botocore.validate import ParamValidator

from lambdactl.engine import Call, Effect, ImageRef, Resource
from lambdactl.kinds.definition import Definition
from lambdactl.manifest.job import Schedule
from lambdactl.wanted import wanted
from tests.support.cloud import SITE, deployments, job

SESSION = botocore.session.Session()
KEY = "arn:aws:kms:eu-west-1:123456789012:key/k"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
ELSEWHERE = replace(SITE, region="eu-west-1", kms_key=KEY, permissions_boundary=BOUNDARY)


def resolved(value: object) -> object:
    if isinstance(value, ImageRef):
        return "123456789012.dkr.ecr.us-east-1.amazonaws.com/r@sha256:" + "0" * 64
    if isinstance(value, dict):
        return {key: resolved(each) for key, each in value.items()}
    return value


def worlds() -> tuple[dict, dict]:
    hourly = Schedule(expression="rate(1 hour)", enabled=False)
    daily = Schedule(expression="cron(0 6 * * ? *)", timezone="Asia/Tokyo", flexible_minutes=15, input=[1])
    before = wanted(deployments(job(concurrency=3, tags={"old": "1"}, schedule=hourly)))
    changed = job(timeout=700, retries=0, tags={"new": "2"}, schedule=daily)
    after = wanted(deployments(changed, image="b" * 32, site=ELSEWHERE))
    return before, after


def effects() -> Iterator[Effect]:
    before, after = worlds()
    for world in (before, after):
        for resource in world.values():
            yield from resource.create()
            if resource.kind != "bucket":
                yield from resource.delete()
    for address, resource in after.items():
        found: Resource | None = before.get(address)
        if found is not None and resource.kind != "image":
            yield from resource.update(found)
    yield from Definition(name="j", bucket="b", folder="f/", document={}, keys=("f/1.json",)).delete()


CALLS = [effect for effect in effects() if isinstance(effect, Call)]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.service}.{call.operation}")
def test_call_is_valid(call: Call) -> None:
    model = SESSION.get_service_model(call.service)
    for operation, parameters in (
        (call.operation, call.parameters),
        *((wait.operation, wait.parameters) for wait in (call.before, call.wait) if wait),
    ):
        shape = model.operation_model(operation).input_shape
        report = ParamValidator().validate(resolved(dict(parameters)), shape)
        assert not report.has_errors(), report.generate_report()
        assert xform_name(operation)


def test_the_bucket_cannot_be_deleted() -> None:
    with pytest.raises(NotImplementedError):
        list(next(iter(wanted(deployments(job())).values())).delete())
