"""The door for a shell: `python -m agent --request-id ID --timeout SECONDS < event.json`.

The environment is the function's. Progress goes to standard output; the response is its last line.
SIGTERM and SIGINT end the run as cancelled, with everything stored.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from agent import processes, signals
from agent.contract import ContractError
from agent.run import start
from agent.running import Outside
from agent.store import StoreError


def main(arguments: list[str]) -> int:
    """0 when a result was stored, whatever the outcome; 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m agent", description="Run one job's agent.")
    parser.add_argument("--request-id", required=True, help="names the run, when the event does not")
    parser.add_argument("--timeout", required=True, type=float, help="seconds the invocation may take")
    options = parser.parse_args(arguments)
    cancelled = signals.listen()
    try:
        event = json.load(sys.stdin)
    except (ValueError, RecursionError) as error:
        print(f"the event is not JSON, or too deep: {error}", file=sys.stderr)
        return 1
    outside = Outside(cancelled=cancelled, alone=processes.adopt_orphans())
    try:
        answer = start(event, options.request_id, options.timeout, os.environ, outside)
    except (ContractError, StoreError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
