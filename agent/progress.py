"""Progress lines: one JSON object a line on standard output; what others say is masked. Decides nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from agent.contract import timestamp
from agent.pace import Pace
from agent.redact import Redactor
from agent.request import Request
from agent.result import Usage

TEXT = 8_000  # characters; the whole is in the events
SHORT = 500

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    write: Callable[[str], None]
    now: Callable[[], datetime]
    redactor: Redactor
    pace: Pace = field(default_factory=Pace)

    def started(self, request: Request, job: str, agent: str) -> None:
        self._line("run.started", runId=request.run_id, job=job, agent=agent)

    def text(self, text: str) -> None:
        if self._passes():
            self._line("agent.text", text=self._cut(text, TEXT))

    def tool(self, name: str, arguments: Any) -> None:
        if not self._passes():
            return
        shown = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        self._line("agent.tool", name=self.redactor.text(name), input=self._cut(shown, SHORT))

    def tool_result(self, text: str, is_error: bool) -> None:
        if self._passes():
            self._line("agent.toolResult", isError=is_error, text=self._cut(text, SHORT))

    def usage(self, turns: int | None, usage: Usage, cost_usd: float | None) -> None:
        self._line("agent.usage", turns=turns, costUsd=cost_usd, **usage.dump())

    def log(self, level: Level, message: str) -> None:
        self._line("run.log", level=level, message=self._cut(message, TEXT))

    def metrics(self, line: Mapping[str, Any]) -> None:
        """A line of CloudWatch's, and none of ours: it has no type."""
        self.write(json.dumps(line))

    def ended(self, run_id: str, outcome: str, reason: str) -> None:
        """`reason` as the result has it: masked."""
        self._say_held()
        self._line("run.ended", runId=run_id, outcome=outcome, reason=reason)

    def _passes(self) -> bool:
        passes = self.pace.passes()
        if passes:
            self._say_held()
        return passes

    def _say_held(self) -> None:
        if held := self.pace.forget():
            self.log("info", f"{held:,} lines of progress are not shown: too many at once")

    def _cut(self, text: str, most: int) -> str:
        """Masked before it is cut: half a value is not found any more."""
        masked = self.redactor.text(text)
        return masked if len(masked) <= most else f"{masked[:most]}... ({len(masked):,} characters)"

    def _line(self, kind: str, **values: Any) -> None:
        line = {"time": timestamp(self.now()), "type": kind, **values}
        # ASCII: whatever reads the log needs to know no encoding, and no line separator is hidden in it.
        self.write(json.dumps(line))
