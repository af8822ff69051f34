"""Which of the tools a CLI offers does what, and how it is called. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from lambdactl.sandbox.model.conversation import Conversation, Text, Tool, Turn, Use

FOUND = 50  # tools a search may bring
OUTPUT = "StructuredOutput"  # Claude Code's way to hand over what its --json-schema asks for
# The same tool under both CLIs: Claude Code's own, an MCP server's, Codex's own.
SHELLS = ("Bash", "shell", "exec_command", "shell_command")


class ScriptError(Exception):
    """The script is not one, or calls a tool that is not offered."""


class NotOffered(ScriptError):
    """A tool is not in the request; `query` would find it where the CLI holds tools back."""

    def __init__(self, what: str, query: str) -> None:
        super().__init__(what)
        self.query = query


def named(name: str, conversation: Conversation) -> Tool:
    """The tool `name`; Codex turns a server's hyphens into underscores, so both spellings fit."""
    for tool in conversation.tools:
        if tool.name.replace("-", "_") == name.replace("-", "_"):
            return tool
    offered = ", ".join(tool.name for tool in conversation.tools) or "none"
    raise NotOffered(f"no tool {name!r} is offered; offered: {offered}", query=re.sub(r"[\W_]+", " ", name))


def search(query: str, conversation: Conversation) -> Turn | None:
    """Ask once for tools the CLI holds back: Codex does so with MCP tools for the models it knows."""
    finder = next((tool for tool in conversation.tools if tool.finds), None)
    if finder is None or query in conversation.searched:
        return None
    return Turn(parts=(Use(tool=finder, input={"query": query, "limit": FOUND}),), stop="tool_use")


def shell(conversation: Conversation) -> Tool | None:
    """The tool that runs shell commands, of the CLI or of an MCP server."""
    for wanted in SHELLS:
        for tool in conversation.tools:
            if tool.name.rpartition("__")[2] == wanted and not tool.freeform:
                return tool
    return None


def bash(command: str, conversation: Conversation) -> Use:
    """A call of the shell tool, with the arguments its schema asks for."""
    tool = shell(conversation)
    if tool is None:
        raise NotOffered("no shell tool is offered", query="shell bash command")
    properties = tool.schema.get("properties", {})
    name = "cmd" if "cmd" in properties else "command"
    if properties.get(name, {}).get("type") == "array":
        return Use(tool=tool, input={name: ["bash", "-c", command]})
    return Use(tool=tool, input={name: command})


def output(value: Mapping[str, Any], conversation: Conversation) -> Turn:
    """Hand over a structured output: by Claude Code's tool, else as the last words."""
    for tool in conversation.tools:
        if tool.name == OUTPUT:
            return Turn(parts=(Use(tool=tool, input=value),), stop="tool_use")
    return Turn(parts=(Text(text=json.dumps(value)),))


def write(path: str, content: str, conversation: Conversation) -> Use:
    """Write a file below the working directory: with Claude Code's Write, else a shell, else apply_patch."""
    tools = {tool.name: tool for tool in conversation.tools}
    if "Write" in tools:
        absolute = path if path.startswith("/") or not conversation.cwd else f"{conversation.cwd}/{path}"
        return Use(tool=tools["Write"], input={"file_path": absolute, "content": content})
    if shell(conversation):
        parent = path.rpartition("/")[0]
        folder = f"mkdir -p {shlex.quote(parent)} && " if parent else ""
        return bash(f"{folder}printf %s {shlex.quote(content)} > {shlex.quote(path)}", conversation)
    if "apply_patch" in tools and tools["apply_patch"].freeform:
        lines = "".join(f"+{line}\n" for line in content.splitlines())
        patch = f"*** Begin Patch\n*** Add File: {path}\n{lines}*** End Patch\n"
        return Use(tool=tools["apply_patch"], input=patch)
    raise ScriptError("no tool that writes files is offered")
