"""`make demo`, whole: real builds, the real Claude Code, a real MCP server, the embedded AWS."""

from __future__ import annotations

import subprocess
import sys

from lambdactl.container import Engine
from tests.demo import ROOT


def test_the_demo_runs_to_its_end(engine: Engine) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    out = done.stdout
    assert done.returncode == 0, out[-4000:] + done.stderr[-2000:]
    local, launched = out.split("$ lambdactl launch")
    for said in ("▶ run ", "→ mcp__everything__get-sum", "■ succeeded"):
        assert said in local
    assert "s3://demo-main-000000000000-us-east-1/everything/" in launched
    assert "artifacts/answer.md" in launched
    assert "page: .lambdactl/run.html" in launched + done.stderr
    assert (ROOT / ".lambdactl" / "run.html").is_file()
    assert "The sum of 19 and 23 is 42." in launched.partition("# Report of the scripted model")[2]
    assert "Nothing to do" in local.split("$ lambdactl apply --yes")[2]
