"""Writes an invocation's lines into the emulator's CloudWatch Logs, as Lambda does. Nothing else.

Lambda's role here may write streams but not create groups: without the function's log group the
lines are lost, as they are on AWS.
"""

from __future__ import annotations

import queue
import threading
import time
from datetime import UTC, datetime
from typing import Any

BATCH = 1000  # events of one PutLogEvents; AWS takes 10,000 and 1 MB


class Journal:
    """A context manager: `write` never waits; all lines are stored when it closes. `logs` is a client."""

    def __init__(self, logs: Any, function: str, request_id: str) -> None:
        self._logs = logs
        self.group = f"/aws/lambda/{function}"
        day = datetime.now(UTC).strftime("%Y/%m/%d")
        self.stream = f"{day}/[$LATEST]{request_id.replace('-', '')}"
        self._lines: queue.SimpleQueue[tuple[int, str] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._store, daemon=True)

    def __enter__(self) -> Journal:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.put(None)
        self._thread.join()

    def write(self, line: str) -> None:
        self._lines.put((time.time_ns() // 1_000_000, line))

    def _store(self) -> None:
        open_ = self._open()
        ended = False
        while not ended:
            batch, ended = self._batch()
            if batch and open_:
                events = [{"timestamp": when, "message": line} for when, line in batch]
                self._logs.put_log_events(
                    logGroupName=self.group, logStreamName=self.stream, logEvents=events
                )

    def _open(self) -> bool:
        try:
            self._logs.create_log_stream(logGroupName=self.group, logStreamName=self.stream)
        except self._logs.exceptions.ResourceNotFoundException:
            return False
        except self._logs.exceptions.ResourceAlreadyExistsException:
            pass  # a retry: the same request again
        return True

    def _batch(self) -> tuple[list[tuple[int, str]], bool]:
        """What is there, at least one line; and whether it was the last."""
        batch: list[tuple[int, str]] = []
        item = self._lines.get()
        while item is not None:
            batch.append(item)
            if len(batch) == BATCH or self._lines.empty():
                return batch, False
            item = self._lines.get()
        return batch, True
