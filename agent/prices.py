"""What a model's tokens cost, by the table that the job's definition brings. Pure.

List prices of the standard tier. Not in it: surcharges of faster tiers, and tools that the provider
runs itself (web searches).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.result import Usage

MILLION = 1_000_000
HOUR = 0.6  # Anthropic: a write to the cache for an hour costs 2x the input, for five minutes 1.25x

# What may stand around a model's name: Bedrock's region and provider, a date, a version, a variant.
_BEFORE = re.compile(r"^(?:[a-z-]+\.)*anthropic\.|^[a-z-]+/")
_BEHIND = re.compile(r"(?:[-@](?:\d{8}|\d{4}-\d{2}-\d{2}))?(?:-v\d+(?::\d+)?)?(?:\[\w+\])?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD per million tokens. A request whose prompt has more than `over` tokens is billed by `long`."""

    input: float
    output: float
    cache_read: float
    cache_write: float
    over: int = 0
    long: Price | None = None

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Price:
        long = document.get("longPrompt")
        return cls(
            input=document["input"],
            output=document["output"],
            cache_read=document["cacheRead"],
            cache_write=document["cacheWrite"],
            over=long["over"] if long else 0,
            long=cls.parse(long) if long else None,
        )

    def cost(self, usage: Usage, hour_writes: int = 0) -> float:
        """USD of one request. `hour_writes` are those of the cache writes that are kept for an hour."""
        prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
        price = self.long if self.long and prompt > self.over else self
        return (
            usage.input_tokens * price.input
            + usage.output_tokens * price.output
            + usage.cache_read_tokens * price.cache_read
            + (usage.cache_write_tokens + HOUR * hour_writes) * price.cache_write
        ) / MILLION


Prices = Mapping[str, Price]


def find(prices: Prices, model: str) -> Price | None:
    """The price of a model as an answer names it: its name, or that without a date or a region."""
    return prices.get(model) or prices.get(_BEHIND.sub("", _BEFORE.sub("", model)))


def dearest(prices: Prices) -> tuple[str, Price] | None:
    """What a model without a price is counted as where a limit must hold."""
    return max(prices.items(), key=lambda each: (each[1].output, each[1].input), default=None)
