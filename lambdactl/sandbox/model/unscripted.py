"""What the model says without a script: try one tool, write the file asked for, tell what happened. Pure.

Good for a demo: a prompt written for a real model gets a sensible, repeatable run. Nothing that
could change the world behind an MCP server is called.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from lambdactl.sandbox.model.conversation import Conversation, Text, Tool, Turn, Use
from lambdactl.sandbox.model.tools import OUTPUT, ScriptError, output, search, write

# In order of preference; a tool whose name has a word of REFUSED is left alone.
LIKED = ("echo", "sum", "add", "time", "date", "now", "search", "find", "list", "read", "get")
REFUSED = re.compile(
    r"delete|remove|drop|destroy|write|create|update|edit|set|push|merge|send|post|put|upload|move|kill"
    r"|run|exec|execute|shell|bash|command|trigger|toggle|simulate|gzip|env|secrets?|token"
)
ASKS_FOR_FILE = re.compile(
    r"\b(?:write|save|create|put|store)\b[^\n]{0,120}?(?<![\w:/.@-])((?:[\w-]+/)*[\w-]+\.[A-Za-z]{2,5})\b",
    re.IGNORECASE,
)
ZONE = re.compile(
    r"\b(?:Africa|America|Antarctica|Asia|Atlantic|Australia|Europe|Indian|Pacific|Etc)(?:/\w[\w+-]*)+"
)
SPEAKS_OF_ZONE = re.compile(r"time[ _-]?zone", re.IGNORECASE)
QUOTED = 600  # characters of a tool's result that are repeated


def turn(conversation: Conversation) -> Turn:
    """One step of the built-in behaviour: a tool of an MCP server, then the file, then the end, which is
    a structured output where one is asked for."""
    called = conversation.calls
    tool = choose(conversation.tools, conversation.prompt)
    if tool is None and (looking := search(" ".join(LIKED), conversation)):
        return looking
    if tool and not any(call.startswith("mcp__") for call in called):
        use = Use(tool=tool, input=arguments(tool.schema, conversation.prompt))
        return Turn(parts=(Text(text=f"I will try {tool.name}."), use), stop="tool_use")
    path = wanted_file(conversation.prompt)
    if path and len(called) < (2 if tool else 1):
        try:
            use = write(path, report(path, conversation), conversation)
        except ScriptError:  # nothing offered writes files: say what there is to say
            return Turn(parts=(Text(text=summary(conversation)),))
        return Turn(parts=(Text(text=f"I will write {path}."), use), stop="tool_use")
    schema = next((tool.schema for tool in conversation.tools if tool.name == OUTPUT), conversation.format)
    if schema and OUTPUT not in called:
        return output(arguments(schema, conversation.prompt), conversation)
    return Turn(parts=(Text(text=summary(conversation)),))


def choose(tools: tuple[Tool, ...], prompt: str = "") -> Tool | None:
    """The MCP tool most fit to be tried: harmless, spoken of in the prompt, few required arguments."""
    asked = set(re.findall(r"[a-z]+", prompt.lower()))
    ranked = []
    for order, tool in enumerate(tools):
        words = re.findall(r"[a-z]+", tool.name.rpartition("__")[2].lower())
        if not tool.name.startswith("mcp__") or tool.freeform or any(map(REFUSED.fullmatch, words)):
            continue
        rank = min((LIKED.index(word) for word in words if word in LIKED), default=len(LIKED))
        spoken_of = any(word in asked for word in words if word in LIKED)
        ranked.append((not spoken_of, rank, len(tool.schema.get("required", ())), order))
    return tools[min(ranked)[-1]] if ranked else None


def numbers(prompt: str) -> list[int]:
    """The whole numbers that the prompt names: what a tool that takes numbers is most likely meant to get."""
    return [int(each) for each in re.findall(r"(?<![\w.:-])\d{1,9}(?![\w.:-]*\w)", prompt)]


def zone(prompt: str) -> str:
    """The first time zone that the prompt names as the IANA does, else UTC."""
    match = ZONE.search(prompt)
    return match.group() if match else "UTC"


def arguments(schema: Mapping[str, Any], prompt: str = "") -> dict[str, Any]:
    """A value for each required property: a number or a time zone as the prompt names it, else its
    default, first choice or example, else one of its type."""
    properties = schema.get("properties", {})
    left = numbers(prompt)
    found: dict[str, Any] = {}
    for place, name in enumerate(schema.get("required", ())):
        about = properties.get(name, {})
        if about.get("type") in ("number", "integer") and left:
            found[name] = left.pop(0)
        elif about.get("type") == "string" and SPEAKS_OF_ZONE.search(f"{name} {about.get('description')}"):
            found[name] = zone(prompt)
        else:
            found[name] = _value(about, place)
    return found


def _value(schema: Mapping[str, Any], place: int) -> Any:
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if schema.get(key):
            return schema[key][0]
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind in ("number", "integer"):
        return max(place + 2, schema.get("minimum", place + 2))
    if kind == "array":
        return [_value(schema.get("items", {}), place)] * schema.get("minItems", 0)
    plain = {"boolean": True, "null": None, "object": arguments(schema) if kind == "object" else {}}
    return plain.get(kind, "hello from the scripted model")


def wanted_file(prompt: str) -> str:
    """The relative path of a file the prompt asks to write, or ""."""
    match = ASKS_FOR_FILE.search(prompt)
    return match.group(1) if match else ""


def report(path: str, conversation: Conversation) -> str:
    """What is written into the file asked for."""
    told = [{"tool": result.tool, "result": result.text[:QUOTED]} for result in conversation.results]
    if path.endswith(".json"):
        return json.dumps({"tools": told}, indent=2) + "\n"
    lines = [f"- {one['tool']} answered: {one['result']}" for one in told] or ["No tool was called."]
    return "# Report of the scripted model\n\n" + "\n".join(lines) + "\n"


def summary(conversation: Conversation) -> str:
    """The last words: what each tool answered."""
    if not conversation.results:
        return "The scripted model has nothing to do: no tool is offered that it would call."
    lines = [
        f"{result.tool} {'failed' if result.is_error else 'answered'}: {result.text.strip()[:QUOTED]}"
        for result in conversation.results
    ]
    return "Done.\n" + "\n".join(lines)
