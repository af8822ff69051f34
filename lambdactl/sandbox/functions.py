"""Reads from the emulator what an invocation needs to know of a function. Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambdactl.errors import SandboxError
from lambdactl.manifest.job import Architecture
from lambdactl.runners.platform import LogFormat

# A name, a partial ARN or an ARN, each perhaps with a qualifier. (botocore: NamespacedFunctionName)
_NAME = re.compile(
    r"(?:arn:[^:]+:lambda:[^:]+:)?(?:\d{12}:)?(?:function:)?(?P<name>[A-Za-z0-9_-]+)(?::(?P<qualifier>[^:]+))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A deployed function. `image` is its reference in the container engine; sizes are MB, times s."""

    name: str
    arn: str
    image: str
    environment: Mapping[str, str]
    memory: int
    timeout: int
    ephemeral_storage: int
    architecture: Architecture
    reserved: int | None = None  # concurrent executions; None has no limit of its own
    retries: int = 2  # of asynchronous invocations, as Lambda's default
    max_event_age: int = 21600
    log_format: LogFormat = "Text"


def name_of(identifier: str) -> tuple[str, str] | None:
    """Name and qualifier ("" without) out of what an invocation may call a function, or None when it is
    none of it."""
    match = _NAME.fullmatch(identifier)
    return (match["name"], match["qualifier"] or "") if match else None


class Functions:
    """`lambda_` and `ecr` are boto3 clients of the emulator."""

    def __init__(self, lambda_: Any, ecr: Any) -> None:
        self._lambda, self._ecr = lambda_, ecr

    def read(self, name: str) -> Function:
        """Raises the client's ResourceNotFoundException, or SandboxError for what cannot run here."""
        answer = self._lambda.get_function(FunctionName=name)
        configuration = answer["Configuration"]
        if configuration.get("PackageType") != "Image":
            raise SandboxError(f"{name} is not a container image: the sandbox runs nothing else")
        retries, age = self._asynchronous(name)
        return Function(
            name=name,
            arn=configuration["FunctionArn"],
            image=self._image(answer["Code"]["ImageUri"]),
            environment=configuration.get("Environment", {}).get("Variables", {}),
            memory=configuration["MemorySize"],
            timeout=configuration["Timeout"],
            ephemeral_storage=configuration.get("EphemeralStorage", {}).get("Size", 512),
            architecture=configuration.get("Architectures", ["x86_64"])[0],
            reserved=answer.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
            retries=retries,
            max_event_age=age,
            log_format=configuration.get("LoggingConfig", {}).get("LogFormat", "Text"),
        )

    def _asynchronous(self, name: str) -> tuple[int, int]:
        try:
            found = self._lambda.get_function_event_invoke_config(FunctionName=name)
        except self._lambda.exceptions.ResourceNotFoundException:
            found = {}
        return found.get("MaximumRetryAttempts", 2), found.get("MaximumEventAgeInSeconds", 21600)

    def _image(self, uri: str) -> str:
        """Images stay in the engine, under their tag: a digest is translated back to it."""
        repository, _, digest = uri.partition("@")
        if not digest:
            return uri
        name = repository.partition("/")[2]
        try:
            found = self._ecr.describe_images(repositoryName=name, imageIds=[{"imageDigest": digest}])
        except (
            self._ecr.exceptions.ImageNotFoundException,
            self._ecr.exceptions.RepositoryNotFoundException,
        ):
            found = {"imageDetails": []}
        tags = [tag for image in found["imageDetails"] for tag in image.get("imageTags", [])]
        if not tags:
            raise SandboxError(f"no image {digest} in the sandbox's registry", where=name, hint="apply again")
        return f"{repository}:{min(tags)}"
