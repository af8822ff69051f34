"""MCP servers: one transport each, pinned, reachable. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lambdactl.manifest.bundling import Unclear, bundle
from lambdactl.manifest.draft import Draft
from lambdactl.manifest.finding import Finding
from lambdactl.manifest.rules.addresses import address_fault

_STDIO = ("command", "args", "env")
_REMOTE = ("url", "headers")


def type_of(server: Mapping[str, Any]) -> str:
    """stdio, http or sse; by what is there when `type` is not given."""
    return str(server.get("type", "http" if "url" in server and "command" not in server else "stdio"))


def transport(draft: Draft) -> Iterator[Finding]:
    for name, server in draft.servers.items():
        path, kind = ("mcpServers", name), type_of(server)
        if {(*path, field) for field in ("type", "command", "url")} & set(draft.broken):
            continue  # its transport cannot be told
        needed, unfit = ("command", _REMOTE) if kind == "stdio" else ("url", _STDIO)
        if needed not in server:
            both = " (or url, for a remote one)" if kind == "stdio" and "type" not in server else ""
            what = f"the {kind} server {name} has no {needed}"
            yield Finding((*path, needed), what, f"add {needed}{both}")
        for field in unfit:
            if field in server:
                what = f"{field} does not fit {name}, which is of type {kind}"
                yield Finding(
                    (*path, field),
                    what,
                    "a server has either command, args and env, or url and headers",
                    True,
                )
        if kind == "sse" and draft.agent_type == "codex":
            yield Finding(
                (*path, "type"),
                f"Codex does not speak sse, which {name} needs",
                "use type http if the server has it",
            )


def aws(draft: Draft) -> Iterator[Finding]:
    for name, server in draft.servers.items():
        if server.get("aws") and type_of(server) != "stdio":
            what = f"aws does not fit {name}, which is of type {type_of(server)}: it runs elsewhere"
            yield Finding(("mcpServers", name, "aws"), what, "remove it", key=True)


def pinned(draft: Draft) -> Iterator[Finding]:
    for name, server in draft.servers.items():
        if "command" not in server or ("mcpServers", name, "args") in draft.broken:
            continue
        try:
            bundle(server["command"], server.get("args", []))
        except Unclear as error:
            at = ("command",) if error.at is None else ("args", error.at)
            yield Finding(("mcpServers", name, *at), error.what, error.hint)


def address(draft: Draft) -> Iterator[Finding]:
    for name, server in draft.servers.items():
        if "url" in server:
            what, hint = address_fault(server["url"])
            if what:
                yield Finding(("mcpServers", name, "url"), f"the URL of {name} {what}", hint)


def command(draft: Draft) -> Iterator[Finding]:
    for name, server in draft.servers.items():
        text = server.get("command", "")
        if any(c.isspace() for c in text):
            what = f"the command of {name} holds a space; it is one program, not a shell line"
            yield Finding(("mcpServers", name, "command"), what, "put the arguments into args")
        elif "/" in text and not text.startswith("/"):
            what = f"the command of {name} is a relative path"
            hint = "include the file and run it by its interpreter: command: python3, args: [path]"
            yield Finding(("mcpServers", name, "command"), what, hint)
