"""Tokens, as two providers count them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambdactl.report.html.values import mapping, number


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens. `sent` is all that went to the model, whatever of it came from a cache."""

    input: float = 0
    cache_read: float = 0
    cache_write: float = 0
    output: float = 0

    @property
    def sent(self) -> float:
        return self.input + self.cache_read + self.cache_write

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input=self.input + other.input,
            cache_read=self.cache_read + other.cache_read,
            cache_write=self.cache_write + other.cache_write,
            output=self.output + other.output,
        )


@dataclass(frozen=True, slots=True)
class Point:
    """What had been used by then, in all."""

    at: float
    usage: Usage


def anthropic_usage(value: Any) -> Usage:
    usage = mapping(value)
    return Usage(
        input=number(usage.get("input_tokens")),
        cache_read=number(usage.get("cache_read_input_tokens")),
        cache_write=number(usage.get("cache_creation_input_tokens")),
        output=number(usage.get("output_tokens")),
    )


def openai_usage(value: Any) -> Usage:
    """OpenAI counts what came from its cache among the input, we do not."""
    usage = mapping(value)
    read, written = number(usage.get("cached_input_tokens")), number(usage.get("cache_write_input_tokens"))
    return Usage(
        input=max(0, number(usage.get("input_tokens")) - read - written),
        cache_read=read,
        cache_write=written,
        output=number(usage.get("output_tokens")),
    )
