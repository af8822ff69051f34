"""How an agent reaches its model: through our proxy, which keeps the key, or by itself with the key."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent import secrets
from agent.outcome import Verdict
from agent.prices import Price
from agent.running import Run

if TYPE_CHECKING:
    from agent.proxy import Meter

NO_KEY = "the scripted model asks for no key"
PATIENCE = 5.0  # seconds in which the CLI may end by itself once a request was refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the CLI gets. `meter` is None where nobody counts."""

    provider: str = ""  # as the CLI is to speak with it
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
    provider, key = agent.provider, secrets.model_key(agent.provider, values)
    if provider == "bedrock" and run.settings.model_url:
        provider, key = "anthropic", NO_KEY  # the scripted model does not speak Bedrock
    if agent.model_access != "proxy" or not (key or provider == "bedrock"):
        yield Access(provider=provider, base_url=url, key=key)
        return
    from agent.proxy import Meter, Proxy  # a job without a model does without all of it
    from agent.proxy.dialects import DIALECTS, bedrock
    from agent.proxy.meter import Limits
    from agent.proxy.signing import Signer
    from agent.proxy.upstream import Upstream

    signer = Signer() if provider == "bedrock" else None
    dialect = bedrock(agent.model) if signer else DIALECTS[provider]
    home = signer.home if signer else dialect.home
    prices = {model: Price.parse(each) for model, each in agent.prices.items()}
    limits = Limits(max_cost_usd=agent.max_cost_usd, max_tokens=agent.max_tokens)
    meter = Meter(prices, limits, agent.model)
    # Limits hold over all legs of a run.
    meter.usage, meter.cost = run.leg.sofar.usage, run.leg.sofar.cost_usd or 0.0
    upstream = Upstream(base=url or home, variables=run.settings.passed_on)
    with Proxy(dialect, upstream, key, meter, signer) as proxy:
        env = _spared(run.settings.passed_on)
        yield Access(provider=provider, base_url=proxy.url, key=proxy.token, env=env, meter=meter)


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
