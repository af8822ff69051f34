"""ministack as a child process: its environment, its start, its end. Talks no AWS.

Its defaults are not ours: it would listen on every interface, answer any web page, open an MQTT port,
reach for the container engine and forget everything. Here it listens on a socket in a folder of ours
alone, so that the front is the only way to it. What it keeps, it writes on SIGTERM only.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from lambdactl.errors import MissingTool, SandboxError
from lambdactl.sandbox.messages import connect

STARTS_WITHIN = 30.0  # seconds; 0.7 on two idle cores
ENDS_WITHIN = 15.0


class Emulator:
    """A context manager. State lies in `folder` and is there again the next time."""

    def __init__(self, folder: Path, *, account: str, region: str, log: BinaryIO) -> None:
        if importlib.util.find_spec("ministack") is None:
            raise MissingTool(
                "the sandbox needs ministack, which is not installed",
                hint="install lambdactl with its extra `sandbox`",
            )
        self._folder, self._account, self._region, self._log = folder, account, region, log
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = Path()

    @property
    def url(self) -> str:
        """For a Front's upstream."""
        return f"unix:{self._socket}"

    def __enter__(self) -> Emulator:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._folder / "tmp").mkdir(exist_ok=True)
        self._socket = new_socket(self._folder / "socket")
        leash = [sys.executable, "-P", "-m", "lambdactl.sandbox.leash", str(self._folder / "lock")]
        server = [
            "hypercorn",
            "ministack.app:app",
            "--bind",
            self.url,
            "--workers",
            "0",
            "--keep-alive",
            "75",
        ]
        self._process = subprocess.Popen(
            [*leash, *server],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            env=environment(self._folder, account=self._account, region=self._region),
            cwd=self._folder,
            start_new_session=True,  # ^C in a terminal is for us; we stop it in order
        )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if not self._process:
            return
        self._process.terminate()
        try:
            self._process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        remove_socket(self._socket)

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _wait(self) -> None:
        until = time.monotonic() + STARTS_WITHIN
        while not healthy(self.url):
            if not self.alive():
                raise SandboxError("the emulator ended while starting", hint=f"see {self._log.name}")
            if time.monotonic() > until:
                raise SandboxError(f"the emulator was not ready in {STARTS_WITHIN:.0f} s")
            time.sleep(0.02)


def new_socket(note: Path) -> Path:
    """A path for a socket, in a new folder that only we may open. `note` remembers it.

    Not below the project: the path of a socket holds about 100 characters. What a run before this one
    has left, because its daemon was killed, goes.
    """
    if note.exists():
        remove_socket(Path(note.read_text()))
    made = Path(tempfile.mkdtemp(prefix="lambdactl-")) / "aws"
    note.write_text(str(made))
    return made


def remove_socket(path: Path) -> None:
    path.unlink(missing_ok=True)
    with suppress(OSError):  # gone already, or not ours alone
        path.parent.rmdir()


def environment(folder: Path, *, account: str, region: str) -> Mapping[str, str]:
    """All of ministack's environment: nothing of ours, above all no credentials, reaches it."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        "IOT_MTLS_ENABLED": "0",  # else MQTT on 0.0.0.0:8883, on every interface
        "SFTP_ENABLED": "0",
        "LAMBDA_STRICT": "1",  # functions in a container or not at all: else Zip code runs on this host
        "DOCKER_HOST": f"unix://{folder}/no-engine.sock",  # never the engine's own socket
        "MINISTACK_ACCOUNT_ID": account,
        "MINISTACK_REGION": region,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(folder / "services"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(folder / "s3"),
        "LOG_LEVEL": "WARNING",
    }


def healthy(url: str) -> bool:
    connection = connect(url, timeout=2)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
