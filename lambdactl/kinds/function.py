"""A job's Lambda function.

ListFunctions shows most of it in bulk. It does not show tags, reserved concurrency and the
event-invoke configuration (`Unlisted`): a stamp on the role vouches for those (kind `stamp`), and a
function without a matching stamp is read in full.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from lambdactl.deployment import Deployment, Deployments
from lambdactl.engine import Address, Call, Effect, ImageRef, Resource, Wait, computed
from lambdactl.grants import ACCOUNT, FUNCTIONS, REPOSITORY, ROLES, Permissions, Scope
from lambdactl.kinds import image as images
from lambdactl.kinds import role as roles
from lambdactl.kinds.look import Look
from lambdactl.site import Site
from lambdactl.tags import pairs, unpaired

OWNER = "LAMBDACTL_OWNER"  # the ownership mark that bulk reads show


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
    broken: str = ""  # why its creation failed: Lambda never mends such a function, nor updates it
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
            role=site.role_arn(job.name),
            role_name=site.role(job.name),
            timeout=job.timeout,
            memory=job.memory,
            ephemeral_storage=job.ephemeral_storage,
            architecture=job.architecture,
            environment={
                OWNER: f"{site.project}/{site.environment}",
                "LAMBDACTL_BUCKET": site.bucket,
                "LAMBDACTL_DEFINITION": site.definition_key(job.name, each.definition_sha256),
            },
            log_group=site.log_group(job.name),
            tags={**job.tags, **site.owner_tags},
            retries=job.retries,
            max_event_age=job.max_event_age,
            concurrency=job.concurrency,
            job_needs=_needs(job.name, each.image),
        )

    @classmethod
    def read(cls, look: Look) -> Iterable[Resource]:
        known = images.digests(look.aws, look.site) or {}
        tags_by_digest = {digest: tag for tag, digest in known.items()}
        stamps = {each["RoleName"]: unpaired(each.get("Tags", ())) for each in roles.details(look)}

        def one(answer: Mapping[str, Any]) -> Resource | None:
            job = look.site.job_of(answer["FunctionName"])
            wanted = look.wanted.get(Address("function", job)) if job else None
            if job is None or (wanted is None and not owned(look.site, answer)):
                return None
            stamp = stamps.get(look.site.role(job), {}).get(roles.STAMP_TAG)
            if isinstance(wanted, Function) and wanted.stamp == stamp:
                unlisted = _unlisted_of(wanted)
            else:
                unlisted = _read_unlisted(look, answer, wanted)
            return cls._found(look.site, job, answer, tags_by_digest, unlisted)

        yield from filter(None, look.aws.each(one, look.functions))

    @classmethod
    def _found(
        cls,
        site: Site,
        job: str,
        answer: Mapping[str, Any],
        tags_by_digest: Mapping[str, str],
        unlisted: Mapping[str, Any],
    ) -> Self:
        name = answer["FunctionName"]
        digest = f"sha256:{answer['CodeSha256']}" if answer.get("CodeSha256") else ""
        image = tags_by_digest.get(digest, digest)
        logging = answer.get("LoggingConfig", {})
        return cls(
            name=job,
            owned=owned(site, answer),
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
            environment=_variables(answer),
            log_format=logging.get("LogFormat", "Text"),
            log_group=logging.get("LogGroup", f"/aws/lambda/{name}"),
            job_needs=_needs(job, image),
            **unlisted,
        )

    @property
    def stamp(self) -> str:
        """A hash of what ListFunctions cannot show."""
        text = json.dumps(_unlisted_of(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def needs(self) -> tuple[Address, ...]:
        return self.job_needs

    def create(self) -> Iterator[Effect]:
        yield self._call(
            "CreateFunction",
            wait=self._settled(),
            PackageType="Image",
            Code={"ImageUri": ImageRef(self.image)},
            Architectures=[self.architecture],
            Tags=dict(self.tags),
            **self._configuration(),
        )
        yield from self._put_unlisted(None)

    def update(self, found: Self) -> Iterator[Effect]:
        unlisted = _unlisted_of(found) != _unlisted_of(self)
        if unlisted:
            # From here until the new stamp is written, nothing vouches for what is half changed.
            parameters = {"RoleName": self.role_name, "TagKeys": [roles.STAMP_TAG]}
            yield Call(service="iam", operation="UntagRole", parameters=parameters)
        # Code before configuration: the new environment names the new image's fingerprint.
        if (found.image, found.architecture) != (self.image, self.architecture):
            yield self._call(
                "UpdateFunctionCode",
                before=self._idle(),
                wait=self._settled(),
                ImageUri=ImageRef(self.image),
                Architectures=[self.architecture],
            )
        if found._configuration() != self._configuration():
            yield self._call(
                "UpdateFunctionConfiguration",
                before=self._idle(),
                wait=self._settled(),
                **self._configuration(),
            )
        if unlisted:
            yield from self._put_unlisted(found)

    def delete(self) -> Iterator[Effect]:
        yield self._call("DeleteFunction", tolerate=frozenset({"ResourceNotFoundException"}))

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
        if found is None or (found.retries, found.max_event_age) != (self.retries, self.max_event_age):
            yield self._call(
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
            pending=frozenset({"Pending", "InProgress"}),
            failed=frozenset({"Failed"}),
            reason="Configuration.StateReason",
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


def _needs(job: str, image: str) -> tuple[Address, ...]:
    kinds = ("role", "log_group", "definition")
    return (*(Address(kind, job) for kind in kinds), Address("image", image))


def _variables(answer: Mapping[str, Any]) -> Mapping[str, str]:
    variables: Mapping[str, str] = answer.get("Environment", {}).get("Variables", {})
    return variables


def owned(site: Site, answer: Mapping[str, Any]) -> bool:
    """Whether a function, as ListFunctions shows it, carries our mark."""
    return _variables(answer).get(OWNER) == f"{site.project}/{site.environment}"


def _unlisted_of(function: Function) -> dict[str, Any]:
    return {
        "tags": dict(function.tags),
        "retries": function.retries,
        "max_event_age": function.max_event_age,
        "concurrency": function.concurrency,
    }


def _read_unlisted(look: Look, answer: Mapping[str, Any], wanted: Resource | None) -> dict[str, Any]:
    name = answer["FunctionName"]
    if wanted is None:  # to be removed: what it was set to does not matter
        return {"tags": {}, "retries": None, "max_event_age": None, "concurrency": None}
    whole = look.aws.read("lambda", "GetFunction", FunctionName=name)
    state = whole["Configuration"]
    invoke = look.aws.maybe("lambda", "GetFunctionEventInvokeConfig", FunctionName=name) or {}
    return {
        "tags": unpaired(pairs(whole.get("Tags", {}))),
        "retries": invoke.get("MaximumRetryAttempts"),
        "max_event_age": invoke.get("MaximumEventAgeInSeconds"),
        "concurrency": whole.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
        "broken": state.get("StateReason", "unknown") if state.get("State") == "Failed" else "",
    }


def _passed(site: Site) -> Mapping[str, Any]:
    """A job's role goes to Lambda and to nothing else."""
    to = {"iam:PassedToService": "lambda.amazonaws.com"}
    return {"Resource": site.role_arn("*"), "Condition": {"StringEquals": to}}


PASSED = Scope(sid="RolesForLambda", limits=_passed)
# Lambda looks at the image with the caller's rights.
_IMAGE = {"ecr:BatchGetImage": REPOSITORY, "ecr:GetDownloadUrlForLayer": REPOSITORY}
PERMISSIONS = Permissions(
    reads={
        "lambda.ListFunctions": {"lambda:ListFunctions": ACCOUNT},
        # Without ListTags the answer is the same, but has no tags: they would look gone.
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
