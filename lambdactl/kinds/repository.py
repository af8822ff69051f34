"""The ECR repository: one for a project and environment. Its tags are fingerprints, hence immutable.

Lambda pulls through a policy that we set ourselves: Lambda adds one only when the *caller* may change
the repository's policy, at create and not at update. Images in use have a tag; the lifecycle rule takes
untagged ones only, since a rule by age or count would remove an image that a function still needs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from lambdactl.deployment import Deployments
from lambdactl.engine import Call, Effect, Resource, computed
from lambdactl.grants import REPOSITORY, Permissions
from lambdactl.kinds.look import Look, mark_of_tags
from lambdactl.policies import normal
from lambdactl.site import Site
from lambdactl.tags import pairs, unpaired

PULL_SID = "LambdaECRImageRetrievalPolicy"  # Lambda's own name for it, so that the two are one
_GONE = frozenset({"RepositoryNotFoundException"})  # to a deletion: it is so already
LIFECYCLE = {
    "rules": [
        {
            "rulePriority": 1,
            "description": "untagged images only: what a function uses has a tag",
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": 7,
            },
            "action": {"type": "expire"},
        }
    ]
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository(Resource):
    kind: ClassVar[str] = "repository"
    data: ClassVar[bool] = True
    shared: ClassVar[bool] = True

    arn: str = computed()
    tags: Mapping[str, str]
    pull_policy: Mapping[str, Any]
    lifecycle: Mapping[str, Any]
    tag_mutability: str = "IMMUTABLE"
    others: tuple[Mapping[str, Any], ...] = field(default=(), compare=False)  # statements that are not ours

    @classmethod
    def wanted(cls, deployments: Deployments) -> Iterable[Self]:
        site = deployments.site
        yield cls(
            name=site.repository,
            arn=site.repository_arn,
            tags=site.owner_tags,
            pull_policy=_pull_statement(site),
            lifecycle=LIFECYCLE,
        )

    @classmethod
    def read(cls, look: Look) -> Iterable[Resource]:
        site = look.site
        answer = look.aws.maybe("ecr", "DescribeRepositories", repositoryNames=[site.repository])
        if answer is None:
            return
        arn = answer["repositories"][0]["repositoryArn"]
        tags = unpaired(look.aws.read("ecr", "ListTagsForResource", resourceArn=arn)["tags"])
        policy = look.aws.maybe("ecr", "GetRepositoryPolicy", repositoryName=site.repository)
        statements = normal(policy["policyText"])["Statement"] if policy else []
        lifecycle = look.aws.maybe("ecr", "GetLifecyclePolicy", repositoryName=site.repository)
        yield cls(
            name=site.repository,
            arn=site.repository_arn,
            mark=mark_of_tags(site, tags),
            tags={key: tags[key] for key in tags if key in site.owner_tags},
            # Ours is told by its Sid: others may have added their own.
            pull_policy=next((each for each in statements if each.get("Sid") == PULL_SID), {}),
            others=tuple(each for each in statements if each.get("Sid") != PULL_SID),
            lifecycle=json.loads(lifecycle["lifecyclePolicyText"]) if lifecycle else {},
            tag_mutability=answer["repositories"][0]["imageTagMutability"],
        )

    def create(self) -> Iterator[Effect]:
        yield Call(
            service="ecr",
            operation="CreateRepository",
            parameters={
                "repositoryName": self.name,
                "imageTagMutability": self.tag_mutability,
                "tags": pairs(self.tags),
            },
        )
        yield from self._settings(())

    def update(self, found: Self) -> Iterator[Effect]:
        if found.tag_mutability != self.tag_mutability:
            yield self._call("PutImageTagMutability", imageTagMutability=self.tag_mutability)
        if found.tags != self.tags:
            parameters = {"resourceArn": self.arn, "tags": pairs(self.tags)}
            yield Call(service="ecr", operation="TagResource", parameters=parameters)
        yield from self._settings(found.others)

    def delete(self) -> Iterator[Effect]:
        yield self._call("DeleteRepository", tolerate=_GONE, force=True)

    def _settings(self, others: tuple[Mapping[str, Any], ...]) -> Iterator[Effect]:
        policy = {"Version": "2012-10-17", "Statement": [self.pull_policy, *others]}
        yield self._call("SetRepositoryPolicy", policyText=json.dumps(policy))
        yield self._call("PutLifecyclePolicy", lifecyclePolicyText=json.dumps(self.lifecycle))

    def _call(self, operation: str, *, tolerate: frozenset[str] = frozenset(), **parameters: Any) -> Call:
        return Call(
            service="ecr",
            operation=operation,
            parameters={"repositoryName": self.name, **parameters},
            tolerate=tolerate,
        )


def _pull_statement(site: Site) -> dict[str, Any]:
    source = f"arn:{site.partition}:lambda:{site.region}:{site.account}:function:{site.stem}*"
    statement = {
        "Sid": PULL_SID,
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        "Condition": {"StringLike": {"aws:sourceArn": source}},
    }
    return dict(normal({"Statement": statement})["Statement"][0])


PERMISSIONS = Permissions(
    reads={
        "ecr.DescribeRepositories": {"ecr:DescribeRepositories": REPOSITORY},
        "ecr.ListTagsForResource": {"ecr:ListTagsForResource": REPOSITORY},
        "ecr.GetRepositoryPolicy": {"ecr:GetRepositoryPolicy": REPOSITORY},
        "ecr.GetLifecyclePolicy": {"ecr:GetLifecyclePolicy": REPOSITORY},
    },
    writes={
        "ecr.CreateRepository": {"ecr:CreateRepository": REPOSITORY, "ecr:TagResource": REPOSITORY},
        "ecr.TagResource": {"ecr:TagResource": REPOSITORY},
        "ecr.PutImageTagMutability": {"ecr:PutImageTagMutability": REPOSITORY},
        "ecr.SetRepositoryPolicy": {"ecr:SetRepositoryPolicy": REPOSITORY},
        "ecr.PutLifecyclePolicy": {"ecr:PutLifecyclePolicy": REPOSITORY},
    },
    withheld={"ecr.DeleteRepository": {"ecr:DeleteRepository": REPOSITORY}},
)
