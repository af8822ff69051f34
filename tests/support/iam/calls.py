"""What AWS asks IAM before it does a call: which actions, on which resources, with which context keys.

Knows nothing of lambdactl's own lists, or it would prove nothing. An operation needs the action of the
same name unless it stands here; resources and context keys are those that AWS's reference has for the
action (`Table`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from lambdactl.sandbox.identify import identify
from lambdactl.sandbox.messages import Request
from tests.support.iam.simulator import Ask, Table

# S3's API reference, "Permissions" of each operation.
S3_ACTIONS = {
    "CompleteMultipartUpload": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteObjects": "s3:DeleteObject",
    "GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "ListObjects": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "UploadPart": "s3:PutObject",
}
OTHER_ACTIONS = {"lambda.Invoke": "lambda:InvokeFunction"}
FREE = {"sts.GetCallerIdentity"}  # "No permissions are required" (its API reference)
# What a call needs besides, when it carries tags: each service's guide to tagging on creation.
TAGGED = {
    "ecr.CreateRepository": ("tags", "ecr:TagResource"),
    "iam.CreateRole": ("Tags.member.1.Key", "iam:TagRole"),
    "lambda.CreateFunction": ("Tags", "lambda:TagResource"),
    "logs.CreateLogGroup": ("tags", "logs:TagResource"),
    "s3.CreateBucket": ("Tags", "s3:TagResource"),
    "scheduler.CreateScheduleGroup": ("Tags", "scheduler:TagResource"),
}
# Who hands a role over, under which parameter, to which service.
PASSES = {
    "lambda.CreateFunction": ("Role", "lambda.amazonaws.com"),
    "lambda.UpdateFunctionConfiguration": ("Role", "lambda.amazonaws.com"),
    "scheduler.CreateSchedule": ("RoleArn", "scheduler.amazonaws.com"),
    "scheduler.UpdateSchedule": ("RoleArn", "scheduler.amazonaws.com"),
}
# "Amazon ECR permissions" in Lambda's guide to container images: the image is read as the caller.
IMAGE = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_BOUNDARY = "iam:PermissionsBoundary"
_NAME = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What AWS knows and a request does not say."""

    role_path: str = "/"
    role_boundary: str = ""
    bucket_key: str = ""  # the KMS key's ARN of the bucket's default encryption
    encrypted: frozenset[str] = frozenset()  # which of the parameters are SecureStrings


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A call as its request says it: "service.Operation", its parameters, and the names for ARNs."""

    call: str
    parameters: Mapping[str, Any]
    names: tuple[Mapping[str, str], ...]  # one for each resource, by the reference's ${Names}

    @property
    def service(self) -> str:
        return self.call.partition(".")[0]


def said(request: Request) -> Said:
    service, operation = identify(request)
    parameters, names = READERS.get(service, _json)(request)
    return Said(call=f"{service}.{operation}", parameters=parameters, names=names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asks:
    """Questions about calls in one account and region."""

    table: Table
    account: str
    region: str

    def of(self, call: Said, facts: Facts) -> list[Ask]:
        """Everything that must be allowed for this call."""
        if call.call in FREE:
            return []
        service, _, operation = call.call.partition(".")
        same = S3_ACTIONS.get(operation) if service == "s3" else OTHER_ACTIONS.get(call.call)
        actions = [same or f"{service}:{operation}"]
        if call.call in TAGGED and call.parameters.get(TAGGED[call.call][0]):
            actions.append(TAGGED[call.call][1])
        asks = [ask for action in actions for ask in self._each(action, call, facts)]
        return [*asks, *self._passed(call), *self._image(call), *self._keys(call, facts)]

    def _each(self, action: str, call: Said, facts: Facts) -> Iterator[Ask]:
        forms = self.table.arns(action)
        keys = self.table.action(action)["conditionKeys"]
        context = tuple(self._context(keys, call, facts))
        if not forms:
            yield Ask(action=action, context=context)
        assert call.names or not forms, f"{call.call}: on what? {call.parameters}"
        for names in call.names if forms else ():
            known = {"Partition": "aws", "Account": self.account, "Region": self.region, **names}
            if "RoleName" in names:
                known["RoleNameWithPath"] = facts.role_path.removeprefix("/") + names["RoleName"]
            fitting = [form for form in forms if set(_NAME.findall(form)) <= known.keys()]
            assert fitting, f"{action}: no {forms} from {known}"
            # What the request names, rather than something that is one in an account.
            form = max(fitting, key=lambda form, names=names: len(names.keys() & {*_NAME.findall(form)}))  # type: ignore[misc]
            resource = _NAME.sub(lambda match, known=known: known[match[1]], form)  # type: ignore[misc]
            yield Ask(action=action, resource=resource, context=context)

    def _context(self, keys: list[str], call: Said, facts: Facts) -> Iterator[tuple[str, str]]:
        if "s3:prefix" in keys and "prefix" in call.parameters:
            yield "s3:prefix", call.parameters["prefix"]
        boundary = call.parameters.get("PermissionsBoundary") or facts.role_boundary
        if _BOUNDARY in keys and boundary:
            yield _BOUNDARY, boundary

    def _passed(self, call: Said) -> Iterator[Ask]:
        parameter, service = PASSES.get(call.call, ("", ""))
        if role := call.parameters.get(parameter):
            yield Ask(action="iam:PassRole", resource=role, context=(("iam:PassedToService", service),))

    def _image(self, call: Said) -> Iterator[Ask]:
        uri = call.parameters.get("ImageUri") or call.parameters.get("Code", {}).get("ImageUri")
        if call.service == "lambda" and uri:
            repository = uri.partition("/")[2].partition("@")[0].partition(":")[0]
            yield from (Ask(action=each, resource=self._ecr(repository)) for each in IMAGE)

    def _keys(self, call: Said, facts: Facts) -> Iterator[Ask]:
        """KMS asks too, when a service uses a key in the caller's name."""
        used = {"s3.PutObject": "kms:GenerateDataKey", "s3.GetObject": "kms:Decrypt"}.get(call.call)
        if used and facts.bucket_key:
            via = ("kms:ViaService", f"s3.{self.region}.amazonaws.com")
            yield Ask(action=used, resource=facts.bucket_key, context=(via,))
        if call.service == "ssm" and call.parameters.get("WithDecryption"):
            key = f"arn:aws:kms:{self.region}:{self.account}:key/0f1e2d3c-aws-ssm"
            for name in sorted(facts.encrypted):
                arn = f"arn:aws:ssm:{self.region}:{self.account}:parameter/{name.removeprefix('/')}"
                context = (
                    ("kms:ViaService", f"ssm.{self.region}.amazonaws.com"),
                    ("kms:EncryptionContext:PARAMETER_ARN", arn),
                )
                yield Ask(action="kms:Decrypt", resource=key, context=context)

    def _ecr(self, repository: str) -> str:
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{repository}"


Read = tuple[Mapping[str, Any], tuple[Mapping[str, str], ...]]


def _s3(request: Request) -> Read:
    bucket, _, key = unquote(request.path).removeprefix("/").partition("/")
    names = {"BucketName": bucket, **({"ObjectName": key} if key else {})}
    parameters = dict(parse_qsl(request.query, keep_blank_values=True))
    if not key and b"<Tags>" in request.body:  # of a bucket that is made with its tags
        parameters["Tags"] = "<Tags>"
    return parameters, (names,)


def _query(request: Request) -> Read:
    """IAM, STS."""
    parameters = dict(parse_qsl(request.body.decode()))
    if arn := parameters.get("RoleArn"):
        return parameters, ({"RoleNameWithPath": arn.partition(":role/")[2]},)
    return parameters, ({"RoleName": parameters["RoleName"]} if "RoleName" in parameters else {},)


def _lambda(request: Request) -> Read:
    path = unquote(request.path)
    found = re.search(r":function:([^/:]+)", path) or re.search(r"/functions/([^/]+)", path)
    invoke = path.endswith("/invocations")  # whose body is the event
    parameters = json.loads(request.body or b"{}") if not invoke else {}
    name = found[1] if found else parameters.get("FunctionName")
    return parameters, ({"FunctionName": name} if name else {},)


def _scheduler(request: Request) -> Read:
    """A schedule by its group and its own name, a group by its name or ARN; the target's role lies deeper."""
    what, _, name = unquote(request.path).removeprefix("/").partition("/")
    body = json.loads(request.body or b"{}")
    parameters = {**dict(parse_qsl(request.query)), **body, **body.get("Target", {})}
    if what == "schedules":
        group = parameters.get("GroupName") or parameters.get("groupName") or "default"
        return parameters, ({"GroupName": group, "ScheduleName": name} if name else {},)
    return parameters, ({"GroupName": name.rpartition("schedule-group/")[2]} if name else {},)


def _json(request: Request) -> Read:
    """ECR, Logs, SSM. One resource for each name that the call says."""
    parameters = json.loads(request.body or b"{}")
    names = [*parameters.get("repositoryNames", ()), *parameters.get("Names", ())]
    one = (parameters.get(key) for key in ("repositoryName", "logGroupName", "Name", "Path"))
    arn = parameters.get("resourceArn", "").partition(":repository/")[2]
    return parameters, tuple(_named(name) for name in [*names, *one, arn] if name)


def _named(name: str) -> Mapping[str, str]:
    """By all that the reference may call it: the ARN of an action has one of these."""
    return {
        "RepositoryName": name,
        "LogGroupName": name,
        "LogStreamName": "any",
        "ParameterNameWithoutLeadingSlash": name.removeprefix("/"),
    }


READERS: Mapping[str, Callable[[Request], Read]] = {
    "iam": _query,
    "lambda": _lambda,
    "s3": _s3,
    "scheduler": _scheduler,
    "sts": _query,
}
