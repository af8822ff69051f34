"""The documents that lambdactl and the agent share, as frozen values: parse and dump. Pure.

Their JSON Schemas, with examples, are in schemas/. What lambdactl writes is checked there before it
is stored, so parsing here is plain: a wrong document raises ContractError, never half a value.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from typing import Any, Literal

VERSION = 1
DEEPEST = 200  # lists and objects within each other, of what others made
OUTPUT_MAX = 100_000  # characters of the final text that result.json carries

Outcome = Literal[
    "succeeded",
    "failed",
    "timed_out",
    "budget_exceeded",
    "start_timeout",
    "stalled",
    "mcp_unavailable",
    "out_of_memory",
    "cancelled",
    "rejected",
]

INVOCATION_MAX = 900  # seconds, the most that Lambda gives one
# Lambda ends a chain of functions that invoke each other after about 16.
LEGS_MAX = 12

_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ContractError(Exception):
    """A document is not what its version says it is."""


# -- the job's definition ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    type: str
    version: str = ""
    model: str = ""
    provider: str = ""
    base_url: str = ""
    prompt: str = ""
    system_prompt: str = ""
    max_turns: int | None = None
    model_access: str = "proxy"  # or env: the CLI gets the key itself
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    prices: Mapping[str, Any] = field(default_factory=dict)  # model -> agent.prices.Price, as a document
    permission_mode: str = "bypassPermissions"
    allowed_tools: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)  # values may hold ${secrets.NAME}
    aws: bool = False  # it gets the function's own credentials
    output_schema: Mapping[str, Any] | None = None  # JSON Schema that its structured output must fit


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """`stdio` has command, args, env and aws; `http` and `sse` have url and headers."""

    name: str
    type: str = "stdio"
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False  # the run goes on without it
    aws: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    project: str
    environment: str
    job: str
    image: str  # the fingerprint of the image it was made for
    prefix: str
    timeout: int  # seconds
    agent: Agent
    mcp_servers: tuple[McpServer, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)  # name -> SSM parameter
    artifacts: tuple[str, ...] = ()
    legs: int = 1  # invocations that one run may take
    sha256: str = ""

    @classmethod
    def parse(cls, document: Any, sha256: str = "") -> Definition:
        try:
            return _definition(document, sha256)
        except (KeyError, TypeError, ValueError, AttributeError) as wrong:
            raise ContractError(f"not a definition of version {VERSION}: {wrong!r}") from None


def _definition(document: Mapping[str, Any], sha256: str) -> Definition:
    if document["version"] != VERSION:
        raise ValueError(f"version {document['version']!r}")
    return Definition(
        project=document["project"],
        environment=document["environment"],
        job=document["job"],
        image=document["image"],
        prefix=document["prefix"],
        timeout=document["timeout"],
        agent=_agent(document["agent"]),
        mcp_servers=tuple(_server(name, each) for name, each in sorted(document["mcpServers"].items())),
        secrets=dict(document["secrets"]),
        artifacts=tuple(document["artifacts"]),
        legs=document.get("legs", 1),
        sha256=sha256,
    )


def _agent(document: Mapping[str, Any]) -> Agent:
    return Agent(
        type=document["type"],
        version=document["version"],
        model=document["model"],
        provider=document["provider"],
        base_url=document["baseUrl"],
        prompt=document["prompt"],
        system_prompt=document["systemPrompt"],
        max_turns=document["maxTurns"],
        model_access=document.get("modelAccess", "proxy"),
        max_cost_usd=document.get("maxCostUsd"),
        max_tokens=document.get("maxTokens"),
        prices=dict(document.get("prices", {})),
        permission_mode=document["permissionMode"],
        allowed_tools=tuple(document["allowedTools"]),
        command=tuple(document["command"]),
        env=dict(document["env"]),
        aws=document.get("aws", False),
        output_schema=document.get("outputSchema"),
    )


def _server(name: str, document: Mapping[str, Any]) -> McpServer:
    optional = document.get("optional", False)
    if document["type"] == "stdio":
        return McpServer(
            name=name,
            command=document["command"],
            args=tuple(document["args"]),
            env=dict(document["env"]),
            optional=optional,
            aws=document.get("aws", False),
        )
    return McpServer(
        name=name,
        type=document["type"],
        url=document["url"],
        headers=dict(document["headers"]),
        optional=optional,
    )


# -- what asks for a run -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One run asked for. `input` has a value only when `has_input`: null is an input too.

    A `leg` over 1 is not a new run: it goes on from the checkpoint whose record has that SHA-256.
    """

    run_id: str
    request_id: str
    input: Any = None
    has_input: bool = False
    attempt: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)  # tells two from each other
    leg: int = 1
    checkpoint: str = ""

    @classmethod
    def of_event(cls, event: Any, request_id: str) -> Request:
        """An event that is not one of ours becomes the input whole, as S3's and EventBridge's do.

        A run id that is no UUID makes the event not ours: the id becomes part of a key.
        """
        if not is_shallow(event):
            raise ContractError(f"the event is too deep: over {DEEPEST} lists and objects within each other")
        run_id = _derived(request_id)
        if _next_leg(event):
            return cls(
                run_id=event["runId"],
                request_id=request_id,
                leg=event["leg"],
                checkpoint=event["checkpoint"],
            )
        if not _ours(event):
            return cls(run_id=run_id, request_id=request_id, input=event, has_input=True)
        return cls(
            run_id=event.get("runId") or _of_schedule(event.get("scheduled", "")) or run_id,
            request_id=request_id,
            input=event.get("input"),
            has_input="input" in event,
        )

    def record(self, definition: Definition, started: datetime) -> dict[str, Any]:
        """request.json: what was asked and when it began; the input lies beside it."""
        return {
            "version": VERSION,
            "runId": self.run_id,
            "requestId": self.request_id,
            "attempt": self.attempt,
            "job": definition.job,
            "project": definition.project,
            "environment": definition.environment,
            "definition": definition.sha256,
            "startedAt": timestamp(started),
            "hasInput": self.has_input,
        }


def _ours(event: Any) -> bool:
    return (
        isinstance(event, dict)
        and event.get("version") == VERSION
        and not isinstance(event["version"], bool)
        and event.keys() <= {"version", "runId", "scheduled", "input"}
        and isinstance(event.get("scheduled", ""), str)
        and _RUN_ID.fullmatch(str(event.get("runId", uuid.UUID(int=0)))) is not None
    )


def _of_schedule(scheduled: str) -> str:
    """A UUIDv7 of the schedule's ARN and the time it meant: the same however often it is delivered."""
    try:
        meant = datetime.strptime(scheduled.rpartition(" ")[2], "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return ""
    value = int(meant.timestamp() * 1000) << 80
    value |= int.from_bytes(
        hashlib.sha256(scheduled.encode("utf-8", "backslashreplace")).digest()[:10], "big"
    )
    return str(uuid.UUID(int=value & ~(0xF << 76 | 3 << 62) | 7 << 76 | 2 << 62))


def _next_leg(event: Any) -> bool:
    """Whether it is what a supervisor sends to itself, to the letter."""
    return (
        isinstance(event, dict)
        and event.keys() == {"version", "runId", "leg", "checkpoint"}
        and [type(event[name]) for name in ("version", "leg")] == [int, int]
        and event["version"] == VERSION
        and 2 <= event["leg"] <= LEGS_MAX
        and _RUN_ID.fullmatch(str(event["runId"])) is not None
        and _SHA256.fullmatch(str(event["checkpoint"])) is not None
    )


def leg_event(run_id: str, leg: int, checkpoint: str) -> dict[str, Any]:
    """What starts the next leg of a run."""
    return {"version": VERSION, "runId": run_id, "leg": leg, "checkpoint": checkpoint}


def _derived(request_id: str) -> str:
    """Lambda's request id is a UUID and the same on its retries; anything else is hashed to one."""
    if _RUN_ID.fullmatch(request_id.lower()):
        return request_id.lower()
    return str(uuid.uuid5(uuid.NAMESPACE_OID, request_id))


# -- what came of it -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens. `input_tokens` are those not read from or written to the provider's cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{name: value + getattr(other, name) for name, value in asdict(self).items()})

    def __sub__(self, other: Usage) -> Usage:
        return Usage(**{name: max(0, value - getattr(other, name)) for name, value in asdict(self).items()})

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Usage:
        return cls(**{each.name: int(document[_camel(each.name)]) for each in fields(cls)})

    def dump(self) -> dict[str, Any]:
        return {_camel(name): value for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    name: str
    status: str  # connected, failed, pending, needs-auth, unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    path: str  # in the run folder
    size: int  # bytes
    sha256: str
    content_type: str

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> StoredFile:
        return cls(**{each.name: document[_camel(each.name)] for each in fields(cls)})

    def dump(self) -> dict[str, Any]:
        return {_camel(name): value for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class LegRecord:
    """One leg of a run that has several. `ended`: "continued", or the outcome of the run."""

    started_at: str
    ended_at: str
    ended: str
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    turns: int | None = None

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> LegRecord:
        plain = {each.name: document[_camel(each.name)] for each in fields(cls)}
        return cls(**{**plain, "usage": Usage.parse(document["usage"])})

    def dump(self) -> dict[str, Any]:
        plain = {_camel(each.name): getattr(self, each.name) for each in fields(self)}
        return {**plain, "usage": self.usage.dump()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    run_id: str
    job: str
    project: str
    environment: str
    image: str
    agent_type: str
    agent_version: str
    model: str
    outcome: Outcome
    reason: str
    exit_code: int | None = None
    signal: str | None = None
    started_at: datetime
    ended_at: datetime
    usage: Usage = field(default_factory=Usage)
    cost_usd: float | None = None
    turns: int | None = None
    session_id: str | None = None
    memory_peak_mb: int | None = None  # 2^20 bytes
    hardening: Mapping[str, bool] = field(default_factory=dict)  # measure -> whether it holds
    output: str = ""
    structured_output: Any = None
    mcp_servers: tuple[ServerStatus, ...] = ()
    files: tuple[StoredFile, ...] = ()
    resumable: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    sandbox: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    legs: tuple[LegRecord, ...] = ()  # of a run that may have several

    def dump(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "runId": self.run_id,
            "job": self.job,
            "project": self.project,
            "environment": self.environment,
            "image": self.image,
            "agent": {"type": self.agent_type, "version": self.agent_version, "model": self.model},
            "outcome": self.outcome,
            "reason": self.reason,
            "exitCode": self.exit_code,
            "signal": self.signal,
            "startedAt": timestamp(self.started_at),
            "endedAt": timestamp(self.ended_at),
            "durationSeconds": round(max(0.0, (self.ended_at - self.started_at).total_seconds()), 3),
            "usage": self.usage.dump(),
            "costUsd": self.cost_usd,
            "turns": self.turns,
            "sessionId": self.session_id,
            "memoryPeakMb": self.memory_peak_mb,
            "hardening": dict(self.hardening),
            "output": self.output[:OUTPUT_MAX],
            "structuredOutput": self.structured_output,
            "mcpServers": [asdict(server) for server in self.mcp_servers],
            "files": [file.dump() for file in self.files],
            "resumable": self.resumable,
            "versions": dict(self.versions),
            "sandbox": dict(self.sandbox),
            "notes": list(self.notes),
            **({"legs": [leg.dump() for leg in self.legs]} if self.legs else {}),
        }


def is_shallow(value: Any) -> bool:
    """Whether what masks and encodes it, level by level, gets to its ground."""
    level = [value]
    for _ in range(DEEPEST):
        inner = [each for each in level if isinstance(each, (dict, list))]
        level = [one for each in inner for one in (each.values() if isinstance(each, dict) else each)]
    return not level


def encode(document: Any, indent: int | None = None) -> bytes:
    """JSON in UTF-8; half a surrogate pair, which an event may hold, stays the escape it was."""
    return json.dumps(document, ensure_ascii=False, indent=indent).encode("utf-8", "backslashreplace")


def response(result: Mapping[str, Any], address: str, unstored: Sequence[str] = ()) -> dict[str, Any]:
    """What Lambda answers: where the result is, how the run ended, and which files could not be stored."""
    return {
        "version": VERSION,
        "runId": result["runId"],
        "outcome": result["outcome"],
        "reason": result["reason"],
        "result": address,
        **({"unstored": list(unstored)} if unstored else {}),
    }


def rejected(request: Request, reason: str) -> dict[str, Any]:
    """What is answered to an event that asks for nothing that can be done."""
    return {"version": VERSION, "runId": request.run_id, "outcome": "rejected", "reason": reason}


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    text = moment.astimezone(timezone.utc).isoformat(timespec="milliseconds")  # noqa: UP017 - Python 3.10
    return text.replace("+00:00", "Z")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
