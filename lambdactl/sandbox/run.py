"""Hands an invocation to a local runner. The only module of the sandbox that knows what runs it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from lambdactl.errors import SandboxError
from lambdactl.image.tree import tree_of
from lambdactl.runners import protocol
from lambdactl.runners.protocol import Invocation
from lambdactl.sandbox.answers import Answer
from lambdactl.sandbox.functions import Function
from lambdactl.sandbox.invoke import Run

PROCESS = "process"


def runner(engine: str, *, root: Path, relays: Mapping[str, int], environment: Mapping[str, str]) -> Run:
    """`relays` are variables of the function and the loopback ports behind them; `engine` as in `up`.

    The container engine is looked for when the first job runs: a sandbox without one still plans and
    applies. It is never replaced by the process runner, which holds nothing back; that one is chosen.
    """

    def run(
        function: Function,
        invocation: Invocation,
        on_line: Callable[[str], None],
        stop: threading.Event,
    ) -> Answer:
        configured = protocol.Function(
            image=tree(root, function) if engine == PROCESS else in_engine(function),
            name=function.name,
            arn=function.arn,
            memory=function.memory,
            timeout=function.timeout,
            ephemeral_storage=function.ephemeral_storage,
            architecture=function.architecture,
            environment={**function.environment, **environment},
            log_format=function.log_format,
            relays=tuple(
                protocol.Relay(name=name, target=("127.0.0.1", port)) for name, port in relays.items()
            ),
        )
        if engine == PROCESS:
            from lambdactl.runners import process

            response = process.invoke(configured, invocation, on_line, stop)
        else:
            from lambdactl import container
            from lambdactl.runners import local

            response = local.invoke(configured, invocation, container.find(engine), on_line, stop)
        return Answer(
            payload=response.payload, function_error=response.function_error, log_tail=response.log_tail
        )

    return run


def in_engine(function: Function) -> str:
    """An image by the name that `build` gave it: the sandbox's registry holds no images of its own."""
    repository, _, tag = function.image.partition("/")[2].rpartition(":")
    project = repository.rpartition("/")[0]  # without the environment
    return f"{project}:{tag}"


def tree(root: Path, function: Function) -> str:
    """Without a container an image is a folder: what would be in it, by its tag."""
    found = tree_of(root, function.image.rpartition(":")[2])
    if not found.is_dir():
        raise SandboxError(
            f"{found} does not exist",
            hint="remove the image from the sandbox: `lambdactl sandbox down --purge`",
        )
    return str(found)
