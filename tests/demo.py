"""The whole of lambdactl on one machine, without an AWS account and without a model key: `make demo`.

Every step is a command that you can type yourself; they are printed as they run. With
ANTHROPIC_API_KEY and OPENAI_API_KEY in the environment the same commands talk to the real models.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from lambdactl import container
from lambdactl.errors import LambdactlError, MissingTool
from lambdactl.image import oci
from lambdactl.image.machine import on_machine
from lambdactl.manifest.job import Settings

ROOT = Path(__file__).parents[1]
RUN_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
MODEL_KEYS = {
    "ANTHROPIC_API_KEY": "/demo/anthropic-api-key",
    "OPENAI_API_KEY": "/demo/openai-api-key",
}


class Demo:
    """Runs commands one after the other, printing each."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = {**os.environ, **environment}

    def say(self, text: str) -> None:
        print(_styled(f"\n# {text}", "36"), flush=True)

    def run(self, *argv: str, input: str | None = None) -> str:
        """Run `lambdactl ARGV`; ends the demo when it fails. Returns what it printed."""
        print(_styled(f"\n$ lambdactl {shlex.join(argv)}", "1"), flush=True)
        command = [sys.executable, "-P", "-m", "lambdactl", *argv]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(input or "")
            child.stdin.close()
            printed = []
            for line in child.stdout:
                print(line, end="", flush=True)
                printed.append(line)
        if child.returncode:
            sys.exit(f"the demo stops here: exit code {child.returncode}")
        return "".join(printed)


def _styled(text: str, style: str) -> str:
    return f"\033[{style}m{text}\033[0m" if sys.stdout.isatty() else text


def main() -> None:
    with _base_image() as (engine, environment):
        _steps(Demo(environment), engine)


def _steps(demo: Demo, engine: str) -> None:
    real = os.environ.get("ANTHROPIC_API_KEY", "") != ""
    demo.say("The manifests in jobs/, checked: every problem at once, by file, line and column.")
    demo.run("validate")
    if not demo.environment.get("LAMBDACTL_BASE_IMAGE") and engine != "process":
        demo.run("lock")
    demo.say("An AWS on this machine.")
    demo.run("sandbox", "up", *_option("--engine", engine), *(["--real-model"] if real else []))
    try:
        _inside(demo, engine, real)
    finally:
        demo.run("sandbox", "down")
    demo.say("That was all. To type these commands yourself, in this folder:")
    added = demo.environment.keys() - os.environ.keys()
    if "LAMBDACTL_BASE_IMAGE" in added:
        print("# The base's registry ended with the demo: what is built stays; other images need one, as")
        print("# docs/images.md serves it.")
    for name in sorted(added):
        print(f"export {name}={shlex.quote(demo.environment[name])}")
    print('export PATH="$PWD/.venv/bin:$PATH"\nlambdactl sandbox up')


def _inside(demo: Demo, engine: str, real: bool) -> None:
    demo.say("What apply would do.")
    demo.run("plan")
    demo.say("The secrets that the jobs declare, read from standard input.")
    for name, parameter in {**MODEL_KEYS, "REPORT_TOKEN": "/demo/report-token"}.items():
        demo.run("secrets", "set", parameter, input=os.environ.get(name) or "made-up-for-the-demo")
    demo.run("secrets", "list")
    contained = engine != "process"
    demo.say(
        "Builds the images, with agent CLI and MCP servers inside, and makes everything."
        if contained
        else "Installs agent CLI and MCP servers into plain folders, for want of a container engine."
    )
    demo.run("apply", "--yes", *_option("--engine", engine if engine != "process" else ""))
    demo.run("apply", "--yes")

    job = "jobs/everything.yaml"
    where = "in a container on this machine, as Lambda would run it" if contained else "as a plain process"
    demo.say(f"The job {where}.")
    model = ["--env", "ANTHROPIC_API_KEY"] if real else ["--scripted-model"]
    demo.run("run-local", job, *model, *_option("--engine", engine))
    demo.say("The same job, launched as a Lambda function of the embedded AWS.")
    launched = RUN_ID.search(demo.run("launch", job, "--wait"))
    assert launched is not None
    demo.say("Its result, transcript and logs lie in S3 under the job's prefix.")
    demo.run("runs")
    demo.run("logs", launched.group())
    demo.say("The whole of it, also as a page: open .lambdactl/run.html in a browser.")
    with tempfile.TemporaryDirectory() as folder:
        demo.run("show", launched.group(), "--download", folder, "--html", ".lambdactl/run.html")
        print(f"\n{Path(folder, 'artifacts', 'answer.md').read_text()}")


def _option(name: str, value: str) -> list[str]:
    return [name, value] if value else []


@contextlib.contextmanager
def _base_image() -> Iterator[tuple[str, dict[str, str]]]:
    """The engine's name ("" as found, "process" without one) and the settings of this machine."""
    environment = _network()
    try:
        engine = container.find()
    except MissingTool as absent:
        print(
            f"{absent}\nuntil then the jobs run as plain processes: nothing of Lambda's sandbox is enforced"
        )
        yield "process", {}
        return
    if os.environ.get("LAMBDACTL_BASE_IMAGE") or _public_base_is_reachable():
        yield "", environment
        return
    from tests.support.engine import BASE_TAG, SCRIPT, serve_registry

    print("no public image registry can be reached: a base image of Debian's packages is used instead")
    if missing := [tool for tool in ("mmdebstrap", "docker-registry") if not shutil.which(tool)]:
        tools = " ".join(missing)
        sys.exit(f"missing: {tools}. Install: apt-get install {tools}; or set LAMBDACTL_BASE_IMAGE")
    if engine.call("image", "inspect", BASE_TAG, check=False).returncode:
        print("making it: once, half a minute")
    with tempfile.TemporaryDirectory() as folder, serve_registry(Path(folder)) as registry:
        made = subprocess.run(
            [str(SCRIPT), BASE_TAG, engine.executable, registry.host],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        yield "", {**environment, "LAMBDACTL_BASE_IMAGE": made.stdout.strip()}


def _network() -> dict[str, str]:
    """Behind a proxy of this machine its own network reaches more than an engine's bridge."""
    behind_proxy = os.environ.get("LAMBDACTL_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
    if not behind_proxy or os.environ.get("LAMBDACTL_BUILD_NETWORK"):
        return {}
    return {"LAMBDACTL_BUILD_NETWORK": "host"}


def _public_base_is_reachable() -> bool:
    settings = on_machine(Settings(name="demo", root=ROOT), os.environ)
    try:
        return oci.digest_of(settings.base_image, ca_bundle=settings.ca_bundle) is not None
    except (LambdactlError, OSError):
        return False


if __name__ == "__main__":
    main()
