"""What the scripted model says next, from a script and the conversation so far. Pure.

A script is a JSON list of steps, each an object with one key:

    {"say": "text"}                                   {"tool": "mcp__files__read", "input": {...}}
    {"bash": "sleep 60"}                              {"write": {"path": "a.md", "content": "..."}}
    {"delay": 2.5}      seconds                       {"error": {"status": 500, "message": "..."}}
    {"stop": "end_turn"}  ends the turn; also "max_tokens", "refusal"
    {"output": {...}}  structured output, as the CLI asks for it

A turn takes steps up to the first tool call, stop or error. How many answers the model has given
since the script's prompt tells which turn is next, so a script survives a retry and a resumed
session, and the server remembers nothing. An error step is therefore never passed.

`{result}` in any text stands for the last tool result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lambdactl.sandbox.model import tools
from lambdactl.sandbox.model.conversation import (
    Conversation,
    Failure,
    Prompt,
    Reply,
    Text,
    Turn,
    Use,
    Wait,
)

Step = Mapping[str, Any]
KINDS: Mapping[str, tuple[type, ...]] = {
    "say": (str,),
    "tool": (str,),
    "bash": (str,),
    "write": (dict,),
    "delay": (int, float),
    "error": (dict,),
    "stop": (str,),
    "output": (dict,),
}
ENDS_TURN = {"tool", "bash", "write", "error", "stop", "output"}
STOPS = {"end_turn", "max_tokens", "refusal"}

MARK = re.compile(r'(?:"?\bSCRIPT"?\s*:|```script)\s*(?=\[)')


def find(text: str) -> tuple[Step, ...] | None:
    """The last script in a prompt: after `SCRIPT:` (also as a JSON member) or in a ```script block."""
    marks = list(MARK.finditer(text))
    if not marks:
        return None
    try:
        steps, _ = json.JSONDecoder().raw_decode(text, marks[-1].end())
    except ValueError as broken:
        raise tools.ScriptError(f"the script in the prompt is not JSON: {broken}") from None
    return parse(steps)


def parse(steps: Any) -> tuple[Step, ...]:
    """Checked steps; ScriptError names the first that is wrong."""
    if not isinstance(steps, Sequence) or isinstance(steps, str):
        raise tools.ScriptError("a script is a list of steps")
    for number, step in enumerate(steps):
        kind = kind_of(step) if isinstance(step, Mapping) else ""
        extra = set(step) - {kind, "input"} if kind == "tool" else set(step) - {kind} if kind else set()
        if not kind or extra or not isinstance(step[kind], KINDS[kind]):
            raise tools.ScriptError(
                f"step {number} is not one of {', '.join(KINDS)}: {json.dumps(step)[:200]}"
            )
        if kind == "write" and not {"path", "content"} == set(step[kind]):
            raise tools.ScriptError(f"step {number}: write takes path and content")
        if kind == "stop" and step[kind] not in STOPS:
            raise tools.ScriptError(f"step {number}: stop is one of {', '.join(sorted(STOPS))}")
    return tuple(steps)


def kind_of(step: Step) -> str:
    return next((kind for kind in KINDS if kind in step), "")


def turn(steps: Sequence[Step], conversation: Conversation, answered: int) -> Turn:
    """The turn after `answered` turns of the script."""
    turns = list(_turns(steps))
    if answered >= len(turns):
        last = conversation.last_result
        return Turn(parts=(Text(text=f"The script has ended. {last}".strip()),))
    return _play(turns[answered], conversation)


def scripted(conversation: Conversation) -> tuple[tuple[Step, ...], int] | None:
    """The script of the latest prompt that has one, and how many answers were given since."""
    found: tuple[Step, ...] | None = None
    answered = 0
    for entry in conversation.entries:
        if isinstance(entry, Prompt) and (steps := find(entry.text)) is not None:
            found, answered = steps, 0
        answered += isinstance(entry, Reply)
    return None if found is None else (found, answered)


def _turns(steps: Sequence[Step]) -> Iterator[tuple[Step, ...]]:
    begun: list[Step] = []
    for step in steps:
        begun.append(step)
        if kind_of(step) in ENDS_TURN:
            yield tuple(begun)
            begun = []
    if begun:
        yield tuple(begun)


def _play(steps: Sequence[Step], conversation: Conversation) -> Turn:
    parts: list[Text | Use | Wait] = []
    for step in steps:
        kind = kind_of(step)
        value = _filled(step[kind], conversation.last_result)
        if kind == "say":
            parts.append(Text(text=value))
        elif kind == "delay":
            parts.append(Wait(seconds=float(value)))
        elif kind == "stop":
            return Turn(parts=tuple(parts), stop=value)
        elif kind == "error":
            return Turn(parts=tuple(parts), failure=_failure(value))
        elif kind == "output":
            handed = tools.output(value, conversation)
            return replace(handed, parts=(*parts, *handed.parts))
        else:
            parts.append(
                _use(kind, value, _filled(step.get("input", {}), conversation.last_result), conversation)
            )
            return Turn(parts=tuple(parts), stop="tool_use")
    return Turn(parts=tuple(parts))


def _use(kind: str, value: Any, arguments: Any, conversation: Conversation) -> Use:
    if kind == "bash":
        return tools.bash(value, conversation)
    if kind == "write":
        return tools.write(value["path"], value["content"], conversation)
    return Use(tool=tools.named(value, conversation), input=arguments)


def _failure(value: Mapping[str, Any]) -> Failure:
    return Failure(
        status=int(value.get("status", 500)),
        kind=str(value.get("type", "")),
        message=str(value.get("message", "the script says so")),
    )


def _filled(value: Any, result: str) -> Any:
    """`value` with {result} replaced in every string."""
    if isinstance(value, str):
        return value.replace("{result}", result)
    if isinstance(value, Mapping):
        return {key: _filled(item, result) for key, item in value.items()}
    return [_filled(item, result) for item in value] if isinstance(value, list) else value
