"""A job's definition in the bucket: one object under its own SHA-256 (see lambdactl.definition).

Older versions stay: they say what ran. They go with the job.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from lambdactl.definition import canonical, digest
from lambdactl.deployment import Deployments
from lambdactl.engine import Address, Call, Effect, Resource, computed, step_to
from lambdactl.errors import AwsError
from lambdactl.grants import BUCKET, BUCKET_KEY, Permissions, Reach
from lambdactl.kinds.look import Look

_LARGEST = 8 << 20  # bytes; ours are much smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition(Resource):
    kind: ClassVar[str] = "definition"
    half_read: ClassVar[frozenset[str]] = frozenset({"document"})  # encrypted by a key of the user's

    bucket: str = computed()
    folder: str = computed()  # ends with "/"
    document: Mapping[str, Any]
    keys: tuple[str, ...] = field(default=(), compare=False)  # all versions found

    @classmethod
    def wanted(cls, deployments: Deployments) -> Iterable[Self]:
        site = deployments.site
        for each in deployments.jobs:
            name = each.job.name
            folder = site.definitions_prefix(name)
            yield cls(name=name, bucket=site.bucket, folder=folder, document=each.definition)

    @classmethod
    def read(cls, look: Look) -> Iterable[Resource]:
        for job, objects in look.definitions.items():
            folder = look.site.definitions_prefix(job)
            wanted = look.wanted.get(Address("definition", job))
            keys = tuple(sorted(each["Key"] for each in objects))
            if isinstance(wanted, Definition) and wanted.key in keys:
                document = wanted.document  # the key is the content's hash
            elif wanted is None:
                document = {}
            else:
                newest = max(objects, key=lambda each: (each["LastModified"], each["Key"]))
                document = _fetch(look, newest["Key"])
            found = cls(name=job, bucket=look.site.bucket, folder=folder, document=document, keys=keys)
            if isinstance(wanted, Definition) and wanted.key not in keys and step_to(found, wanted) is None:
                # Null and nothing, 1 and 1.0: equal here, and yet another object is wanted.
                found = replace(found, document={})
            yield found

    @property
    def key(self) -> str:
        return f"{self.folder}{digest(self.document)}.json"

    def needs(self) -> tuple[Address, ...]:
        return (Address("bucket", self.bucket),)

    def create(self) -> Iterator[Effect]:
        body = canonical(self.document)
        parameters = {"Bucket": self.bucket, "Key": self.key, "Body": body, "ContentType": "application/json"}
        yield Call(service="s3", operation="PutObject", parameters=parameters)

    def update(self, found: Self) -> Iterator[Effect]:
        yield from self.create()

    def delete(self) -> Iterator[Effect]:
        for key in self.keys:
            parameters = {"Bucket": self.bucket, "Key": key}
            yield Call(service="s3", operation="DeleteObject", parameters=parameters)


def _fetch(look: Look, key: str) -> Mapping[str, Any]:
    """A stored definition, to show what changes in it; {} when it is not one of ours, or not readable.

    The plan role in CI may not decrypt: with a key of the user's, the plan shows the new one alone.
    """
    try:
        stored = look.aws.stored(look.site.bucket, key, _LARGEST)
        document = json.loads(stored.content) if stored else {}
    except (ValueError, RecursionError):
        return {}
    except AwsError as error:
        if error.code != "AccessDenied":
            raise
        return {}
    ours = isinstance(document, dict) and key.endswith(f"/{digest(document)}.json")
    return document if ours else {}


# Definitions, and what else is ours in the bucket (the lock, the history).
OWN = Reach(sid="OwnPrefix", limits=lambda site: {"Resource": f"{site.bucket_arn}/{site.own_prefix}*"})
PERMISSIONS = Permissions(
    reads={
        "s3.ListObjectsV2": {"s3:ListBucket": BUCKET},
        # Not kms:Decrypt: what a key of yours encrypts, a plan does not show (`_fetch`).
        "s3.GetObject": {"s3:GetObject": OWN},
    },
    writes={
        # Who may write may also read it back: that needs kms:Decrypt.
        "s3.PutObject": {"s3:PutObject": OWN, "kms:GenerateDataKey": BUCKET_KEY, "kms:Decrypt": BUCKET_KEY},
        "s3.DeleteObject": {"s3:DeleteObject": OWN},
    },
)
