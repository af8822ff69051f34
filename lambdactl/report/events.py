"""Apply's events as lines, and its ending as a summary. No printing, no AWS."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from lambdactl.engine import Done, Event, Failed, Skipped, Started
from lambdactl.report.escape import terminal
from lambdactl.report.plan import shown

_DOING = {"create": "creating", "update": "updating", "replace": "replacing", "delete": "deleting"}
_DID = {"create": "created", "update": "updated", "replace": "replaced", "delete": "deleted"}


def event(event: Event) -> Text:
    step = event.step
    name = terminal(shown(step.address))
    match event:
        case Started():
            return Text(f"  {_DOING[step.action]} {name}", style="dim")
        case Done(seconds=seconds):
            return Text(f"✓ {_DID[step.action]} {name} ({seconds:.1f} s)", style="green")
        case Failed(error=error):
            return Text(f"✗ {step.action} {name}: {terminal(str(error))}", style="red")
        case Skipped(because=because):
            why = f"{terminal(shown(because))} failed" if because else "apply was stopped"
            return Text(f"- {name}: not started, since {why}", style="yellow")


def summary(events: Sequence[Event]) -> Text:
    """What was done, what was not, and what to do about it."""
    done = sum(isinstance(each, Done) for each in events)
    failed = [each for each in events if isinstance(each, Failed)]
    skipped = [each for each in events if isinstance(each, Skipped)]
    if not failed and not skipped:
        return Text(f"Apply complete: {done} done.", style="bold green")
    out = Text(
        f"Apply incomplete: {done} done, {len(failed)} failed, {len(skipped)} not started.\n", "bold red"
    )
    for each in failed:
        out.append(f"  {terminal(shown(each.step.address))}: {terminal(str(each.error))}\n", style="red")
    out.append("Nothing that was done is lost: run `lambdactl apply` again to continue.")
    return out
