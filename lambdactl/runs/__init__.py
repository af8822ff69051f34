"""Runs of jobs: what their folders say, in the bucket or on this machine. Draws nothing.

A run is what its folder says: with `result.json` it ended, with `request.json` it began. Nothing is
kept elsewhere.
"""

from lambdactl.runs.bucket import CANCEL, Runs, needs
from lambdactl.runs.here import local, local_chunks, local_files, result_here
from lambdactl.runs.run import (
    LARGEST,
    Place,
    Run,
    Saved,
    ended,
    event,
    is_run_id,
    new_run_id,
    read_result,
)

__all__ = [
    "CANCEL", "LARGEST", "Place", "Run", "Runs", "Saved", "ended", "event", "is_run_id", "local",
    "local_chunks", "local_files", "needs", "new_run_id", "read_result", "result_here",
]  # fmt: skip
