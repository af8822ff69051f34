"""What AWS answers that is not its last word, and how long to believe that. Pure.

Each row of NOT_YET is an exact operation, code and text: what is not here fails at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lambdactl.errors import AwsError

WAIT_SECONDS = 600.0  # until a function has settled; an image is pulled in well under that
THROTTLED_SECONDS = 900.0  # for one call; --timeout bounds the whole
UNSURE_TRIES = 6  # calls without a usable answer: broken connections, HTTP 5xx

# After these Lambda may for a while not see what the role may do, or that it may take it.
ROLE_CHANGES = frozenset(
    {
        "CreateRole",
        "DeleteRolePermissionsBoundary",
        "PutRolePermissionsBoundary",
        "PutRolePolicy",
        "UpdateAssumeRolePolicy",
    }
)
THROTTLES = frozenset(
    {
        "503",  # S3's SlowDown to a HEAD, whose answer has no body to say so
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
# What botocore raises where no answer came, or half of one; and answers that are the service's own fault.
_UNSURE = frozenset(
    {
        "ConnectTimeoutError",
        "ConnectionClosedError",
        "ConnectionError",
        "EndpointConnectionError",
        "HTTPClientError",
        "IncompleteReadError",
        "InternalError",
        "InternalFailure",
        "ReadTimeoutError",
        "RequestTimeout",
        "RequestTimeoutException",
        "ResponseParserError",
        "ResponseStreamingError",
        "ServiceException",
        "ServiceUnavailable",
        "Truncated",
    }
)


def throttled(error: AwsError) -> bool:
    # Lambda tells of EC2's throttles by text alone, under the code of a wrong parameter.
    return error.code in THROTTLES or error.status == 429 or "throttled by EC2" in error.what


def unsure(error: AwsError) -> bool:
    """Whether the call may have done its work all the same: nobody knows."""
    return error.code in _UNSURE or error.status >= 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """An answer that turns into success by itself. How long to believe that, in seconds:

    `young` when this run made or changed the role that the call is about, else `settled`: the same text
    is permanent for a role with a bad trust policy.
    """

    operations: frozenset[str]
    code: str
    text: str = ""  # a regular expression
    young: float
    settled: float


_FUNCTION_WRITES = frozenset(
    {
        "CreateFunction",
        "DeleteFunction",
        "DeleteFunctionConcurrency",
        "PutFunctionConcurrency",
        "PutFunctionEventInvokeConfig",
        "TagResource",
        "UntagResource",
        "UpdateFunctionCode",
        "UpdateFunctionConfiguration",
    }
)
# Exact texts and the projects that handle them: docs/design.md, "What AWS answers before it is ready".
NOT_YET = (
    NotYet(
        operations=frozenset({"CreateFunction", "UpdateFunctionConfiguration"}),
        code="InvalidParameterValueException",
        text=r"cannot be assumed by Lambda|role does not have permissions|KMS key is invalid for CreateGrant",
        young=120,
        settled=20,
    ),
    NotYet(
        operations=frozenset({"CreateFunction", "UpdateFunctionConfiguration"}),
        code="InvalidArnException",
        text=r"valid principal",
        young=120,
        settled=20,
    ),
    NotYet(
        operations=frozenset({"CreateFunction", "UpdateFunctionCode"}),
        code="InvalidParameterValueException",
        text=r"Source image .* does not exist",
        young=30,
        settled=30,
    ),
    NotYet(
        operations=_FUNCTION_WRITES,
        code="ResourceConflictException",
        text=r"update is in progress|currently in the following state: '?Pending",
        young=WAIT_SECONDS,
        settled=WAIT_SECONDS,
    ),
    # The sum was checked before anything changed: another function is about to give some back.
    NotYet(
        operations=frozenset({"PutFunctionConcurrency"}),
        code="InvalidParameterValueException",
        text=r"UnreservedConcurrentExecution below its minimum",
        young=30,
        settled=30,
    ),
    NotYet(
        operations=frozenset({"CreateSchedule", "UpdateSchedule"}),
        code="ValidationException",
        text=r"must allow AWS EventBridge Scheduler to assume the role",
        young=120,
        settled=20,
    ),
    # botocore: "Updating or deleting the resource can cause an inconsistent state."
    NotYet(
        operations=frozenset({"UpdateSchedule", "DeleteSchedule"}),
        code="ConflictException",
        young=20,
        settled=20,
    ),
    # Another host of IAM does not know the role yet; `settled`: one that a killed apply made just now.
    NotYet(operations=frozenset({"PutRolePolicy", "TagRole"}), code="NoSuchEntity", young=60, settled=10),
    NotYet(operations=frozenset({"DeleteRole"}), code="DeleteConflict", young=20, settled=20),
    # The first call of a function whose image Lambda has put away, or not unpacked yet.
    NotYet(operations=frozenset({"Invoke"}), code="CodeArtifactUserPendingException", young=120, settled=120),
)
# Two writes to one role, or to one log group, at the same time.
_CONCURRENT = frozenset(
    {"ConcurrentModification", "EntityTemporarilyUnmodifiable", "OperationAbortedException"}
)


def patience(operation: str, error: AwsError, *, young: bool) -> float:
    """Seconds for which this answer to this operation is worth repeating the call; 0 for never."""
    if error.code in _CONCURRENT:
        return 60
    for each in NOT_YET:
        if operation in each.operations and error.code == each.code and re.search(each.text, error.what):
            return each.young if young else each.settled
    return 0
