"""What models cost: the table that ships with lambdactl (prices.yaml), a project's own on top. Reads only.

They travel in a job's definition, so that what counts in a run needs no table (agent/prices.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Prices = Mapping[str, Mapping[str, Any]]  # model -> USD per million tokens, as schemas/project has it

# As agent/prices.py: what may stand around a model's name.
_BEFORE = re.compile(r"^(?:[a-z-]+\.)*anthropic\.|^[a-z-]+/")
_BEHIND = re.compile(r"(?:[-@](?:\d{8}|\d{4}-\d{2}-\d{2}))?(?:-v\d+(?::\d+)?)?(?:\[\w+\])?$")


def prices(provider: str, own: Prices) -> Prices:
    """All that may be asked for in a run: an agent's CLI asks other models of its provider, too."""
    listed = _table().get("anthropic" if provider == "bedrock" else provider, {})
    return {**listed, **{model: _whole(price) for model, price in own.items()}}


def known(model: str, among: Prices) -> bool:
    """Whether `model` has a price, with or without a date or a region."""
    return model in among or _BEHIND.sub("", _BEFORE.sub("", model)) in among


@cache
def _table() -> Mapping[str, Prices]:
    found: Mapping[str, Prices] = yaml.safe_load(Path(__file__).with_name("prices.yaml").read_text("utf-8"))
    return found


def _whole(price: Mapping[str, Any]) -> dict[str, Any]:
    """With the cache's prices, which are the input's where a project names none."""
    whole = {"cacheRead": price["input"], "cacheWrite": price["input"], **price}
    if "longPrompt" in whole:
        whole["longPrompt"] = _whole(whole["longPrompt"])
    return whole
