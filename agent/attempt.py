"""Whether this invocation is to do the work of its run: AWS delivers an event at least once.

The one that writes request.json first does it, by a conditional write. Another answers with the result
once there is one, and else does nothing: the first may still work, or it is lost, and what an agent did
halfway is not done again behind its back.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from agent.contract import encode
from agent.request import rejected
from agent.result import response
from agent.running import Run
from agent.store import CLAIM, Store


def begin(run: Run, store: Store, began: datetime) -> dict[str, Any] | None:
    """None when the run is ours from now on; else what to answer. Raises StoreError.

    The record holds ids and names only: it goes before the secrets are known.
    """
    if store.claim(CLAIM, encode(run.request.record(run.definition, began), indent=2) + b"\n"):
        return None
    if earlier := store.get("result.json"):
        return response(json.loads(earlier), store.address("result.json"))
    # No error: Lambda would only try again.
    reason = "an earlier attempt began this run and has written no result: it goes on, or is lost. "
    return {
        **rejected(run.request, f"{reason}Nothing was done"),
        "result": store.address("result.json"),
    }
