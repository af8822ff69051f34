"""What came of a run, and what the invocation answers. Pure; schemas/result.schema.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from agent.contract import VERSION, Outcome, camel, timestamp

OUTPUT_MAX = 100_000  # characters of the final text that result.json carries


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
        return cls(**{each.name: int(document[camel(each.name)]) for each in fields(cls)})

    def dump(self) -> dict[str, Any]:
        return {camel(name): value for name, value in asdict(self).items()}


STATUSES = ("connected", "failed", "pending", "needs-auth", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    name: str
    status: str  # one of STATUSES, or what its CLI says


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    path: str  # in the run folder
    size: int  # bytes
    sha256: str
    content_type: str

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> StoredFile:
        return cls(**{each.name: document[camel(each.name)] for each in fields(cls)})

    def dump(self) -> dict[str, Any]:
        return {camel(name): value for name, value in asdict(self).items()}


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
        plain = {each.name: document[camel(each.name)] for each in fields(cls)}
        return cls(**{**plain, "usage": Usage.parse(document["usage"])})

    def dump(self) -> dict[str, Any]:
        plain = {camel(each.name): getattr(self, each.name) for each in fields(self)}
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
