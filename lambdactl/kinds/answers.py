"""What Lambda's answers say of a function: whose it is, whether it can be told, how it does. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lambdactl.engine import Mark
from lambdactl.site import Site

OWNER = "LAMBDACTL_OWNER"  # the ownership mark that bulk reads show
BUCKET, DEFINITION = "LAMBDACTL_BUCKET", "LAMBDACTL_DEFINITION"
_HIDDEN = "(not shown)"
# What somebody may have set that no manifest says, and what an update says to take it away (as Terraform's
# provider does; *unverified* against AWS).
CLEARED: Mapping[str, Any] = {
    "DeadLetterConfig": {"TargetArn": ""},
    "FileSystemConfigs": [],
    "ImageConfig": {},
    "KMSKeyArn": "",
    "TracingConfig": {"Mode": "PassThrough"},
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": [], "Ipv6AllowedForDualStack": False},
}


def variables(answer: Mapping[str, Any]) -> Mapping[str, str]:
    variables: Mapping[str, str] = answer.get("Environment", {}).get("Variables", {})
    return variables


def told_variables(answer: Mapping[str, Any]) -> Mapping[str, str]:
    """The environment as a plan may tell it: what somebody else has put there may be a secret."""
    ours = (OWNER, BUCKET, DEFINITION)
    return {name: value if name in ours else _HIDDEN for name, value in variables(answer).items()}


def beside(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What is set of `CLEARED`, by its names. Of an image's overrides only which: they may hold a secret."""
    overrides = _said((answer.get("ImageConfigResponse") or {}).get("ImageConfig"))
    found = {name: _said(answer.get(name)) for name in CLEARED}
    found["ImageConfig"] = dict.fromkeys(overrides or (), _HIDDEN)
    return {name: value for name, value in found.items() if value and value != CLEARED[name]}


def destinations(invoke: Mapping[str, Any]) -> dict[str, Any]:
    """Where somebody has the results of asynchronous events sent."""
    return _said(invoke.get("DestinationConfig")) or {}


def _said(value: Any) -> Any:
    """Without what says nothing: AWS answers settings that are not made in full, with empty values."""
    if not isinstance(value, Mapping):
        return value
    return {name: kept for name, each in value.items() if (kept := _said(each))}


def mark_of(site: Site, answer: Mapping[str, Any]) -> Mark:
    """Whose mark a function carries, as ListFunctions shows it.

    One whose environment cannot be read counts as ours: it is blocked, which is less than refused.
    """
    if unreadable(answer):
        return "ours"
    owner = variables(answer).get(OWNER)
    if owner is None:
        return "none"
    return "ours" if owner == f"{site.project}/{site.environment}" else "theirs"


def unreadable(answer: Mapping[str, Any]) -> str:
    """Lambda could not decrypt the environment for us: what is in it, our mark included, is unknown."""
    error = answer.get("Environment", {}).get("Error")
    if not error:
        return ""
    return f"its environment cannot be read: {error.get('ErrorCode', '')} {error.get('Message', '')}".strip()


def unadoptable(answer: Mapping[str, Any]) -> str:
    if answer.get("PackageType", "Image") == "Image":
        return ""
    return "it is no container image, and Lambda cannot make one of it: delete it, or rename the job"


def last_update(state: Mapping[str, Any]) -> str:
    if state.get("State") == "Pending":
        return "Pending"
    status = state.get("LastUpdateStatus") or "Successful"
    if status == "Failed":
        return f"failed: {state.get('LastUpdateStatusReason') or state.get('LastUpdateStatusReasonCode')}"
    return "InProgress" if status == "InProgress" else ""


def time_of(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None
