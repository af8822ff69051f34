"""What Lambda says of a function between its creation and its end. Pure.

Source: Lambda's developer guide, "Lambda function states", and botocore's model (State,
LastUpdateStatus, which is absent while a function is created). The refusals: of a function that is being
created or broken, aws/serverless-application-model #2356; while an update runs, motdotla/node-lambda #535.
"""

from __future__ import annotations

from dataclasses import dataclass

_NOT_NOW = "The operation cannot be performed at this time."


@dataclass(frozen=True, slots=True)
class Failure:
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What happened last to a function, and until when it is under way."""

    step: str = "update"  # or "create"
    until: float = 0.0
    failure: Failure | None = None
    idle: bool = False

    def words(self, now: float) -> dict[str, str]:
        if self.step == "create" and now < self.until:
            reason = "The function is being created."
            return {"State": "Pending", "StateReason": reason, "StateReasonCode": "Creating"}
        if self.step == "create" and self.failure:
            return _because("State", self.failure)
        state = {"State": "Active"}
        if self.idle:
            state = _because("State", Failure("Idle", "The function is idle."), value="Inactive")
        if now < self.until:
            return {**state, "LastUpdateStatus": "InProgress"}
        if self.failure:
            return {**state, **_because("LastUpdateStatus", self.failure)}
        return {**state, "LastUpdateStatus": "Successful"}

    def obstacle(self, now: float, arn: str) -> str:
        """Why nothing may change it now, or ""."""
        words = self.words(now)
        if words["State"] in ("Pending", "Failed"):
            code = words["StateReasonCode"]
            state = f"in the following state: '{words['State']}'. StateReasonCode: '{code}'"
            return f"{_NOT_NOW} The resource {arn} is currently {state}"
        if now < self.until:
            return f"{_NOT_NOW} An update is in progress for resource: {arn}"
        return ""


def _because(name: str, why: Failure, value: str = "Failed") -> dict[str, str]:
    return {name: value, f"{name}Reason": why.reason, f"{name}ReasonCode": why.code}
