"""Values both provider dialects share: what a request says so far, and what is answered. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool the CLI offers. `name` has one form for both CLIs (mcp__server__tool), `wire` the dialect's."""

    name: str
    schema: Mapping[str, Any]
    wire: str
    namespace: str = ""  # OpenAI only: the group the tool is offered in
    freeform: bool = False  # OpenAI only: takes a text, not arguments
    finds: bool = False  # OpenAI only: finds tools that are not in the request yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One earlier answer of the model, with the names of the tools it called."""

    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a tool answered."""

    tool: str
    text: str
    is_error: bool = False


Entry = Prompt | Reply | Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    entries: tuple[Entry, ...]
    tools: tuple[Tool, ...] = ()
    cwd: str = ""
    searched: tuple[str, ...] = ()  # what was asked of a tool that finds tools
    format: Mapping[str, Any] | None = None  # OpenAI only: the JSON Schema of its last words

    @property
    def prompt(self) -> str:
        return "\n\n".join(entry.text for entry in self.entries if isinstance(entry, Prompt))

    @property
    def calls(self) -> tuple[str, ...]:
        """The names of all tools called so far, in order."""
        return tuple(call for entry in self.entries if isinstance(entry, Reply) for call in entry.calls)

    @property
    def results(self) -> tuple[Result, ...]:
        """Every tool result, wherever it stands: a CLI may append more user content after one."""
        return tuple(entry for entry in self.entries if isinstance(entry, Result))

    @property
    def last_result(self) -> str:
        return self.results[-1].text if self.results else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    tool: Tool
    input: Mapping[str, Any] | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An HTTP error instead of an answer. `kind` is the provider's error type ("" = as the status says)."""

    status: int
    kind: str = ""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the model answers to one request."""

    parts: tuple[Text | Use | Wait, ...]
    stop: str = "end_turn"  # Anthropic's words: end_turn, tool_use, max_tokens, refusal
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens, counted as four bytes each: plausible, and the same for the same conversation."""

    fresh: int
    cache_read: int = 0
    cache_write: int = 0
    output: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What an answer carries besides the turn. `digest` (hex of the request) makes its identifiers."""

    digest: str
    model: str
    usage: Usage


class Dialect(Protocol):
    """A provider's wire format; `anthropic` and `openai` are the two modules that have it."""

    def read(self, body: Mapping[str, Any]) -> Conversation:
        """The conversation a request carries."""

    def whole(self, turn: Turn, head: Head) -> dict[str, Any]:
        """The answer as one document."""

    def stream(self, turn: Turn, head: Head, wait: Callable[[float], None]) -> Iterator[dict[str, Any]]:
        """The answer as events, in order; `wait` is called where the turn pauses."""

    def error(self, failure: Failure, request_id: str) -> dict[str, Any]:
        """The body of an HTTP error."""
