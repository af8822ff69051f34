"""A job's Lambda function.

ListFunctions shows most of it in bulk. It does not show tags, reserved concurrency, the event-invoke
configuration and how the last update ended (`Unlisted`): a stamp on the role vouches for those (kind
`stamp`), and a function without a matching stamp is read in full.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Self

from lambdactl.deployment import Deployment, Deployments
from lambdactl.engine import Address, Call, Effect, ImageRef, Resource, Settle, Wait, computed
from lambdactl.grants import FUNCTIONS, REPOSITORY, ROLES, Permissions, Reach
from lambdactl.kinds.answers import (
    BUCKET,
    CLEARED,
    DEFINITION,
    OWNER,
    beside,
    destinations,
    last_update,
    mark_of,
    time_of,
    told_variables,
    unadoptable,
    unreadable,
)
from lambdactl.kinds.look import STAMP_TAG, Look, tags_of
from lambdactl.manifest.job import Job
from lambdactl.site import Site
from lambdactl.tags import pairs, unpaired

_UNLISTED = ("tags", "retries", "max_event_age", "concurrency", "destinations", "last_update", "broken")
_UNDER_WAY = frozenset({"Pending", "InProgress"})
_GONE = frozenset({"ResourceNotFoundException"})  # to a deletion: it is so already
_dumps = json.JSONEncoder(sort_keys=True).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Function(Resource):
    kind: ClassVar[str] = "function"
    frozen_fields: ClassVar[frozenset[str]] = frozenset({"broken"})

    function_name: str = computed()
    arn: str = computed()
    description: str
    image: str  # the fingerprint; "sha256:..." when the digest found has no tag of ours
    role: str = computed()
    role_name: str = field(compare=False)
    timeout: int
    memory: int
    ephemeral_storage: int
    architecture: str
    environment: Mapping[str, str]
    log_format: str = "Text"
    log_group: str = computed()
    tags: Mapping[str, str]
    retries: int | None
    max_event_age: int | None
    concurrency: int | None
    beside: Mapping[str, Any] = field(default_factory=dict)  # what no manifest says, set by somebody
    destinations: Mapping[str, Any] = field(default_factory=dict)  # likewise, of asynchronous events
    last_update: str = ""  # how the last change of code or configuration ended, when not well
    broken: str = ""  # why no update can mend it: it is made anew
    trusted: bool = field(default=False, compare=False, repr=False)  # by its stamp, not read
    revision: str = field(default="", compare=False, repr=False)  # as AWS counts; "" is unknown
    image_at_fault: bool = field(default=False, compare=False, repr=False)
    job_needs: tuple[Address, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def wanted(cls, deployments: Deployments) -> Iterable[Self]:
        for each in deployments.jobs:
            yield cls._wanted(each, deployments.site)

    @classmethod
    def _wanted(cls, each: Deployment, site: Site) -> Self:
        job = each.job
        return cls(
            name=job.name,
            function_name=site.function(job.name),
            arn=site.function_arn(job.name),
            description=job.description,
            image=each.image,
            role=job.role or site.role_arn(job.name),
            role_name=site.role(job.name),
            timeout=job.invocation,
            memory=job.memory,
            ephemeral_storage=job.ephemeral_storage,
            architecture=job.architecture,
            environment={
                OWNER: f"{site.project}/{site.environment}",
                BUCKET: site.bucket,
                DEFINITION: site.definition_key(job.name, each.definition_sha256),
            },
            log_format=job.log_format,
            log_group=site.log_group(job.name),
            tags=tags_of(job, site),
            retries=job.retries,
            max_event_age=job.max_event_age,
            concurrency=job.concurrency,
            job_needs=_needs(job, each.image),
        )

    @classmethod
    def read(cls, look: Look) -> Iterable[Resource]:
        def one(answer: Mapping[str, Any]) -> Resource | None:
            job = look.site.job_of(answer["FunctionName"])
            if job is None or not look.concerns(job):
                return None
            wanted = look.wanted.get(Address("function", job))
            unknown = unreadable(answer) and look.site.role(job) in look.roles_by_name
            strange = mark_of(look.site, answer) != "ours" and not unknown
            if wanted is None and strange and not look.only:
                return None
            return cls.found(look, job, answer, wanted if isinstance(wanted, Function) else None)

        yield from filter(None, look.aws.each(one, look.functions))

    @classmethod
    def found(cls, look: Look, job: str, answer: Mapping[str, Any], wanted: Self | None) -> Self:
        """The function that ListFunctions shows like this."""
        site, name = look.site, answer["FunctionName"]
        digest = f"sha256:{answer['CodeSha256']}" if answer.get("CodeSha256") else ""
        image = look.tags_by_digest.get(digest, digest)
        if wanted is not None and look.images.get(wanted.image) == digest:
            image = wanted.image  # of several tags of one image
        logging = answer.get("LoggingConfig", {})
        return cls(
            name=job,
            mark=mark_of(site, answer),
            blocked=unreadable(answer) or unadoptable(answer),
            function_name=name,
            arn=site.function_arn(job),
            description=answer.get("Description", ""),
            image=image,
            role=answer["Role"],
            role_name=site.role(job),
            timeout=answer["Timeout"],
            memory=answer["MemorySize"],
            ephemeral_storage=answer.get("EphemeralStorage", {"Size": 512})["Size"],
            architecture=answer.get("Architectures", ["x86_64"])[0],
            environment=told_variables(answer),
            log_format=logging.get("LogFormat", "Text"),
            log_group=logging.get("LogGroup", f"/aws/lambda/{name}"),
            beside=beside(answer),
            revision=answer.get("RevisionId", ""),
            job_needs=_needs_found(job, image),
            **_unlisted(look, job, answer, wanted),
        )

    @property
    def stamp(self) -> str:
        """A hash of the whole: a function that is wanted otherwise now is read in full."""
        text = _dumps({name: getattr(self, name) for name in _compared()})
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def settings(self) -> tuple[Any, ...]:
        """What bulk reads do not show and we set."""
        return self.tags, self.retries, self.max_event_age, self.concurrency, self.destinations

    @property
    def _events(self) -> tuple[Any, ...]:
        """The event-invoke configuration."""
        return self.retries, self.max_event_age, self.destinations

    def needs(self) -> tuple[Address, ...]:
        return self.job_needs

    def telling(self) -> frozenset[str]:
        # A role made elsewhere follows from nothing: whoever reads a plan must see it.
        return frozenset() if Address("role", self.name) in self.job_needs else frozenset({"role"})

    def create(self) -> Iterator[Effect]:
        yield replace(
            self._call(
                "CreateFunction",
                wait=self._settled(),
                PackageType="Image",
                Code={"ImageUri": ImageRef(self.image)},
                Architectures=[self.architecture],
                Tags=dict(self.tags),
                **self._configuration(),
            ),
            # The role was seen by one part of Lambda and not yet by another: made once more.
            undo=self._call("DeleteFunction", tolerate=_GONE),
            redo=frozenset({"InsufficientRolePermissions"}),
        )
        yield from self._put_unlisted(None)

    def update(self, found: Self) -> Iterator[Effect]:
        if found.last_update in _UNDER_WAY:
            yield Settle("lambda", self._settled())
        if found.settings != self.settings:
            # From here until the new stamp is written, nothing vouches for what is half changed.
            yield self._unstamp()
        failed = bool(found.last_update) and found.last_update not in _UNDER_WAY
        revision: dict[str, Any] = (
            {"RevisionId": found.revision} if found.revision and not found.last_update else {}
        )
        # Code before configuration: the new environment names the new image's fingerprint.
        if (found.image, found.architecture) != (self.image, self.architecture) or found.image_at_fault:
            yield self._call(
                "UpdateFunctionCode",
                before=self._idle(),
                wait=self._settled(),
                ImageUri=ImageRef(self.image),
                Architectures=[self.architecture],
                **revision,
            )
            revision = {}  # it has changed, and changes again when the update settles
        differs = found.beside or found._configuration() != self._configuration()
        if differs or (failed and not found.image_at_fault):
            yield self._call(
                "UpdateFunctionConfiguration",
                before=self._idle(),
                wait=self._settled(),
                **self._configuration(),
                **{name: CLEARED[name] for name in found.beside},
                **revision,
            )
        yield from self._put_unlisted(found)

    def delete(self) -> Iterator[Effect]:
        if self.broken:
            yield self._unstamp()  # made anew under its name, and then only half
        yield self._call("DeleteFunction", tolerate=_GONE)

    def _unstamp(self) -> Call:
        return Call(
            service="iam",
            operation="UntagRole",
            parameters={"RoleName": self.role_name, "TagKeys": [STAMP_TAG]},
            tolerate=frozenset({"NoSuchEntity"}),  # a role made elsewhere carries no stamp
        )

    def _configuration(self) -> dict[str, Any]:
        """What CreateFunction and UpdateFunctionConfiguration take alike."""
        return {
            "Description": self.description,
            "Role": self.role,
            "Timeout": self.timeout,
            "MemorySize": self.memory,
            "EphemeralStorage": {"Size": self.ephemeral_storage},
            "Environment": {"Variables": dict(self.environment)},
            "LoggingConfig": {"LogFormat": self.log_format, "LogGroup": self.log_group},
        }

    def _put_unlisted(self, found: Self | None) -> Iterator[Effect]:
        if found is not None and found.tags != self.tags:
            yield Call(
                service="lambda",
                operation="TagResource",
                parameters={"Resource": self.arn, "Tags": dict(self.tags)},
            )
            if gone := sorted(found.tags.keys() - self.tags.keys()):
                parameters = {"Resource": self.arn, "TagKeys": gone}
                yield Call(service="lambda", operation="UntagResource", parameters=parameters)
        if found is None or found._events != self._events:
            yield self._call(  # in place of all of it, destinations included
                "PutFunctionEventInvokeConfig",
                MaximumRetryAttempts=self.retries,
                MaximumEventAgeInSeconds=self.max_event_age,
            )
        if self.concurrency is not None and (found is None or found.concurrency != self.concurrency):
            yield self._call("PutFunctionConcurrency", ReservedConcurrentExecutions=self.concurrency)
        if self.concurrency is None and found is not None and found.concurrency is not None:
            yield self._call("DeleteFunctionConcurrency")

    def _settled(self) -> Wait:
        # GetFunction has its own, generous rate; `Inactive` is fine to update.
        return Wait(
            operation="GetFunction",
            parameters={"FunctionName": self.function_name},
            paths=("Configuration.State", "Configuration.LastUpdateStatus"),
            pending=_UNDER_WAY,
            failed=frozenset({"Failed"}),
            reasons=("Configuration.StateReason", "Configuration.LastUpdateStatusReason"),
            codes=("Configuration.StateReasonCode", "Configuration.LastUpdateStatusReasonCode"),
        )

    def _idle(self) -> Wait:
        # Failed is fine here: the update before this one did, and this one is to mend it.
        return replace(self._settled(), failed=frozenset())

    def _call(
        self,
        operation: str,
        *,
        before: Wait | None = None,
        wait: Wait | None = None,
        tolerate: frozenset[str] = frozenset(),
        **parameters: Any,
    ) -> Call:
        return Call(
            service="lambda",
            operation=operation,
            parameters={"FunctionName": self.function_name, **parameters},
            before=before,
            wait=wait,
            tolerate=tolerate,
        )


def _needs(job: Job, image: str) -> tuple[Address, ...]:
    kinds = ("log_group", "definition") if job.role else ("role", "log_group", "definition")
    return (*(Address(kind, job.name) for kind in kinds), Address("image", image))


def _needs_found(job: str, image: str) -> tuple[Address, ...]:
    kinds = ("role", "log_group", "definition")
    return (*(Address(kind, job) for kind in kinds), Address("image", image))


@cache
def _compared() -> tuple[str, ...]:
    return tuple(each.name for each in fields(Function) if each.compare)


def _unlisted(look: Look, job: str, answer: Mapping[str, Any], wanted: Function | None) -> dict[str, Any]:
    broken = _bound_to_another_role(look, job, answer, wanted)
    stamp = look.role_tags.get(look.site.role(job), {}).get(STAMP_TAG)
    if wanted is not None and not look.full and wanted.stamp == stamp and not broken:
        return {"trusted": True, **{name: getattr(wanted, name) for name in _UNLISTED}}
    if wanted is None:  # to be removed: what it was set to does not matter
        return {"tags": {}, "retries": None, "max_event_age": None, "concurrency": None}
    return _read_unlisted(look, job, broken)


def _read_unlisted(look: Look, job: str, broken: str) -> dict[str, Any]:
    name = look.site.function(job)
    whole = look.aws.read("lambda", "GetFunction", FunctionName=name)
    state = whole["Configuration"]
    invoke = look.aws.maybe("lambda", "GetFunctionEventInvokeConfig", FunctionName=name) or {}
    failed = state.get("State") == "Failed"
    return {
        "tags": unpaired(pairs(whole.get("Tags", {}))),
        "retries": invoke.get("MaximumRetryAttempts"),
        "max_event_age": invoke.get("MaximumEventAgeInSeconds"),
        "concurrency": whole.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
        "destinations": destinations(invoke),
        "broken": f"its creation failed: {state.get('StateReason', 'unknown')}" if failed else broken,
        "last_update": "" if failed else last_update(state),
        "image_at_fault": "Image" in str(state.get("LastUpdateStatusReasonCode") or ""),
    }


def _bound_to_another_role(look: Look, job: str, answer: Mapping[str, Any], wanted: Function | None) -> str:
    """Lambda's grant on the function's environment is bound to the role's id, not to its name.

    A role made anew under its name leaves a function that cannot start, and says so to nobody.
    """
    if wanted is None or wanted.role != look.site.role_arn(job) or answer["Role"] != wanted.role:
        return ""
    role = look.roles_by_name.get(look.site.role(job))
    if role is None:
        return "its role is gone, and Lambda's grant with it"
    changed, made = time_of(answer.get("LastModified")), role.get("CreateDate")
    if changed is not None and isinstance(made, datetime) and made > changed:
        return "its role was made anew after it, and Lambda's grant is bound to the old one"
    return ""


_TO_LAMBDA = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}


def _passed(site: Site) -> Mapping[str, Any]:
    """A job's role goes to Lambda and to nothing else."""
    return {"Resource": site.role_arn("*"), "Condition": _TO_LAMBDA}


def pass_role(arns: list[str]) -> dict[str, Any]:
    """The statement that lets roles made elsewhere be given to functions."""
    return {"Effect": "Allow", "Action": ["iam:PassRole"], "Resource": arns, "Condition": _TO_LAMBDA}


PASSED = Reach(sid="RolesForLambda", limits=_passed)
# Lambda looks at the image with the caller's rights.
_IMAGE = {"ecr:BatchGetImage": REPOSITORY, "ecr:GetDownloadUrlForLayer": REPOSITORY}
PERMISSIONS = Permissions(
    reads={
        "lambda.GetFunction": {"lambda:GetFunction": FUNCTIONS, "lambda:ListTags": FUNCTIONS},
        "lambda.GetFunctionEventInvokeConfig": {"lambda:GetFunctionEventInvokeConfig": FUNCTIONS},
    },
    writes={
        "lambda.CreateFunction": {
            "lambda:CreateFunction": FUNCTIONS,
            "lambda:TagResource": FUNCTIONS,
            "iam:PassRole": PASSED,
            **_IMAGE,
        },
        "lambda.UpdateFunctionCode": {"lambda:UpdateFunctionCode": FUNCTIONS, **_IMAGE},
        "lambda.UpdateFunctionConfiguration": {
            "lambda:UpdateFunctionConfiguration": FUNCTIONS,
            "iam:PassRole": PASSED,
        },
        "lambda.TagResource": {"lambda:TagResource": FUNCTIONS},
        "lambda.UntagResource": {"lambda:UntagResource": FUNCTIONS},
        "lambda.PutFunctionEventInvokeConfig": {"lambda:PutFunctionEventInvokeConfig": FUNCTIONS},
        "lambda.PutFunctionConcurrency": {"lambda:PutFunctionConcurrency": FUNCTIONS},
        "lambda.DeleteFunctionConcurrency": {"lambda:DeleteFunctionConcurrency": FUNCTIONS},
        "lambda.DeleteFunction": {"lambda:DeleteFunction": FUNCTIONS},
        "iam.UntagRole": {"iam:UntagRole": ROLES},  # the stamp goes before what it vouches for changes
    },
)
