"""What AWS answers before it is ready, and how long to believe it. Pure.

Each row is an exact operation, code and text: everything else fails at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lambdactl.errors import AwsError

WAIT_SECONDS = 600.0  # until a function has settled; an image is pulled in well under that


@dataclass(frozen=True, slots=True)
class NotYet:
    """An answer that turns into success by itself. `seconds` is how long to believe that."""

    operations: frozenset[str]
    code: str
    text: str  # a regular expression
    seconds: float


# Exact texts and the projects that handle them: docs/design.md, "What AWS answers before it is ready".
NOT_YET = (
    NotYet(
        frozenset({"CreateFunction", "UpdateFunctionConfiguration"}),
        "InvalidParameterValueException",
        r"cannot be assumed by Lambda|does not have permissions|KMS key is invalid for CreateGrant",
        120,
    ),
    NotYet(
        frozenset({"CreateFunction", "UpdateFunctionCode"}),
        "InvalidParameterValueException",
        r"Source image .* does not exist",
        30,
    ),
    NotYet(
        frozenset({"UpdateFunctionCode", "UpdateFunctionConfiguration", "PutFunctionConcurrency"}),
        "ResourceConflictException",
        r"update is in progress|currently in the following state: Pending",
        WAIT_SECONDS,
    ),
    NotYet(
        frozenset({"CreateSchedule", "UpdateSchedule"}),
        "ValidationException",
        r"must allow AWS EventBridge Scheduler to assume the role",
        120,
    ),
    # botocore: "Updating or deleting the resource can cause an inconsistent state."
    NotYet(frozenset({"UpdateSchedule", "DeleteSchedule"}), "ConflictException", r"", 20),
    NotYet(frozenset({"PutRolePolicy", "TagRole"}), "NoSuchEntity", r"", 20),
    NotYet(frozenset({"DeleteRole"}), "DeleteConflict", r"", 20),
)
# Two writes to one role, or to one log group, at the same time.
_CONCURRENT = frozenset(
    {"ConcurrentModification", "EntityTemporarilyUnmodifiable", "OperationAbortedException"}
)


def patience(operation: str, error: AwsError) -> float:
    """Seconds for which this answer to this operation is worth repeating the call; 0 for never."""
    if error.code in _CONCURRENT:
        return 60
    for each in NOT_YET:
        if operation in each.operations and error.code == each.code and re.search(each.text, error.what):
            return each.seconds
    return 0
