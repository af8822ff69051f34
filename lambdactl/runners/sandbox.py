"""Lambda's execution environment on this machine, from its first event to its last.

A runtime (a container) serves one event after the other and is frozen in between. When it fails, it is
killed and the next event starts another one, with the same /tmp, as Lambda resets an environment. Makes
and removes containers; everything else it needs is given (`local`).
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lambdactl.container import Engine
from lambdactl.errors import RunError
from lambdactl.runners import volume
from lambdactl.runners.create import Image, Place, arguments, holder_name, python
from lambdactl.runners.ending import Ended, Exit, answer
from lambdactl.runners.log import Log
from lambdactl.runners.memory import Memory
from lambdactl.runners.network import TRANSPORT
from lambdactl.runners.owner import PATIENCE, remove, run
from lambdactl.runners.platform import InitReport, Phase, Start, Status
from lambdactl.runners.protocol import Function, Invocation, Response
from lambdactl.runners.runtime import Runtime
from lambdactl.runners.runtime_api import Event, RuntimeApi
from lambdactl.runners.runtime_server import RuntimeServer
from lambdactl.runners.watch import INIT_LIMIT, Ending, Watch

SETTLED = 0.05  # seconds for the last lines of a runtime that was frozen; the engine does not say when
UNREACHABLE = 3
CONNECT = f"""\
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close()
except OSError:
    sys.exit({UNREACHABLE})
"""
SHELL = ("/bin/sh", "-c", "command -v bash >/dev/null && exec bash; exec sh")


@dataclass(slots=True)
class _Once:
    """Does it at the first call, of whichever thread."""

    act: Callable[[], None]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _done: bool = False

    def __call__(self) -> None:
        with self._lock:
            if not self._done:
                self._done = True
                self.act()


@dataclass(slots=True, kw_only=True)
class Sandbox:
    """One event at a time. `variables` is the whole environment of the function."""

    engine: Engine
    function: Function
    image: Image
    place: Place
    server: RuntimeServer
    variables: Mapping[str, str] = field(repr=False)
    metadata_token: str = field(repr=False)
    log: Log
    _runtime: Runtime | None = None
    _begun: bool = False
    _names: list[str] = field(default_factory=list)  # of containers that may be there
    _made: int = 0

    def invoke(
        self, invocation: Invocation, stop: threading.Event | None = None, *, keep: bool = False
    ) -> Response:
        """Run it to its end. RunError when it could not be started; every other end is a Response.

        `stop` asks the runtime to end (SIGTERM) and kills it if it does not. With `keep` the runtime then
        waits, frozen, for another event; else it is killed.
        """
        self.log.restart()
        if invocation.run_folder:
            volume.put(self.engine, holder_name(self.place), invocation.run_folder)
        try:
            ended = self._serve(invocation, stop or threading.Event(), keep=keep)
        except BaseException:
            self._discard()
            raise
        finally:
            if invocation.run_folder:
                self._bring_home(invocation.run_folder, keep=keep)
        return answer(ended, self.log)

    def shell(self, invocation: Invocation) -> int:
        """A shell of the image's in place of the runtime, on this process's terminal; its exit code.

        The event waits for a runtime that is started by hand.
        """
        if invocation.run_folder:
            volume.put(self.engine, holder_name(self.place), invocation.run_folder)
        tty = sys.stdin.isatty() and sys.stdout.isatty()
        terminal = ("/usr/bin/env", f"TERM={os.environ.get('TERM', 'dumb')}") if tty else ()
        name = self._create(command=(*terminal, *SHELL), tty=tty)
        self.server.api.offer(self._event(invocation, time.monotonic() + self.function.timeout))
        memory = Memory(self.engine, name, self.function.memory)
        memory.start()
        try:
            return self.engine.spawn("start", "--attach", "--interactive", name).wait()
        finally:
            remove(self.engine, "kill", name)
            memory.close()
            if invocation.run_folder:
                self._bring_home(invocation.run_folder, keep=False)

    def cut_off(self) -> None:
        """Nothing reaches it any more, and no answer comes: its event ends now. For another thread."""
        if runtime := self._runtime:
            remove(self.engine, "kill", runtime.name)

    def close(self) -> None:
        self._discard()
        if self._names:
            remove(self.engine, "rm", "--force", "--volumes", *self._names)

    # -- one event -----------------------------------------------------------------------------------

    def _serve(self, invocation: Invocation, stop: threading.Event, *, keep: bool) -> Ended:
        init = self._init(stop)
        if self._runtime and not self._runtime.thaw():
            self._discard()
        runtime, fresh = self._runtime, False
        began = time.monotonic()
        deadline = began + self.function.timeout
        begin = _Once(lambda: self.log.platform(Start(invocation.request_id)))
        if stop.is_set():
            begin()
            self._discard()
            return self._ended(invocation, "stopped", began=began, init=init)
        if runtime is None:
            runtime, fresh = self._start(), True
        runtime.api.offer(self._event(invocation, deadline), begin)
        watch = self._watch(runtime, stop)
        ending = watch.until_answered(deadline)
        ended = time.monotonic()
        idle = ending == "answered" and keep and watch.until_idle(deadline) == "ready"
        if idle and runtime.freeze():
            time.sleep(SETTLED)
            exit_ = None
        else:
            runtime.api.withdraw()
            exit_ = self._discard(ending)
        if fresh and runtime.api.ready_at is None and ending != "stopped":
            self._say_init(runtime, "invoke", ending, exit_)
        begin()
        return self._ended(invocation, ending, runtime, exit_, began=began, ended=ended, init=init)

    def _init(self, stop: threading.Event) -> float | None:
        """The first start, before the function's time begins; its seconds when it went well.

        Otherwise Lambda starts again with the event, within the function's time.
        """
        if self._begun:
            return None
        self._begun = True
        runtime = self._start()
        ending = self._watch(runtime, stop).until_ready(runtime.started + INIT_LIMIT)
        if ending == "ready":
            assert runtime.api.ready_at
            return runtime.api.ready_at - runtime.started
        exit_ = self._discard(ending)
        if ending != "stopped":
            self._say_init(runtime, "init", ending, exit_)
            if not self.server.reached:
                self._check_way()
        return None

    def _check_way(self) -> None:
        """RunError when a start failed since the Runtime API is out of its reach."""
        api = self.variables["AWS_LAMBDA_RUNTIME_API"]
        name = self._create(command=(*python(self.image), "-c", CONNECT, *api.split(":")))
        done = self.engine.call("start", "--attach", name, check=False, timeout=PATIENCE)
        if done.returncode == UNREACHABLE:
            raise RunError(
                f"the function cannot reach the Lambda Runtime API at {api}",
                why="a firewall of this machine keeps containers from it",
                hint=f"{TRANSPORT}=sidecar does without",
            )

    def _say_init(self, runtime: Runtime, phase: Phase, ending: Ending, exit_: Exit | None) -> None:
        """A start that failed."""
        status: Status = "timeout" if ending == "timed_out" else "error"
        outcome = runtime.api.outcome
        error_type = exit_.error_type if exit_ else outcome.error_type if outcome else ""
        ended = runtime.api.answered_at or time.monotonic()
        duration = ended - runtime.started
        self.log.platform(InitReport(duration=duration, phase=phase, status=status, error_type=error_type))
        if status == "timeout" and phase == "init":
            self.log.line(f"lambdactl: the start took over {INIT_LIMIT:g} s, and is made once more")

    def _ended(
        self,
        invocation: Invocation,
        ending: Ending,
        runtime: Runtime | None = None,
        exit_: Exit | None = None,
        *,
        began: float,
        ended: float | None = None,
        init: float | None,
    ) -> Ended:
        outcome = runtime.api.outcome if runtime and ending == "answered" else None
        at = runtime.api.answered_at if runtime and outcome else ended
        return Ended(
            function=self.function,
            invocation=invocation,
            ending=ending,
            outcome=outcome,
            duration=max(0.0, (at or time.monotonic()) - began),
            init=init,
            exit=exit_,
            max_memory=runtime.peak if runtime else 0,
        )

    def _event(self, invocation: Invocation, deadline: float) -> Event:
        return Event(
            request_id=invocation.request_id,
            function_arn=invocation.arn or self.function.arn,
            body=invocation.event,
            deadline=deadline,
            trace_id=invocation.trace_id,
            client_context=invocation.client_context,
        )

    def _watch(self, runtime: Runtime, stop: threading.Event) -> Watch:
        return Watch(api=runtime.api, exited=runtime.ended, stop=stop, terminate=runtime.terminate)

    # -- its containers ------------------------------------------------------------------------------

    def _start(self) -> Runtime:
        name = self._create()
        self._runtime = Runtime(self.engine, name, self.server.api, self.function.memory, self.log)
        return self._runtime

    def _create(self, *, command: Sequence[str] = (), tty: bool | None = None) -> str:
        """A container that has its own side of the Runtime API; what the one before had, is closed."""
        self.server.api.close()
        self.server.api = RuntimeApi(self.metadata_token)
        self._made += 1
        name = f"{self.place.name}-{self._made}"
        self._names.append(name)
        argv = arguments(
            self.engine,
            self.function,
            self.image,
            self.place,
            name,
            self.variables,
            command=command,
            tty=tty,
        )
        run(self.engine, *argv, env=self.variables)
        return name

    def _discard(self, ending: Ending = "stopped") -> Exit | None:
        """Kill what runs: the next event gets another one. How it ended, of one that `exited`."""
        runtime, self._runtime = self._runtime, None
        if runtime is None:
            return None
        runtime.kill()
        try:
            return runtime.exit() if ending == "exited" else None
        finally:
            runtime.remove()
            self._names.remove(runtime.name)

    def _bring_home(self, folder: Path, *, keep: bool) -> None:
        holder = holder_name(self.place)
        volume.fetch(self.engine, holder, folder, self.log.line)
        if keep:
            volume.empty(self.engine, holder)
