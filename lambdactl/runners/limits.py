"""What Lambda takes as an event. Pure."""

from __future__ import annotations

from lambdactl.errors import RunError
from lambdactl.runners.protocol import EVENT_MAX, REQUEST_MAX


def check_event(event: bytes, *, asynchronous: bool) -> None:
    """RunError, with Lambda's words, for one that is too large."""
    most = EVENT_MAX if asynchronous else REQUEST_MAX
    if len(event) > most:
        raise RunError(
            f"the event is {len(event):,} bytes; Lambda takes {most:,} in "
            f"{'an asynchronous' if asynchronous else 'a synchronous'} invocation",
            why=f"RequestTooLargeException: Request must be smaller than {most} bytes for the InvokeFunction "
            "operation",
            hint="put the input into S3 and pass its key",
        )
