"""The APIs that the proxy speaks: which paths there are, how errors look, where usage is told. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent.numbers import count
from agent.result import Usage

# Authentication of the client's own, and what holds for one connection only: never passed on.
AUTHENTICATION = frozenset({"authorization", "x-api-key", "api-key", "cookie", "x-amz-security-token"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an answer says of itself so far; `final` when no more is to come. `background`: it is made
    whether anybody listens or not."""

    model: str = ""
    usage: Usage = field(default_factory=Usage)
    hour_writes: int = 0  # of the cache writes
    final: bool = False
    background: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """`mount` is what the CLI's base URL ends with. `free` and `metered`: "METHOD path" below it."""

    home: str  # the provider's own base URL
    mount: str
    free: re.Pattern[str]
    metered: re.Pattern[str]
    authorize: Callable[[str], Mapping[str, str]] = field(repr=False)
    read: Callable[[Mapping[str, Any], Told], Told]
    error: Callable[[int, str], Mapping[str, Any]]

    def refusal(self, status: int, message: str) -> bytes:
        return json.dumps(self.error(status, message)).encode()


# -- Anthropic Messages: https://docs.anthropic.com/en/api/messages and /messages-streaming -------

_KINDS = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error"}
_KINDS |= {404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error"}


def _read_anthropic(event: Mapping[str, Any], before: Told) -> Told:
    """Counts are cumulative; which event has which differs by gateway, so the greatest holds."""
    kind = event.get("type")
    message = event.get("message") if kind == "message_start" else event
    if kind not in ("message_start", "message_delta", "message") or not isinstance(message, Mapping):
        return before
    usage = message.get("usage") or {}
    hour = (usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens")
    return Told(
        model=str(message.get("model") or before.model),
        usage=Usage(
            input_tokens=max(before.usage.input_tokens, count(usage.get("input_tokens"))),
            output_tokens=max(before.usage.output_tokens, count(usage.get("output_tokens"))),
            cache_read_tokens=max(
                before.usage.cache_read_tokens, count(usage.get("cache_read_input_tokens"))
            ),
            cache_write_tokens=max(
                before.usage.cache_write_tokens, count(usage.get("cache_creation_input_tokens"))
            ),
        ),
        hour_writes=max(before.hour_writes, count(hour)),
        final=kind != "message_start" and bool(usage),
    )


def _anthropic_error(status: int, message: str) -> Mapping[str, Any]:
    return {"type": "error", "error": {"type": _KINDS.get(status, "api_error"), "message": message}}


def bedrock(model: str) -> Dialect:
    """Messages as Amazon Bedrock has them: one model, named in the path; requests are signed, without a key.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html
    """
    return Dialect(
        home="",
        mount="",
        free=re.compile(r"(?!)"),
        metered=re.compile(f"POST /model/{re.escape(model)}/invoke(-with-response-stream)?"),
        authorize=lambda key: {},
        read=_read_anthropic,
        error=lambda status, message: {"message": message},
    )


# -- OpenAI Responses: https://platform.openai.com/docs/api-reference/responses -------------------


def _read_openai(event: Mapping[str, Any], before: Told) -> Told:
    """Input counts what was read from and written to the cache; output counts the reasoning."""
    response = event.get("response") if str(event.get("type")).startswith("response.") else event
    if not isinstance(response, Mapping):
        return before
    before = replace(before, background=before.background or response.get("background") is True)
    if not (usage := response.get("usage")) or not isinstance(usage, Mapping):
        return before
    details = usage.get("input_tokens_details") or {}
    read, written = count(details.get("cached_tokens")), count(details.get("cache_write_tokens"))
    return Told(
        model=str(response.get("model") or before.model),
        usage=Usage(
            input_tokens=max(0, count(usage.get("input_tokens")) - read - written),
            output_tokens=count(usage.get("output_tokens")),
            cache_read_tokens=read,
            cache_write_tokens=written,
        ),
        final=True,
    )


def _openai_error(status: int, message: str) -> Mapping[str, Any]:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


DIALECTS: Mapping[str, Dialect] = {
    "anthropic": Dialect(
        home="https://api.anthropic.com",
        mount="",
        free=re.compile(r"GET /v1/models(/[\w.:@-]{1,200})?|POST /v1/messages/count_tokens"),
        metered=re.compile(r"POST /v1/messages"),
        authorize=lambda key: {"x-api-key": key},
        read=_read_anthropic,
        error=_anthropic_error,
    ),
    "openai": Dialect(
        home="https://api.openai.com/v1",
        mount="/v1",
        free=re.compile(r"GET /models(/[\w.:@-]{1,200})?"),
        metered=re.compile(r"POST /responses(/compact)?"),
        authorize=lambda key: {"authorization": f"Bearer {key}"},
        read=_read_openai,
        error=_openai_error,
    ),
}
