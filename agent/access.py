"""How an agent reaches its model: through our proxy, which keeps the key, or by itself with the key."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from agent import secrets
from agent.outcome import Verdict
from agent.prices import Price
from agent.proxy import Meter, Proxy
from agent.proxy.dialects import DIALECTS
from agent.proxy.meter import Limits
from agent.proxy.upstream import Upstream
from agent.running import Run

PATIENCE = 5.0  # seconds in which the CLI may end by itself once a request was refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the CLI gets. `meter` is None where nobody counts."""

    base_url: str = ""
    key: str = field(default="", repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    meter: Meter | None = None

    @property
    def overspent(self) -> bool:
        """The CLI asks no more for a while, or asks in vain: it is to be stopped."""
        refused = self.meter.refused_at if self.meter else None
        return refused is not None and self.meter is not None and self.meter.clock() > refused + PATIENCE

    @property
    def verdict(self) -> Verdict | None:
        if self.meter is None or self.meter.refused_at is None:
            return None
        return Verdict(outcome="budget_exceeded", reason=self.meter.reason())


@contextlib.contextmanager
def opened(run: Run, values: Mapping[str, str]) -> Iterator[Access]:
    """The proxy lives as long as this context. Without a key there is nothing for it to keep."""
    agent, url = run.definition.agent, _given(run)
    key = secrets.model_key(agent.provider, values)
    dialect = DIALECTS.get(agent.provider)
    if not key or dialect is None or agent.model_access != "proxy":
        yield Access(base_url=url, key=key)
        return
    prices = {model: Price.parse(each) for model, each in agent.prices.items()}
    limits = Limits(max_cost_usd=agent.max_cost_usd, max_tokens=agent.max_tokens)
    meter = Meter(prices, limits, agent.model)
    upstream = Upstream(base=url or dialect.home, variables=run.settings.passed_on)
    with Proxy(dialect, upstream, key, meter) as proxy:
        env = _spared(run.settings.passed_on)
        yield Access(base_url=proxy.url, key=proxy.token, env=env, meter=meter)


def _given(run: Run) -> str:
    """Where the model's API is, when not at the provider."""
    agent, url = run.definition.agent, run.settings.model_url.rstrip("/")
    if not url:
        return agent.base_url
    return url + ("/v1" if agent.provider == "openai" else "")  # OpenAI's base URL ends with the version


def _spared(passed_on: Mapping[str, str]) -> dict[str, str]:
    """The CLI must not look for us behind the network's proxy."""
    spared = passed_on.get("no_proxy") or passed_on.get("NO_PROXY", "")
    value = f"{spared},127.0.0.1" if spared else "127.0.0.1"
    return {"NO_PROXY": value, "no_proxy": value}
