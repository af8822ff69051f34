"""A home, a definition and a run folder like those in an image, and the agent's own door to run them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FINGERPRINT = "f" * 64
# The agent as a run of one leg has it whose time is over as soon as a file is there (early.py).
EARLY = (sys.executable, "-m", "tests.agent.early")
REST = 1.9  # seconds; a little less than is kept for its end
SESSION_TOKEN = "made-up-session-token"
ROOT = Path(__file__).resolve().parents[2]
AGENT: dict[str, Any] = {
    "type": "command",
    "version": "",
    "model": "",
    "provider": "",
    "baseUrl": "",
    "prompt": "",
    "systemPrompt": "",
    "maxTurns": None,
    "permissionMode": "bypassPermissions",
    "allowedTools": [],
    "command": [],
    "env": {},
}


def definition(agent: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "project": "demo",
        "environment": "main",
        "job": "triage",
        "image": FINGERPRINT,
        "prefix": "triage/",
        "timeout": 60,
        "agent": {**AGENT, **agent},
        "mcpServers": {},
        "secrets": {},
        "artifacts": [],
        **changes,
    }


def canonical(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """`lines` are the progress lines, `response` the last line; both None-like when there were none."""

    exit_code: int
    lines: list[dict[str, Any]]
    response: dict[str, Any]
    stdout: str
    stderr: str
    folder: Path

    @property
    def result(self) -> dict[str, Any]:
        return dict(json.loads(self.text("result.json")))

    @property
    def ending(self) -> tuple[str, str]:
        return self.result["outcome"], self.result["reason"]

    def text(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")

    def stream(self, name: str) -> bytes:
        """All parts of a stream, one after the other."""
        return b"".join(path.read_bytes() for path in sorted((self.folder / name).glob("[0-9]*.*")))

    def files(self) -> list[str]:
        return sorted(
            path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file()
        )

    def leaks(self, value: str) -> list[str]:
        """Where `value` can be read in anything that left."""
        streams = {"stdout": self.stdout.encode(), "stderr": self.stderr.encode()}
        stored = {name: (self.folder / name).read_bytes() for name in self.files()}
        return [name for name, content in {**streams, **stored}.items() if value.encode() in content]

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines that CloudWatch is to make metrics of."""
        lines = (json.loads(line) for line in self.stdout.splitlines())
        return [line for line in lines if "_aws" in line]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    root: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def work(self) -> Path:
        return self.root / "work"

    def prepare(self) -> None:
        (self.home / "bin").mkdir(parents=True)
        (self.home / "files").mkdir()
        (self.home / "fingerprint").write_text(f"{FINGERPRINT}\n")

    def program(self, file: Path) -> None:
        """Put a program on the PATH of what runs."""
        (self.home / "bin" / file.name).symlink_to(file)

    def store(self, document: Mapping[str, Any]) -> Path:
        content = canonical(document)
        path = self.root / "run" / f"{hashlib.sha256(content).hexdigest()}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    def spawn(
        self,
        document: Mapping[str, Any],
        *,
        timeout: float = 60,
        secrets: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        ssm: bool = False,
        prefix: tuple[str, ...] = (),
        door: tuple[str, ...] = (),
    ) -> subprocess.Popen[str]:
        """The agent, as `--engine process` starts it; it reads its event from standard input.

        `ssm`: it gets no secrets from us, and asks SSM. `prefix`: the program that becomes it. `door`:
        another module than the agent's own, with its arguments.
        """
        variables = {
            "PATH": os.environ["PATH"],
            "LAMBDACTL_HOME": str(self.home),
            "LAMBDACTL_WORK": str(self.work),
            "LAMBDACTL_RUN_DIR": str(self.root / "run"),
            "LAMBDACTL_DEFINITION": str(self.store(document)),
            "LAMBDACTL_SECRETS": json.dumps(secrets or {}),
            "AWS_ACCESS_KEY_ID": "AKIAMADEUPMADEUPMADE",
            "AWS_SECRET_ACCESS_KEY": "made-up-secret-access-key",
            "AWS_SESSION_TOKEN": SESSION_TOKEN,
            **self.env,
            **(env or {}),
        }
        if ssm:
            del variables["LAMBDACTL_SECRETS"]
        options = ("--request-id", "request-1", f"--timeout={timeout}")
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", *(door or ("agent", *options))],
            cwd=ROOT,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, child: subprocess.Popen[str], event: Any = None) -> Done:
        given = json.dumps({"version": 1} if event is None else event)
        stdout, stderr = child.communicate(given, timeout=200)
        lines = [json.loads(line) for line in stdout.splitlines()]
        return Done(
            exit_code=child.returncode,
            lines=[line for line in lines if "type" in line],
            response=lines[-1] if lines else {},
            stdout=stdout,
            stderr=stderr,
            folder=self.root / "run" / "out",
        )

    def run(self, document: Mapping[str, Any], event: Any = None, **how: Any) -> Done:
        return self.finish(self.spawn(document, **how), event)

    def command(self, *argv: str, event: Any = None, timeout: float = 60, **changes: Any) -> Done:
        """Run a job of type `command`; `function` is more of the function's environment."""
        secrets, function = changes.pop("values", {}), changes.pop("function", {})
        prefix = changes.pop("prefix", ())
        agent = {"command": list(argv), "env": changes.pop("env", {}), **changes.pop("agent", {})}
        declared = {name: f"/demo/{name.lower()}" for name in secrets}
        document = definition(agent, **{"secrets": declared, **changes})
        return self.run(document, event, timeout=timeout, secrets=secrets, env=function, prefix=prefix)


def ends_with(name: str) -> dict[str, str]:
    """What EARLY wants to be told."""
    return {"ENDS_WITH": name, "REST": str(REST)}


def alive(word: str) -> list[str]:
    """Processes with `word` in their command line, that are not dead."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit() and int(each.name) != os.getpid():
            try:
                command = (each / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if word in command:
                found.append(command)
    return found


def interrupt_when(child: subprocess.Popen[str], ready: Path, number: signal.Signals) -> None:
    """Send a signal once `ready` is there."""
    until = time.monotonic() + 60
    while not ready.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert ready.exists()
    child.send_signal(number)
