"""An image in the repository, named by the fingerprint of all that goes into it.

Tags are immutable, so an image is there or it is not: it is never updated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Self

from lambdactl.aws import Aws
from lambdactl.deployment import Deployments
from lambdactl.engine import Address, Build, Call, Effect, Resource, computed
from lambdactl.grants import ACCOUNT, REPOSITORY, Permissions
from lambdactl.kinds.look import Look
from lambdactl.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Resource):
    kind: ClassVar[str] = "image"
    data: ClassVar[bool] = True

    repository: str = computed()
    digest: str = field(default="", compare=False)  # ours to know only after the push

    @classmethod
    def wanted(cls, deployments: Deployments) -> Iterable[Self]:
        for tag in {each.image: None for each in deployments.jobs}:
            yield cls(name=tag, repository=deployments.site.repository)

    @classmethod
    def read(cls, look: Look) -> Iterable[Resource]:
        for tag, digest in (digests(look.aws, look.site) or {}).items():
            yield cls(name=tag, repository=look.site.repository, digest=digest)

    def needs(self) -> tuple[Address, ...]:
        return (Address("repository", self.repository),)

    def create(self) -> Iterator[Effect]:
        yield Build(self.name)

    def delete(self) -> Iterator[Effect]:
        ids = [{"imageTag": self.name}]
        parameters = {"repositoryName": self.repository, "imageIds": ids}
        gone = frozenset({"RepositoryNotFoundException"})
        yield Call(service="ecr", operation="BatchDeleteImage", parameters=parameters, tolerate=gone)


def digests(aws: Aws, site: Site) -> dict[str, str] | None:
    """Every tag in the repository and its digest (`sha256:...`); None without a repository."""
    tagged = {"tagStatus": "TAGGED"}
    ids = aws.maybe_pages("ecr", "ListImages", "imageIds", repositoryName=site.repository, filter=tagged)
    if ids is None:
        return None
    return {each["imageTag"]: each["imageDigest"] for each in ids if "imageTag" in each}


PERMISSIONS = Permissions(
    reads={"ecr.ListImages": {"ecr:ListImages": REPOSITORY}},
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
    withheld={"ecr.BatchDeleteImage": {"ecr:BatchDeleteImage": REPOSITORY}},
)
