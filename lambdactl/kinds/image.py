"""An image in the repository, named by the fingerprint of all that goes into it.

Tags are immutable, so an image is there or it is not: it is never updated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Self

from lambdactl.deployment import Deployments
from lambdactl.engine import Address, Build, Call, Effect, Resource, computed
from lambdactl.grants import ACCOUNT, REPOSITORY, Permissions
from lambdactl.kinds.look import Look

_BATCH = 100  # botocore: BatchGetImage and DescribeImages, imageIds
# What Lambda takes: one image, not an index of several. (Lambda developer guide, "Create a function using
# a container image")
_TAKEN = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
_INDEXES = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Resource):
    kind: ClassVar[str] = "image"
    data: ClassVar[bool] = True
    shared: ClassVar[bool] = True

    repository: str = computed()
    digest: str = field(default="", compare=False)  # ours to know only after the push
    pushed: datetime | None = field(default=None, compare=False)  # known when ages were asked for
    used: bool = field(default=False, compare=False)  # by a function of this account

    @classmethod
    def wanted(cls, deployments: Deployments) -> Iterable[Self]:
        for tag in {each.image: None for each in deployments.jobs}:
            yield cls(name=tag, repository=deployments.site.repository)

    @classmethod
    def read(cls, look: Look) -> Iterable[Resource]:
        types, ages = _media_types(look), _ages(look)
        for tag, digest in look.images.items():
            media_type = types.get(digest, "")
            yield cls(
                name=tag,
                repository=look.site.repository,
                digest=digest,
                pushed=ages.get(digest),
                used=look.ages and digest in look.digests_in_use,
                blocked=_refused_by_lambda(media_type) if media_type and media_type not in _TAKEN else "",
            )

    def needs(self) -> tuple[Address, ...]:
        return (Address("repository", self.repository),)

    def create(self) -> Iterator[Effect]:
        yield Build(self.name)

    def delete(self) -> Iterator[Effect]:
        ids = [{"imageTag": self.name}]
        parameters = {"repositoryName": self.repository, "imageIds": ids}
        gone = frozenset({"RepositoryNotFoundException"})
        yield Call(service="ecr", operation="BatchDeleteImage", parameters=parameters, tolerate=gone)


def _media_types(look: Look) -> dict[str, str]:
    """digest -> media type of the images that a function is about to get: Lambda would refuse some."""
    tags = [each.name for each in look.wanted.values() if isinstance(each, Image)]
    new = sorted({look.images[tag] for tag in tags if tag in look.images} - look.digests_in_use)

    def asked(batch: list[str]) -> list[Mapping[str, Any]]:
        answer = look.aws.read(
            "ecr",
            "BatchGetImage",
            repositoryName=look.site.repository,
            imageIds=[{"imageDigest": digest} for digest in batch],
            acceptedMediaTypes=[*_TAKEN, *_INDEXES],
        )
        found: list[Mapping[str, Any]] = answer["images"]
        return found

    answers = look.aws.each(asked, _batches(new))
    images = [each for answer in answers for each in answer]
    return {each["imageId"]["imageDigest"]: each.get("imageManifestMediaType", "") for each in images}


def _ages(look: Look) -> dict[str, datetime]:
    if not look.ages or not look.images:
        return {}
    details = look.aws.pages(
        "ecr", "DescribeImages", "imageDetails", repositoryName=look.site.repository, maxResults=1000
    )
    return {each["imageDigest"]: each["imagePushedAt"] for each in details}


def _batches(some: list[str]) -> list[list[str]]:
    return [some[start : start + _BATCH] for start in range(0, len(some), _BATCH)]


def _refused_by_lambda(media_type: str) -> str:
    return (
        f"the registry holds it as {media_type}, which Lambda does not take: "
        "delete this tag in ECR, and the next apply builds it"
    )


PERMISSIONS = Permissions(
    reads={"ecr.BatchGetImage": {"ecr:BatchGetImage": REPOSITORY}},
    writes={
        # `Build` is no call: the image is pushed through the registry's own protocol.
        # https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
        "ecr.GetAuthorizationToken": {"ecr:GetAuthorizationToken": ACCOUNT},
        "Build": dict.fromkeys(
            (
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:CompleteLayerUpload",
                "ecr:InitiateLayerUpload",
                "ecr:PutImage",
                "ecr:UploadLayerPart",
            ),
            REPOSITORY,
        ),
    },
    # Images are removed by people (`apply --prune --images`), and only that asks for their ages.
    withheld={
        "ecr.BatchDeleteImage": {"ecr:BatchDeleteImage": REPOSITORY},
        "ecr.DescribeImages": {"ecr:DescribeImages": REPOSITORY},
    },
)
