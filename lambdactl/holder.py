"""What the apply lock says: who holds it, since when, and whether it has expired. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lambdactl.author import Author, short
from lambdactl.aws import Stored
from lambdactl.errors import Refused
from lambdactl.site import Site

VERSION = 1
RENEW_SECONDS = 20.0
# Three renewals: one may be lost and one be slow, and a killed apply still holds nobody up for long.
EXPIRE_SECONDS = 60.0
_TEXT_MAX = 300  # characters of what stands in a lock that may be nobody's


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """All times are S3's. `nonce` is "" when the object is not one of ours to read."""

    who: str
    commit: str
    nonce: str
    since: datetime
    renewed: datetime
    seen: datetime

    @property
    def age(self) -> float:
        """Seconds from the last renewal to when this was read."""
        return (self.seen - self.renewed).total_seconds()

    @property
    def expired(self) -> bool:
        return self.age > EXPIRE_SECONDS

    def __str__(self) -> str:
        commit = f" at commit {short(self.commit)}" if self.commit else ""
        since = f"{self.since:%H:%M:%S} UTC"
        return f"{self.who}{commit}, since {since}, renewed {max(self.age, 0):.0f} s ago"


def body(author: Author, nonce: str, counter: int, since: datetime | None) -> bytes:
    """The lock's content. `counter` makes each renewal's unique; `since` is unknown to the first."""
    document: dict[str, Any] = {
        "version": VERSION,
        "owner": author.who,
        "commit": author.commit,
        "nonce": nonce,
        "counter": counter,
    }
    if since is not None:
        document["since"] = since.isoformat()
    return json.dumps(document).encode()


def read(stored: Stored) -> Holder:
    """The lock as it was read. One that we cannot read is somebody's all the same, and expires too."""
    document = _document(stored.content)
    return Holder(
        who=str(document.get("owner") or "somebody unknown")[:_TEXT_MAX],
        commit=str(document.get("commit") or "")[:_TEXT_MAX],
        nonce=str(document.get("nonce") or ""),
        since=_time(document.get("since")) or stored.modified,
        renewed=stored.modified,
        seen=stored.answered,
    )


def refusal(holder: Holder, site: Site) -> Refused:
    return Refused(
        f"another apply of {site.project} ({site.environment}) is under way: {holder}",
        where=f"s3://{site.bucket}/{site.apply_lock_key}",
        hint="wait for it (`--lock-timeout 300`); should it be dead, its lock expires "
        f"{EXPIRE_SECONDS:.0f} s after the last renewal, or `lambdactl unlock` removes it",
    )


def _document(content: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _time(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found and (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
