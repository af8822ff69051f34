"""What the tests run inside a real container, under the real awslambdaric. `event["do"]` says what."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import grp
import itertools
import json
import logging
import os
import pwd
import resource
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

if os.environ.get("FAIL_AT_START"):
    raise ValueError("no start")
if os.environ.get("HANG_AT_START"):
    time.sleep(3600)
if os.environ.get("SLEEP_AT_START"):
    time.sleep(float(os.environ["SLEEP_AT_START"]))
if os.environ.get("SLOW_FIRST_START"):
    # Of all that a first start leaves, /tmp alone is there in the second.
    print("start", len(list(Path("/tmp").iterdir())), flush=True)
    Path("/tmp/started").touch()
    if len(list(Path("/tmp").glob("started*"))) == 1:
        Path("/tmp/started-2").touch()
        time.sleep(3600)
if os.environ.get("LEAVE_AT_START"):
    os._exit(3)
STARTED = time.monotonic()
EVENTS: list[str] = []
TICKS: list[float] = []


def handle(event: dict[str, Any], context: Any) -> Any:
    return DOINGS[event["do"]](event, context)


def echo(event: dict[str, Any], context: Any) -> Any:
    print("hello from inside")
    return {
        "event": event,
        "requestId": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "left": context.get_remaining_time_in_millis(),
    }


def fail(event: dict[str, Any], context: Any) -> Any:
    raise ValueError(event.get("text", "no") * event.get("times", 1))


def hang(event: dict[str, Any], context: Any) -> Any:
    subprocess.Popen(["sleep", "3600"], start_new_session=True)
    print("hanging", flush=True)
    time.sleep(3600)


def leave(event: dict[str, Any], context: Any) -> Any:
    print("last words", flush=True)
    os._exit(event["code"])


def large(event: dict[str, Any], context: Any) -> Any:
    return "x" * event["size"]


def hungry(event: dict[str, Any], context: Any) -> Any:
    return len(b"x" * (event["megabytes"] << 20))


def cancelled(event: dict[str, Any], context: Any) -> Any:
    """Ends softly, as the agent does."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    print("waiting", flush=True)
    while not stopped:
        time.sleep(0.01)
    return {"outcome": "cancelled"}


def count(event: dict[str, Any], context: Any) -> Any:
    """What this runtime had before this event, and what it found in /tmp."""
    EVENTS.append(context.aws_request_id)
    found = sorted(path.name for path in Path("/tmp").iterdir())
    Path(f"/tmp/{event['leave']}").touch()
    return {
        "events": EVENTS,
        "pid started": STARTED,
        "found": found,
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
    }


def tick(event: dict[str, Any], context: Any) -> Any:
    """The first call starts a thread that notes the time; all tell what it noted."""
    if not TICKS:

        def note() -> None:
            while True:
                TICKS.append(time.monotonic())
                time.sleep(0.01)

        threading.Thread(target=note, daemon=True).start()
        time.sleep(0.1)
    noted = tuple(TICKS)
    longest = max((b - a for a, b in itertools.pairwise(noted)), default=0)
    return {"longest gap": longest, "ticks": len(noted)}


def fill(event: dict[str, Any], context: Any) -> Any:
    """Megabytes to /tmp, and as many of memory."""
    with Path("/tmp/fill").open("wb") as file:
        for _ in range(event["tmp"]):
            file.write(b"x" * (1 << 20))
    kept = b"x" * (event["megabytes"] << 20)
    time.sleep(event.get("hold", 0))
    return len(kept)


def parent(event: dict[str, Any], context: Any) -> Any:
    """A child that takes more memory than there is, as an agent's command may."""
    script = f"x = b'x' * ({event['megabytes']} << 20); import time; time.sleep(30)"
    return subprocess.run([sys.executable, "-c", script]).returncode


def forks(event: dict[str, Any], context: Any) -> Any:
    """As many processes as may be."""
    made: list[int] = []
    with contextlib.suppress(OSError):
        while len(made) < 3000:
            made.append(os.fork())
            if made[-1] == 0:
                time.sleep(3600)
    if event.get("then"):
        time.sleep(3600)
    return len(made)


def descriptors(event: dict[str, Any], context: Any) -> Any:
    opened = []
    with contextlib.suppress(OSError):
        while True:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    count = max(opened)
    for each in opened:
        os.close(each)
    return count


def limits(event: dict[str, Any], context: Any) -> Any:
    names = ("NOFILE", "CORE", "STACK", "MEMLOCK")
    return {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in names}


def linger(event: dict[str, Any], context: Any) -> Any:
    """Ignores its end, and leaves word of it; a child in a session of its own goes on writing."""
    signal.signal(signal.SIGTERM, lambda number, frame: Path("/tmp/terminated").touch())
    beat = "while :; do echo >> /tmp/beats; sleep 0.05; done"
    subprocess.Popen(["/bin/sh", "-c", beat], start_new_session=True)
    while True:
        time.sleep(3600)


def beats(event: dict[str, Any], context: Any) -> Any:
    """What is left of it."""
    before = Path("/tmp/beats").stat().st_size
    time.sleep(event.get("seconds", 0.5))
    return {
        "before": before,
        "more": Path("/tmp/beats").stat().st_size - before,
        "terminated": Path("/tmp/terminated").exists(),
    }


def spin(event: dict[str, Any], context: Any) -> Any:
    """The share of a CPU that it gets."""
    began, cpu = time.monotonic(), time.process_time()
    while time.monotonic() < began + event["seconds"]:
        pass
    return (time.process_time() - cpu) / (time.monotonic() - began)


def found(event: dict[str, Any], context: Any) -> Any:
    """What is in /tmp after some seconds."""
    time.sleep(event["after"])
    return sorted(path.name for path in Path("/tmp").iterdir())


def talk(event: dict[str, Any], context: Any) -> Any:
    for number in range(event["lines"]):
        print(f"line {number}")


def told(event: dict[str, Any], context: Any) -> Any:
    """What the runtime was told of the event."""
    return {
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "client": context.client_context and context.client_context.custom,
        "version": context.function_version,
        "tenant": context.tenant_id,
    }


def metadata(event: dict[str, Any], context: Any) -> Any:
    url = f"http://{os.environ['AWS_LAMBDA_METADATA_API']}/2026-01-15/metadata/execution-environment"
    token = {"Authorization": f"Bearer {os.environ['AWS_LAMBDA_METADATA_TOKEN']}"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, headers=token), timeout=5) as answer:
        return json.load(answer)


def logs(event: dict[str, Any], context: Any) -> Any:
    """Through logging, and past it."""
    logging.getLogger().warning("logged %s", "here")
    print("printed here")
    return os.environ.get("AWS_LAMBDA_LOG_LEVEL")


def leave_later(event: dict[str, Any], context: Any) -> Any:
    """Answers, and is gone in place of asking for the next event."""
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient  # it is in the image alone

    LambdaRuntimeClient.wait_next_invocation = lambda self: os._exit(1)
    return "answered"


def stubborn(event: dict[str, Any], context: Any) -> Any:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("waiting", flush=True)
    time.sleep(3600)


def fetch(event: dict[str, Any], context: Any) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(os.environ[event["variable"]], timeout=5) as answer:
        return answer.read().decode()


def output(event: dict[str, Any], context: Any) -> Any:
    """A run folder, with what must not come out of it."""
    folder = Path("/mnt/run")
    (folder / "out").mkdir(exist_ok=True)
    (folder / "out/result.json").write_text((folder / "in.json").read_text())
    (folder / "out/link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "out/fifo")
    if event.get("then"):
        return handle({**event, "do": event["then"]}, context)
    return None


def hostile(event: dict[str, Any], context: Any) -> Any:
    """A volume whose folders are files and whose files are folders, too many and too large."""
    folder = Path("/mnt/run")
    (folder / "in.json").unlink()
    (folder / "in.json/x").mkdir(parents=True)
    (folder / "out").rmdir()
    (folder / "out").write_text("no folder")
    for number in range(event["links"]):
        (folder / f"link-{number:03}").symlink_to("/etc/passwd")
    with (folder / "z-sparse").open("wb") as file:
        file.truncate(event["gigabytes"] << 30)
    return None


def look(event: dict[str, Any], context: Any) -> Any:
    """The sandbox as seen from within."""
    return {
        "environment": sorted(os.environ),
        "given": os.environ.get("GIVEN"),
        "uid": os.getuid(),
        "gid": os.getgid(),
        "user": pwd.getpwuid(os.getuid()).pw_name,
        "root user": pwd.getpwuid(0).pw_name,
        "write /var": _refusal(lambda: Path("/var/x").write_text("x")),
        "write volume": _refusal(lambda: Path("/var/cache/masked/x").write_text("x")),
        "volume content": Path("/var/cache/masked/kept").read_text(),
        "shm": Path("/dev/shm").exists(),
        "exec in /tmp": _exec(),
        "tmp MB": os.statvfs("/tmp").f_blocks * os.statvfs("/tmp").f_frsize >> 20,
        "tmp full": _refusal(lambda: Path("/tmp/full").write_bytes(b"x" * (event["fill"] << 20))),
        "tmp mode": f"{Path('/tmp').stat().st_mode:o}",
        "tmp owner": Path("/tmp").stat().st_uid,
        "working folder": os.getcwd(),
        "of the image": os.environ.get("OF_THE_IMAGE"),
        "group": _group(),
        "home": _refusal(Path("/home/sbx_user1051").mkdir),
        "files": os.sysconf("SC_OPEN_MAX"),
        "CPUs": len(os.sched_getaffinity(0)),
        "values": {name: value for name, value in os.environ.items() if name not in ("GIVEN", "PATH")},
        "capabilities": _status("CapEff"),
        "no new privileges": _status("NoNewPrivs"),
        "pdeathsig": _prctl(1, signal.SIGKILL),
        "no_new_privs": _prctl(38, 1),
        "name": _prctl(15, b"name"),
        "namespace": _syscall("unshare", 0x10000000),
        "command lines": [
            path.read_bytes().decode(errors="replace") for path in Path("/proc").glob("[0-9]*/cmdline")
        ],
    }


def _refusal(act: Any) -> str:
    try:
        act()
    except OSError as refused:
        return errno.errorcode[refused.errno or 0]
    return ""


def _group() -> str:
    try:
        return grp.getgrgid(os.getgid()).gr_name
    except KeyError:
        return "none"


def _exec() -> str:
    program = Path("/tmp/program")
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o755)
    with contextlib.suppress(OSError):
        return subprocess.run([program], capture_output=True, text=True).stdout.strip()
    return "not allowed"


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith(name))


def _prctl(option: int, argument: Any) -> str:
    return _called(ctypes.CDLL(None, use_errno=True).prctl, option, argument, 0, 0, 0)


def _syscall(name: str, *arguments: Any) -> str:
    return _called(getattr(ctypes.CDLL(None, use_errno=True), name), *arguments)


def _called(function: Any, *arguments: Any) -> str:
    return errno.errorcode[ctypes.get_errno()] if function(*arguments) else ""


DOINGS = {
    "echo": echo,
    "fail": fail,
    "hang": hang,
    "leave": leave,
    "large": large,
    "hungry": hungry,
    "cancelled": cancelled,
    "count": count,
    "tick": tick,
    "fill": fill,
    "parent": parent,
    "forks": forks,
    "descriptors": descriptors,
    "limits": limits,
    "linger": linger,
    "beats": beats,
    "spin": spin,
    "found": found,
    "talk": talk,
    "told": told,
    "metadata": metadata,
    "logs": logs,
    "leave later": leave_later,
    "stubborn": stubborn,
    "fetch": fetch,
    "output": output,
    "hostile": hostile,
    "look": look,
}

print("started", file=sys.stderr)
