"""Both agent CLIs by the same words, for what has to hold with either."""

from __future__ import annotations

from typing import Any

from tests.agent import test_claude_code, test_codex
from tests.agent.bench import Bench, Done

KINDS = ("claude-code", "codex")
EVERYTHING = test_codex.EVERYTHING


def run(kind: str, clis: Bench, *steps: dict[str, Any], **changes: Any) -> Done:
    """One run of an agent of this type that plays `steps`."""
    play = test_claude_code.run if kind == "claude-code" else test_codex.run
    return play(clis, *steps, **changes)


def heard(done: Done) -> list[str]:
    """What the agent's tools answered, in order."""
    return [line["text"] for line in done.lines if line["type"] == "agent.toolResult"]
