"""One object of the bucket that several may write: changed only over what was seen. Knows S3's conditions.

S3 compares entity tags, so whoever needs to tell two writes apart puts something unique into each body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lambdactl.aws import Aws, Stored, answered
from lambdactl.errors import AwsError, NotFound

TRIES = 5  # each lost race means that somebody else got on
_LARGEST = 16 << 20  # bytes; ours are much smaller
# What S3 answers when the object is not the one that was seen: another, one just being written, or gone.
_CHANGED = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409", "NoSuchKey"})


def changed(error: AwsError) -> bool:
    """Whether a write was refused since the object is not (or no longer) the one that was seen."""
    return error.code in _CHANGED


@dataclass(frozen=True, slots=True)
class Cell:
    aws: Aws
    bucket: str
    key: str

    def read(self) -> Stored | None:
        """What stands there now; None when nothing does, or there is no bucket."""
        return self.aws.stored(self.bucket, self.key, _LARGEST)

    def put(self, body: bytes, over: Stored | None) -> Stored:
        """Write `body` over what was seen (None: over nothing). AwsError, `changed`, when it is no longer so.

        Any error leaves open whether it was written: the answer may be lost, and botocore's own retry
        then meets what the first try wrote.
        """
        condition = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over.etag}
        answer = self._call("PutObject", Body=body, ContentType="application/json", **condition)
        now = answered(answer) or datetime.now(UTC)
        return Stored(body, now, answer["ETag"], now)

    def delete(self, seen: Stored) -> bool:
        """Remove what was seen; False when something else stands there, True when it is gone."""
        try:
            self._call("DeleteObject", IfMatch=seen.etag)
        except NotFound:
            return True
        except AwsError as error:
            if not changed(error):
                raise
            return False
        return True

    def _call(self, operation: str, **parameters: Any) -> Mapping[str, Any]:
        where = {"Bucket": self.bucket, "Key": self.key}
        answer: Mapping[str, Any] = self.aws.call("s3", operation, {**where, **parameters})
        return answer
