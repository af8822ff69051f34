"""Counts what a run spends on its model, over all requests, and says when its limit is reached.

Threads share one meter. A limit is held by the next request: of those under way each may still end,
but near the limit they are let in one by one, so that the excess is about one answer.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, field

from agent.prices import Prices, dearest, find
from agent.proxy.dialects import Told
from agent.proxy.tap import BYTES
from agent.result import Usage


class Exceeded(Exception):
    """The limit is reached; the text says what was spent of what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`max_tokens`: all tokens of the run, in and out, those read from and written to the cache included."""

    max_cost_usd: float | None = None
    max_tokens: int | None = None

    def share(self, tokens: int, cost: float) -> float:
        """How much of the limit that is; 1 is all of it."""
        shares = [0.0]
        if self.max_cost_usd is not None:
            shares.append(cost / self.max_cost_usd)
        if self.max_tokens is not None:
            shares.append(tokens / self.max_tokens)
        return max(shares)


@dataclass(slots=True, eq=False)
class Ticket:
    """One request on its way. `tokens` and `cost` are what is already counted of it."""

    size: int = 0  # bytes of its body
    reserved: float = 0.0  # of the limit
    usage: Usage = field(default_factory=Usage)
    cost: float = 0.0


class Meter:
    def __init__(
        self, prices: Prices, limits: Limits, model: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits, self.prices, self.clock = limits, prices, clock
        self.usage, self.cost = Usage(), 0.0
        self.estimated = 0  # requests whose answer did not tell
        self.background = 0  # answers that are made where nobody can count
        self.unpriced: set[str] = set()  # models
        self.refused_at: float | None = None  # when a request was first refused
        self._price = find(prices, model) or (dearest(prices) or ("", None))[1]
        self._open: set[Ticket] = set()
        self._worst = 0.0  # what one request took of the limit, at most
        self._closed = False
        self._changed = threading.Condition()

    def enter(self, size: int) -> Ticket:
        """Let a request in whose body has `size` bytes. Waits while those under way may reach the limit."""
        with self._changed:
            need = max(self._worst, self._share_of(Usage(input_tokens=size // BYTES)))
            while self._open and not self._closed and self._taken() < 1 <= self._promised() + need:
                self._changed.wait()
            if self._closed:
                raise Exceeded("the run is over")
            if self._taken() >= 1:
                self.refused_at = self.clock() if self.refused_at is None else self.refused_at
                raise Exceeded(self.reason())
            ticket = Ticket(size=size, reserved=need)
            self._open.add(ticket)
            return ticket

    def count(self, ticket: Ticket, told: Told) -> None:
        """What its answer has told so far takes the place of what was counted of it before."""
        with self._changed:
            cost = self._cost(told)
            self.usage = self.usage - ticket.usage + told.usage
            self.cost += cost - ticket.cost
            ticket.usage, ticket.cost = told.usage, cost

    def leave(self, ticket: Ticket, told: Told, *, billed: bool, guessed: int = 0) -> None:
        """It is over. `billed`: the model worked for it; then what was not told is estimated by size."""
        with self._changed:
            if billed and not (told.final and told.usage.output_tokens):  # no answer is made of nothing
                self.background += told.background
                told = _estimated(ticket, told, guessed)
                self.estimated += 1
            self.count(ticket, told)
            self._open.discard(ticket)
            self._worst = max(self._worst, self.limits.share(_sum(ticket.usage), ticket.cost))
            self._changed.notify_all()

    def close(self, seconds: float) -> None:
        """Let nobody in any more; wait for those under way, but not for long."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._open, seconds)

    @property
    def cost_usd(self) -> float | None:
        """None where no limit asks for a cost and a model without a price took part."""
        known = self.limits.max_cost_usd is not None or not self.unpriced
        return round(self.cost, 6) if known and not self.background else None

    def reason(self) -> str:
        limits, tokens = self.limits, _sum(self.usage)
        if self.background:
            return "an answer was asked for in the background, where nobody can count what it costs"
        if limits.max_cost_usd is not None and self.cost >= limits.max_cost_usd:
            return f"the limit of its cost is reached: spent ${self.cost:.4f} of ${limits.max_cost_usd:g}"
        return f"the limit of its tokens is reached: spent {tokens:,} of {limits.max_tokens or 0:,}"

    def notes(self) -> list[str]:
        notes = []
        if self.background:
            notes.append(f"answers made in the background, so the cost is not known: {self.background}")
        if self.unpriced:
            as_ = dearest(self.prices) if self.limits.max_cost_usd is not None else None
            how = f"counted as {as_[0]}, the dearest" if as_ else "so the cost is not known"
            notes.append(f"no price is known for {', '.join(sorted(self.unpriced))}: {how}")
        if self.estimated:
            notes.append(f"answers that did not tell their usage, estimated: {self.estimated}")
        return notes

    def _cost(self, told: Told) -> float:
        if told.usage == Usage():
            return 0.0
        price = find(self.prices, told.model) if told.model else self._price
        if price is None:
            self.unpriced.add(told.model or "a model without a name")
            price = (dearest(self.prices) or ("", None))[1]
        return price.cost(told.usage, told.hour_writes) if price else 0.0

    def _share_of(self, usage: Usage) -> float:
        return self.limits.share(_sum(usage), self._price.cost(usage) if self._price else 0.0)

    def _taken(self) -> float:
        if self.background and self.limits != Limits():
            return math.inf
        return self.limits.share(_sum(self.usage), self.cost)

    def _promised(self) -> float:
        """What is spent when all that are under way take what they may."""
        under_way = (
            max(0.0, each.reserved - self.limits.share(_sum(each.usage), each.cost)) for each in self._open
        )
        return self._taken() + sum(under_way)


def _estimated(ticket: Ticket, told: Told, guessed: int) -> Told:
    usage = told.usage
    prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    return Told(
        model=told.model,
        usage=Usage(
            input_tokens=usage.input_tokens if prompt else ticket.size // BYTES,
            output_tokens=max(usage.output_tokens, guessed),
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        ),
        hour_writes=told.hour_writes,
    )


def _sum(usage: Usage) -> int:
    return sum(astuple(usage))
