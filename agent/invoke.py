"""Invokes our own function once more. Nothing else talks to Lambda."""

from __future__ import annotations

from collections.abc import Callable

Invoke = Callable[[str, bytes], None]
"""(function, event) -> None once the event is accepted; raises InvokeError when it is not, for good."""


class InvokeError(Exception):
    """The event was not accepted, as far as we know."""


def itself(function: str, event: bytes) -> None:
    """Asynchronously. botocore passes the trace header on (X-Amzn-Trace-Id), by which Lambda counts the
    invocations of a chain and ends one that does not.

    Throttles and failures of the network are tried again, half a minute in all at most.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    retries = {"mode": "standard", "total_max_attempts": 5}
    try:
        client = boto3.client(
            "lambda",
            config=Config(connect_timeout=3, read_timeout=5, retries=retries),
        )
        client.invoke(FunctionName=function, InvocationType="Event", Payload=event)
    except (BotoCoreError, ClientError) as error:
        raise InvokeError(str(error)) from None
