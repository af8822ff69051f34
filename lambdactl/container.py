"""The container engine as a program: finds docker or podman and calls it. Knows no job and no AWS.

Every child gets an explicit environment: what an engine's client itself needs and what the caller
gives. Proxies are left out on purpose (podman copies them into each container); a build that needs
them passes them itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lambdactl.errors import LambdactlError, MissingTool, RunError

EngineName = Literal["docker", "podman"]

# What the clients read to find their daemon, their configuration and their storage.
PASSED_ON = (
    "PATH", "HOME", "USER", "TMPDIR", "LANG",
    "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY",
    "SSH_AUTH_SOCK", "CONTAINER_HOST", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF",
    "DBUS_SESSION_BUS_ADDRESS", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR",
)  # fmt: skip

INSTALL_HINT = (
    "install Docker with buildx (https://docs.docker.com/engine/install/; Debian: apt-get install docker.io) "
    "or podman, and see that `docker info` works"
)

# Clients before 23 hold a BuildKit of their own; later ones need the buildx plugin. (docker 23.0 notes)
FIRST_WITHOUT_BUILDKIT = 23

# Of a client that a terminal's ^C met before it was in its own session: it has done nothing yet, and is
# started again.
_TOO_EARLY = -signal.SIGINT


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A client that works. `buildx`: its `build` is buildx's, which takes --provenance and --sbom."""

    name: EngineName
    executable: str
    buildx: bool = False

    def call(
        self,
        *args: str,
        input: bytes | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        check: bool = True,
        error: type[LambdactlError] = RunError,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the client to its end; with `check`, raise `error` with its last words when it fails.

        It is in a session of its own: what a terminal's ^C means is ours to say.
        """
        try:
            while True:
                done = subprocess.run(
                    [self.executable, *args],
                    input=input if input is not None else b"",
                    capture_output=True,
                    env=self.environment(env),
                    timeout=timeout,
                    start_new_session=True,
                )
                if done.returncode != _TOO_EARLY:
                    break
        except subprocess.TimeoutExpired:
            raise error(f"{self.name} {args[0]} did not end within {timeout:g} s") from None
        if check and done.returncode:
            raise error(f"{self.name} {args[0]} failed", why=last_words(done.stderr or done.stdout))
        return done

    def spawn(
        self, *args: str, env: Mapping[str, str] | None = None, **popen: Any
    ) -> subprocess.Popen[bytes]:
        """Start the client; `popen` goes to subprocess.Popen."""
        while True:
            process = subprocess.Popen([self.executable, *args], env=self.environment(env), **popen)
            if not popen.get("start_new_session") or process.poll() != _TOO_EARLY:
                return process

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        own = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return {**own, **(extra or {})}


def find(preferred: str = "", path: str | None = None) -> Engine:
    """The first engine on `path` (default: PATH) that answers and can build; `preferred` is a name or a file.

    Every docker on the path is tried, since the first one may be a bare client without BuildKit.
    """
    if os.sep not in preferred and preferred not in ("", "docker", "podman"):
        hint = "docker, podman, or a path to either"
        raise MissingTool(f"{preferred} is no container engine", hint=hint)
    reasons = []
    for name, executable in _candidates(preferred, os.environ.get("PATH", "") if path is None else path):
        engine, reason = _try(name, executable)
        if engine:
            return engine
        reasons.append(f"{executable}: {reason}")
    wanted = preferred or "docker or podman"
    raise MissingTool(
        f"no container engine that can build images ({wanted})", why="; ".join(reasons), hint=INSTALL_HINT
    )


def last_words(output: bytes, lines: int = 5) -> str:
    """The end of a program's output on one line, for error texts."""
    text = output.decode(errors="replace").strip().splitlines()
    return " | ".join(line.strip() for line in text[-lines:] if line.strip())


def _candidates(preferred: str, path: str) -> Iterator[tuple[EngineName, str]]:
    if os.sep in preferred:
        yield ("podman" if "podman" in Path(preferred).name else "docker"), preferred
        return
    names: tuple[EngineName, ...] = ("docker", "podman")
    seen: set[Path] = set()
    for name in names:
        if preferred not in ("", name):
            continue
        for folder in path.split(os.pathsep):
            file = Path(folder or ".") / name
            if os.access(file, os.X_OK) and not file.is_dir() and file.resolve() not in seen:
                seen.add(file.resolve())
                yield name, str(file)


def _try(name: EngineName, executable: str) -> tuple[Engine | None, str]:
    engine = Engine(name=name, executable=executable)
    try:
        if name == "podman" or b"podman" in engine.call("--version", timeout=30, check=False).stdout:
            done = engine.call("info", "--format", "{{.Host.Arch}}", timeout=60, check=False)
            ok = done.returncode == 0
            return (
                (Engine(name="podman", executable=executable), "") if ok else (None, last_words(done.stderr))
            )
        return _try_docker(engine)
    except (OSError, RunError) as broken:
        return None, str(broken)


def _try_docker(engine: Engine) -> tuple[Engine | None, str]:
    done = engine.call(
        "version", "--format", "{{.Client.Version}} {{.Server.Version}}", timeout=30, check=False
    )
    if done.returncode:
        return None, last_words(done.stderr) or "its daemon does not answer"
    major = done.stdout.split(b".", 1)[0]
    if major.isdigit() and int(major) < FIRST_WITHOUT_BUILDKIT:
        return engine, ""  # its `build` is its own, also beside a buildx plugin
    if engine.call("buildx", "version", timeout=30, check=False).returncode == 0:
        return Engine(name="docker", executable=engine.executable, buildx=True), ""
    return None, "no buildx"
