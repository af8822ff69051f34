"""`python -m lambdactl.sandbox.model`: serve the scripted model until SIGTERM."""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading

from lambdactl.sandbox.model.server import serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lambdactl.sandbox.model", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--key-env", default="", help="name of the variable that holds the key to ask for")
    given = parser.parse_args()
    api_key = os.environ.get(given.key_env) if given.key_env else None
    if given.key_env and not api_key:
        parser.error(f"{given.key_env} is not set")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve(
        port=given.port,
        api_key=api_key,
        stop=stop,
        on_ready=lambda url: print(json.dumps({"url": url}), flush=True),
    )


if __name__ == "__main__":
    main()
