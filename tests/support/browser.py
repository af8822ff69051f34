"""A real browser without a window: Chromium, driven over its own protocol on two pipes.

What a page asked the network for, what it logged, and what its policy had to stop are all told by the
browser, not by the page.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.require import missing

PATIENCE = 60  # seconds; only against hanging
INSTALL = "apt-get install chromium"
ARGUMENTS = (
    "--headless",
    "--no-sandbox",  # tests run as root, and in containers
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


@dataclass
class Browser:
    """One page of it. `seen` are the events it told of, as (method, parameters)."""

    _to: int
    _from: int
    session: str = ""
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _count: int = 0
    _rest: bytes = b""

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])

    def open(self, url: str) -> None:
        """Load a page, until it and all that it asked for is there."""
        self.seen.clear()
        self.ask("Page.navigate", url=url)
        while not self.told("Page.loadEventFired"):
            self._next()
        self.run("new Promise(done => setTimeout(done, 200))")  # what a page does a moment later

    def run(self, script: str) -> Any:
        """The value of an expression in the page; the page's own policy does not hold for us."""
        answer = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def told(self, method: str) -> list[dict[str, Any]]:
        return [parameters for name, parameters in self.seen if name == method]

    @property
    def asked_for(self) -> list[str]:
        """The URLs that the page wanted to load, itself included, those that were stopped too."""
        return [each["request"]["url"] for each in self.told("Network.requestWillBeSent")]

    @property
    def complaints(self) -> list[str]:
        """What the browser had to say: logs, exceptions, violations of the page's policy."""
        logs = [each["entry"]["text"] for each in self.told("Log.entryAdded")]
        issues = [json.dumps(each["issue"]) for each in self.told("Audits.issueAdded")]
        words = [json.dumps(each["args"]) for each in self.told("Runtime.consoleAPICalled")]
        thrown = [json.dumps(each) for each in self.told("Runtime.exceptionThrown")]
        return logs + issues + words + thrown

    def look(self, width: int, *, dark: bool = False, file: Path | None = None) -> None:
        """As on a screen of this width; into `file` goes a picture of the whole page."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        if file:
            shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True, format="png")
            file.write_bytes(base64.b64decode(shot["data"]))

    def _next(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            assert time.monotonic() < until, "the browser does not answer"
            more = os.read(self._from, 1 << 20)
            assert more, "the browser is gone"
            self._rest += more
        message, self._rest = self._rest.split(b"\0", 1)
        told = json.loads(message)
        if "method" in told:
            self.seen.append((told["method"], told["params"]))
        return dict(told)


@contextmanager
def browser(home: Path) -> Iterator[Browser]:
    """`home` is an empty folder of its own."""
    program = shutil.which("chromium")
    if program is None:
        missing("chromium", INSTALL)
    read_commands, commands = os.pipe()
    answers, write_answers = os.pipe()
    child = subprocess.Popen(
        # Its pipes must be descriptors 3 and 4; only bash knows of descriptors over 9.
        ["/bin/bash", "-c", f'exec "$@" 3<&{read_commands} 4>&{write_answers}', "bash",
         str(program), *ARGUMENTS, f"--user-data-dir={home / 'profile'}", "about:blank"],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"},
        pass_fds=(read_commands, write_answers),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(home / "stderr").open("wb"),
    )  # fmt: skip
    os.close(read_commands)
    os.close(write_answers)
    try:
        made = Browser(commands, answers)
        target = made.ask("Target.createTarget", url="about:blank")["targetId"]
        made.session = made.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
            made.ask(f"{domain}.enable")
        yield made
        made.session = ""
        made.ask("Browser.close")
    finally:
        os.close(commands)
        os.close(answers)
        try:
            child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
