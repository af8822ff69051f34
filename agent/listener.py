"""Follows an agent's output: shows it as progress, remembers how it went. Starts and stops nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.clis import Cli
from agent.events import Asked, Began, Called, Ended, Event, Noticed, Returned, Said
from agent.outcome import Verdict
from agent.progress import Progress
from agent.result import ServerStatus, Usage
from agent.supervise import Reaction

if TYPE_CHECKING:
    from agent.proxy.meter import Meter


_SESSION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # both CLIs': a UUID


class Listener:
    """`server_log` gives the last words of an MCP server, `optional` names those that a run goes on
    without. `on_up` is called as soon as the CLI is up."""

    def __init__(
        self,
        cli: Cli,
        progress: Progress,
        server_log: Callable[[str], str],
        optional: Collection[str] = (),
        on_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._cli, self._progress, self._server_log = cli, progress, server_log
        self._optional, self._on_up = frozenset(optional), on_up
        self._told: set[str] = set()  # optional servers of which the reader knows
        self.session_id: str | None = None
        self.servers: tuple[ServerStatus, ...] = ()
        self.ended: Ended | None = None
        self.abort: Verdict | None = None
        self.meter: Meter | None = None  # what it says of usage and cost goes over what the CLI says
        self.before = 0  # turns of the legs before this one
        self.not_understood = 0
        self.notes: tuple[str, ...] = ()
        self.answers = 0  # of tools, without an error
        self.asked: Usage | None = None  # what is known of the usage before the last word
        self.turns = 0

    def on_line(self, line: bytes) -> Reaction:
        """A line we cannot read is counted, and stays in the events: it must not end a run."""
        try:
            return self.hear(self._cli.parse(line))
        except Exception:  # a bug of ours, or an event of a shape we do not know
            self.not_understood += 1
            return ""

    def hear(self, events: Iterable[Event]) -> Reaction:
        reaction: Reaction = ""
        for event in events:
            reaction = self._take(event) or reaction
        return reaction

    def _take(self, event: Event) -> Reaction:
        match event:
            case Began():
                return self._began(event)
            case Said():
                self._progress.text(event.text)
            case Called():
                self._progress.tool(event.tool, event.arguments)
            case Returned():
                self.answers += not event.is_error
                self._progress.tool_result(event.text, event.is_error)
            case Asked():
                self.asked = (self.asked or Usage()) + event.usage
                self.turns += event.turn
            case Noticed():
                self._progress.log(event.level, event.message)
            case Ended():
                return self._ended(event)
        return ""

    def _began(self, event: Began) -> Reaction:
        """An agent without its tools does harm with confidence: a server that is not there ends the run."""
        self._on_up()
        # A checkpoint holds it as it is: anything that runs there may have written this line.
        if event.session_id and _SESSION.fullmatch(event.session_id):
            self.session_id = event.session_id
        self.servers = event.servers
        down = {
            each.name: f"MCP server {each.name}: {each.status}{self._words(each.name, event)}"
            for each in event.servers
            if each.status != "connected"
        }
        self.notes = tuple(f"optional {said}" for name, said in down.items() if name in self._optional)
        for each in event.servers:  # Codex tells by and by, and says pending until then
            if each.name in self._optional - self._told and each.status not in ("connected", "pending"):
                self._told.add(each.name)
                self._progress.log("warning", f"optional {down[each.name]}")
        if reasons := [said for name, said in down.items() if name not in self._optional]:
            self.abort = Verdict(outcome="mcp_unavailable", reason="; ".join(reasons))
            return "abort"
        return ""

    def _words(self, server: str, event: Began) -> str:
        said = self._server_log(server) or event.details.get(server, "")
        return f" ({said})" if said else ""

    def _ended(self, event: Ended) -> Reaction:
        if self.meter:
            event = replace(event, usage=self.meter.usage, cost_usd=self.meter.cost_usd)
        self.ended = event
        if event.usage != Usage():
            # The meter counts all legs of a run, a CLI the turns of its own.
            turns = event.turns + self.before if event.turns and self.meter else event.turns
            self._progress.usage(turns, event.usage, event.cost_usd)
        return "finished"
