"""IAM enforced before an emulator: a layer that lets through what the caller may do, and refuses the rest.

The emulators' own enforcement is wrong for SSM, Logs, Lambda, conditions and boundaries. Resource
policies, sessions and organisations are not looked at: nothing here has one that matters.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lambdactl.aws import Aws
from lambdactl.sandbox.answers import refusal, xml_refusal
from lambdactl.sandbox.fill import Fill
from lambdactl.sandbox.front import Front, Next, Request, Response
from lambdactl.sandbox.layers import Record, invoke
from tests.support.cloud import ACCOUNT, REGION, Cloud, Modified, put_replaces, reset, tagged_buckets
from tests.support.iam.calls import Asks, Facts, Said, said
from tests.support.iam.simulator import Ask, Caller, Simulator

ADMINISTRATOR = ACCOUNT  # the access key that the tests set the scene with
_KEY = re.compile(r"Credential=([^/]+)/")


class Gate:
    """Who calls is told by the access key. `asked` and `denied` are what was decided, by caller."""

    def __init__(self, simulator: Simulator, upstream: str) -> None:
        self.callers: dict[str, Caller] = {}
        self.asked: dict[str, set[Ask]] = {}
        self.denied: dict[str, set[Ask]] = {}
        self.asks = Asks(table=simulator.table, account=ACCOUNT, region=REGION)
        self._simulator = simulator
        self.upstream = upstream
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}

    def admit(
        self,
        key: str,
        policy: Mapping[str, Any],
        boundary: Mapping[str, Any] | None = None,
        *,
        arn: str = "",
    ) -> None:
        """From now on the access key `key` is somebody with just this policy; `arn`: who, if it matters."""
        who = arn or f"arn:aws:iam::{ACCOUNT}:role/{key}"
        self.callers[key] = Caller(arn=who, policies=(policy,), boundary=boundary or {})
        self.asked[key], self.denied[key] = set(), set()

    def allows(self, key: str, ask: Ask) -> bool:
        allowed = self._simulator.allows(self.callers[key], ask)
        with self._lock:
            self.asked[key].add(ask)
            if not allowed:
                self.denied[key].add(ask)
        return allowed

    def __call__(self, request: Request, following: Next) -> Response:
        key = _access_key(request)
        if key == ADMINISTRATOR:
            return following(request)
        call = said(request)
        if key not in self.callers:
            return _refused(call, f"unknown access key {key}")
        for ask in self.asks.of(call, self._facts(call)):
            if not self.allows(key, ask):
                return _refused(call, f"not authorized to perform: {ask.action} on resource: {ask.resource}")
        return self._narrowed(key, call, following(request))

    def _narrowed(self, key: str, call: Said, answer: Response) -> Response:
        """What an answer keeps from whom: AWS leaves it out, or calls what is absent denied."""
        if call.call == "lambda.GetFunction" and answer.status == 200:
            (asked,) = self.asks.of(replace(call, call="lambda.ListTags"), Facts())
            if not self.allows(key, asked):
                document = {k: v for k, v in json.loads(answer.body).items() if k != "Tags"}
                return answer.with_body(json.dumps(document).encode())
        if call.call in ("s3.GetObject", "s3.HeadObject") and answer.status == 404:
            listing = Ask(action="s3:ListBucket", resource=f"arn:aws:s3:::{call.names[0]['BucketName']}")
            if not self.allows(key, listing):
                return _refused(call, "and whether there is such a key is not for this caller to know")
        return answer

    def _facts(self, call: Said) -> Facts:
        if call.service == "iam" and (name := call.parameters.get("RoleName")):
            if call.call == "iam.CreateRole":
                return Facts(role_path=call.parameters.get("Path", "/"))
            role = self._maybe("iam", "get_role", RoleName=name).get("Role", {})
            boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "")
            return Facts(role_path=role.get("Path", "/"), role_boundary=boundary)
        if call.call in ("s3.PutObject", "s3.GetObject"):
            return Facts(bucket_key=self._bucket_key(call.names[0]["BucketName"]))
        if call.service == "ssm" and "WithDecryption" in call.parameters:
            names = [*call.parameters.get("Names", ()), *filter(None, [call.parameters.get("Name")])]
            found = self._maybe("ssm", "get_parameters", Names=names)["Parameters"]
            encrypted = (each["Name"] for each in found if each["Type"] == "SecureString")
            return Facts(encrypted=frozenset(encrypted))
        return Facts()

    def _bucket_key(self, bucket: str) -> str:
        answer = self._maybe("s3", "get_bucket_encryption", Bucket=bucket)
        rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", ())
        return next((r["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID", "") for r in rules), "")

    def _maybe(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Asked of the emulator itself, past this gate; {} when there is no such thing."""
        with self._lock:
            if service not in self._clients:
                session = boto3.Session(ADMINISTRATOR, "made-up", region_name=REGION)
                self._clients[service] = session.client(service, endpoint_url=self.upstream)
        try:
            return dict(getattr(self._clients[service], operation)(**parameters))
        except ClientError:
            return {}


@dataclass(frozen=True, kw_only=True)
class Enforced(Cloud):
    """An account behind the gate; its own calls are the administrator's."""

    gate: Gate

    def empty(self) -> None:
        """Nothing is left in the account; who was admitted may stay."""
        reset("moto", self.gate.upstream)

    def who(self, key: str, policy: Mapping[str, Any], boundary: Mapping[str, Any] | None = None) -> Aws:
        """Somebody with just this policy, with `key` as access key."""
        self.gate.admit(key, policy, boundary)
        return Aws(endpoint=replace(self.endpoint, access_key=key), sleep=lambda seconds: None)

    def client_of(self, key: str, service: str) -> Any:
        """A boto3 client of somebody who was admitted."""
        return _client(self.url, key, service)

    def client(self, service: str) -> Any:
        return _client(self.url, ADMINISTRATOR, service)

    def denied(self, key: str) -> set[str]:
        """The actions that this caller was refused."""
        return {ask.action for ask in self.gate.denied[key]}


@cache
def _client(url: str, key: str, service: str) -> Any:
    """Made once: that takes longer than the calls of a test."""
    session = boto3.Session(key, "made-up", region_name=REGION)
    return session.client(service, endpoint_url=url, config=Config(retries={"max_attempts": 0}))


@pytest.fixture(scope="session")
def enforcing(moto_server: str, simulator: Simulator) -> Iterator[Enforced]:
    gate, record = Gate(simulator, moto_server), Record()
    with Front(
        moto_server, [gate, record, Fill(), Modified(), tagged_buckets, put_replaces, invoke(_accepted)]
    ) as front:
        yield Enforced(name="moto", url=front.url, record=record, upstream=moto_server, gate=gate)


@pytest.fixture
def enforced(enforcing: Enforced) -> Enforced:
    """An empty account with IAM enforced."""
    enforcing.empty()
    return enforcing


def _accepted(request: Request) -> Response:
    """As Lambda takes an asynchronous invocation; nothing runs."""
    return Response(status=202, headers=(("x-amzn-RequestId", "00000000-0000-4000-8000-000000000000"),))


def _access_key(request: Request) -> str:
    found = _KEY.search(request.header("authorization"))
    return found[1] if found else ""


def _refused(call: Said, why: str) -> Response:
    if call.service in ("s3", "iam", "sts"):
        return xml_refusal(403, "AccessDenied", why)
    return refusal(403 if call.service == "lambda" else 400, "AccessDeniedException", why)
