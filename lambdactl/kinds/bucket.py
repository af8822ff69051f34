"""The bucket that holds definitions and run folders. Created when missing; never emptied or deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from lambdactl.deployment import Deployments
from lambdactl.engine import Call, Effect, Resource, computed
from lambdactl.grants import BUCKET, Permissions
from lambdactl.kinds.look import Look, mark_of_tags
from lambdactl.tags import pairs, unpaired

PUBLIC_ACCESS_BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket(Resource):
    kind: ClassVar[str] = "bucket"
    data: ClassVar[bool] = True
    shared: ClassVar[bool] = True

    region: str = computed()
    tags: Mapping[str, str]
    public_access_blocked: bool = True
    encryption: str = "AES256"  # or the ARN of a KMS key
    versioned: bool = True
    others: Mapping[str, str] = field(default_factory=dict, compare=False)  # tags that are not ours

    @classmethod
    def wanted(cls, deployments: Deployments) -> Iterable[Self]:
        site = deployments.site
        yield cls(
            name=site.bucket,
            region=site.region,
            tags=site.owner_tags,
            encryption=site.kms_key or "AES256",
        )

    @classmethod
    def read(cls, look: Look) -> Iterable[Resource]:
        bucket = look.site.bucket
        tagging = look.aws.maybe("s3", "GetBucketTagging", Bucket=bucket)
        if tagging is None and look.aws.maybe("s3", "HeadBucket", Bucket=bucket) is None:
            return
        tags = unpaired(tagging["TagSet"]) if tagging else {}
        mark = mark_of_tags(look.site, tags)
        if mark != "ours" and look.deployments.bucket_named:
            # The user's own bucket, named in lambdactl.yaml: used as it is, its settings are not ours.
            yield next(iter(cls.wanted(look.deployments)))
            return
        block, encryption, versioning = look.aws.together(
            lambda: look.aws.maybe("s3", "GetPublicAccessBlock", Bucket=bucket),
            lambda: look.aws.maybe("s3", "GetBucketEncryption", Bucket=bucket),
            lambda: look.aws.read("s3", "GetBucketVersioning", Bucket=bucket),
        )
        ours = look.site.owner_tags.keys()
        yield cls(
            name=bucket,
            mark=mark,
            region=look.site.region,
            tags={key: tags[key] for key in tags if key in ours},
            others={key: tags[key] for key in tags if key not in ours},
            public_access_blocked=bool(
                block and block["PublicAccessBlockConfiguration"] == PUBLIC_ACCESS_BLOCK
            ),
            encryption=_encryption(encryption),
            versioned=versioning.get("Status") == "Enabled",
        )

    def create(self) -> Iterator[Effect]:
        where = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
        # With its mark: a bucket that a killed apply leaves half-made is still known as ours.
        yield self._call(
            "CreateBucket",
            tolerate=frozenset({"BucketAlreadyOwnedByYou"}),
            CreateBucketConfiguration={**where, "Tags": pairs(self.tags)},
        )
        yield from self._settings()

    def update(self, found: Self) -> Iterator[Effect]:
        if found.tags != self.tags:
            tags = pairs({**found.others, **self.tags})
            yield self._call("PutBucketTagging", Tagging={"TagSet": tags})
        yield from self._settings()

    def _settings(self) -> Iterator[Effect]:
        yield self._call("PutPublicAccessBlock", PublicAccessBlockConfiguration=PUBLIC_ACCESS_BLOCK)
        default: dict[str, Any] = {"SSEAlgorithm": "AES256"}
        if self.encryption != "AES256":
            default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": self.encryption}
        rule = {
            "ApplyServerSideEncryptionByDefault": default,
            "BucketKeyEnabled": default["SSEAlgorithm"] != "AES256",
        }
        yield self._call("PutBucketEncryption", ServerSideEncryptionConfiguration={"Rules": [rule]})
        yield self._call("PutBucketVersioning", VersioningConfiguration={"Status": "Enabled"})

    def _call(self, operation: str, *, tolerate: frozenset[str] = frozenset(), **parameters: Any) -> Call:
        where = {"Bucket": self.name, **parameters}
        return Call(service="s3", operation=operation, parameters=where, tolerate=tolerate)


def _encryption(answer: Mapping[str, Any] | None) -> str:
    if answer is None:
        return ""
    default = answer["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    if default["SSEAlgorithm"] == "AES256":
        return "AES256"
    return str(default.get("KMSMasterKeyID", "aws:kms"))


PERMISSIONS = Permissions(
    reads={
        "s3.HeadBucket": {"s3:ListBucket": BUCKET},
        "s3.GetBucketTagging": {"s3:GetBucketTagging": BUCKET},
        "s3.GetPublicAccessBlock": {"s3:GetBucketPublicAccessBlock": BUCKET},
        "s3.GetBucketEncryption": {"s3:GetEncryptionConfiguration": BUCKET},
        "s3.GetBucketVersioning": {"s3:GetBucketVersioning": BUCKET},
    },
    writes={
        "s3.CreateBucket": {"s3:CreateBucket": BUCKET, "s3:TagResource": BUCKET},
        "s3.PutPublicAccessBlock": {"s3:PutBucketPublicAccessBlock": BUCKET},
        "s3.PutBucketEncryption": {"s3:PutEncryptionConfiguration": BUCKET},
        "s3.PutBucketVersioning": {"s3:PutBucketVersioning": BUCKET},
    },
    withheld={"s3.PutBucketTagging": {"s3:PutBucketTagging": BUCKET}},  # only when one is adopted
)
