"""What a run may spend on its model, and who counts it. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from lambdactl.manifest.draft import AGENT_FIELDS, Draft
from lambdactl.manifest.finding import Finding, shown
from lambdactl.manifest.rules.agents import PROVIDERS
from lambdactl.manifest.rules.secrets import OTHER_LOGINS
from lambdactl.prices import known, prices

MODEL_ID = re.compile(r"(?:[a-z-]+\.)?anthropic\.[a-z0-9.-]+(?::[0-9]+)?")
# What a CLI can hold by itself, without the proxy.
_BY_ITSELF = {"claude-code": {"maxCostUsd"}}


def caps(draft: Draft) -> Iterator[Finding]:
    """Without the proxy nobody counts but the CLI."""
    if not _by_itself(draft) or "modelAccess" not in AGENT_FIELDS.get(draft.agent_type, ()):
        return
    for field in ("maxCostUsd", "maxTokens"):
        if field in draft.agent and field not in _BY_ITSELF.get(draft.agent_type, ()):
            what = f"agent.{field} does not hold with modelAccess env: {draft.agent_type} has no such limit"
            yield Finding(("agent", field), what, "use modelAccess proxy, the default", key=True)


def logins(draft: Draft) -> Iterator[Finding]:
    """The proxy adds a key; another way to log in is the CLI's own."""
    if _by_itself(draft):
        return
    for name in OTHER_LOGINS.get(draft.agent_type, ()):
        if name in draft.agent.get("env", {}):
            what = f"{name} does not go with the model proxy, which knows API keys only"
            hint = "declare the API key under secrets, or set `modelAccess: env` in agent"
            yield Finding(("agent", "env", name), what, hint, key=True)


def price(draft: Draft) -> Iterator[Finding]:
    """A limit in dollars needs to know what a token costs."""
    model, provider = draft.agent.get("model"), PROVIDERS.get(draft.agent_type)
    if "maxCostUsd" not in draft.agent or not model or not provider or _by_itself(draft):
        return
    among = prices(draft.agent.get("provider", provider), draft.project.prices)
    if known(model, among):
        return
    near = difflib.get_close_matches(model, among, n=1)
    meant = f"did you mean {near[0]}? Else " if near else ""
    what = f"no price is known for the model {shown(model)}, so agent.maxCostUsd cannot hold"
    hint = f"{meant}add it under `prices:` in lambdactl.yaml, in USD per million tokens"
    yield Finding(("agent", "model"), what, hint)


def bedrock(draft: Draft) -> Iterator[Finding]:
    """The model becomes part of the role's policy; only the supervisor has the role's credentials."""
    if draft.agent.get("provider") != "bedrock":
        return
    model = draft.agent.get("model")
    if model and not MODEL_ID.fullmatch(model):
        what = f"{shown(model)} is no id of a model, or of an inference profile, on Bedrock"
        hint = "write it as in eu.anthropic.claude-sonnet-4-5-20250929-v1:0; an ARN is not taken"
        yield Finding(("agent", "model"), what, hint)
    if _by_itself(draft):
        what = "agent.modelAccess env does not go with bedrock: there is no key that the CLI could be given"
        yield Finding(("agent", "modelAccess"), what, "remove it", key=True)


def _by_itself(draft: Draft) -> bool:
    return draft.agent.get("modelAccess") == "env"
