"""Decides how a run ended. Pure.

Exit codes and last events lie (a CLI that was interrupted may say success and exit 0), so: first why
we stopped it, then its own last word, then the exit code.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.contract import Outcome
from agent.events import Ended
from agent.supervise import Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    outcome: Outcome
    reason: str = ""


def decide(
    ending: Ending, ended: Ended | None, *, abort: Verdict | None, speaks: bool, timeout: float
) -> Verdict:
    """`abort` is why the listener had it stopped. `speaks`: this agent type always has a last word."""
    if abort:
        return abort
    if ended and (ending.finished or not ending.why):
        return Verdict(outcome=ended.outcome, reason=ended.reason)
    if ending.why == "deadline":
        reason = f"stopped, and what there was saved, ahead of the time limit of {timeout:g} s"
        return Verdict(outcome="timed_out", reason=reason)
    if ending.why == "cancelled":
        return Verdict(outcome="cancelled", reason="the supervisor was asked to stop")
    if ending.why == "start_timeout":
        reason = f"no sign of life in {ending.silent:.0f} s after its start"
        return Verdict(outcome="start_timeout", reason=reason)
    if ending.why == "stalled":
        reason = f"no sign of life for {ending.silent:.0f} s, longer than any tool call may take"
        return Verdict(outcome="stalled", reason=reason)
    return _by_exit(ending, speaks)


def _by_exit(ending: Ending, speaks: bool) -> Verdict:
    if ending.out_of_memory or ending.signal == "SIGKILL":
        held = (
            f"killed by SIGKILL, which we did not send, with {ending.memory_peak >> 20:,} MB in use at most"
        )
        if ending.out_of_memory:
            return Verdict(
                outcome="out_of_memory", reason=f"{held}: the memory ran out; raise the job's memory"
            )
        return Verdict(outcome="failed", reason=held)
    if ending.signal:
        return Verdict(outcome="failed", reason=f"killed by {ending.signal}")
    if ending.exit_code:
        return Verdict(outcome="failed", reason=f"exit code {ending.exit_code}")
    if speaks:
        return Verdict(outcome="failed", reason="the agent ended without a result")
    return Verdict(outcome="succeeded")
