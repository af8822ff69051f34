"""Makes the samples anew, with the real CLIs and a scripted model: `python -m tests.report.record`.

Of the transcripts only the lines stay that a page reads, for the rest is the CLIs' own prompts.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lambdactl.sandbox.model import ScriptedModel
from tests.agent.bench import Bench, Done, definition
from tests.support.clis import _programs

SAMPLES = Path(__file__).with_name("samples")
KEY = "made-up-model-key-of-the-samples"
EVERYTHING = {"type": "stdio", "command": "mcp-server-everything", "args": ["stdio"], "env": {}}
STEPS: list[dict[str, Any]] = [
    {"say": "I look at what is there first."},
    {"bash": "git init -q . 2>&1; printf 'Oslo,717710\\nBergen,291940\\n' > cities.csv; git add .; sleep 1"},
    {"tool": "mcp__everything__get-sum", "input": {"a": 717710, "b": 291940}},
    {"bash": "cat no-such-file.csv"},
    {"bash": "printf 'Oslo,717710\\nBergen,291940\\nTogether,1009650\\n' > cities.csv; echo '# Cities' > "
     "README.md"},
    {"say": "Two cities with 1,009,650 people together: I added the sum to cities.csv."},
]  # fmt: skip
PRICE = {"input": 3, "output": 15, "cacheRead": 0.3, "cacheWrite": 3.75}
AGENTS: Mapping[str, dict[str, Any]] = {
    "claude-code": {
        "version": "2.1.240",
        "model": "claude-sonnet-4-5",
        "provider": "anthropic",
        "prices": {"claude-sonnet-4-5": PRICE},
    },
    "codex": {
        "version": "0.169.0",
        "model": "gpt-5.5",
        "provider": "openai",
        "prices": {"gpt-5.5": PRICE},
    },
    "command": {
        "command": ["sh", "-c", "echo 3 cities; echo 'no coast: Madrid' >&2; echo done > done.txt; exit 3"]
    },
}
_LINES = {"user", "assistant", "item_completed", "token_count", "token_usage_record"}  # that a page reads


def run(type_: str, bench: Bench, steps: list[dict[str, Any]], key: str = KEY) -> tuple[Done, dict[str, Any]]:
    """A run of an agent type, and the definition it had."""
    name = {"claude-code": "ANTHROPIC_API_KEY", "codex": "OPENAI_API_KEY"}.get(type_)
    prompt = f"Count the people in the cities.\nSCRIPT: {json.dumps(steps)}" if name else ""
    agent = {"type": type_, "prompt": prompt, **AGENTS[type_]}
    document = definition(
        agent,
        secrets={name: "/demo/key"} if name else {},
        mcpServers={"everything": EVERYTHING} if name else {},
        artifacts=["README.md" if name else "done.txt"],
    )
    return bench.run(document, secrets={name: key} if name else {}), document


def main() -> int:
    for type_ in AGENTS:
        with tempfile.TemporaryDirectory() as home, ScriptedModel(api_key=KEY) as model:
            bench = Bench(root=Path(home), env={"LAMBDACTL_MODEL_URL": model.url})
            bench.prepare()
            for program in ("claude", "codex", "mcp-server-everything"):
                bench.program(_programs() / program)
            done, document = run(type_, bench, STEPS)
            _keep(done.folder, document, SAMPLES / type_)
    return 0


def _keep(folder: Path, document: Mapping[str, Any], sample: Path) -> None:
    shutil.rmtree(sample, ignore_errors=True)
    shutil.copytree(folder, sample / "run")
    (sample / "definition.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    for transcript in (sample / "run" / "transcript").rglob("*.jsonl"):
        events = [json.loads(line) for line in transcript.read_text("utf-8").splitlines()]
        kept = [event for event in events if _LINES & {event["type"], event.get("payload", {}).get("type")}]
        transcript.write_text("".join(json.dumps(event, ensure_ascii=False) + "\n" for event in kept))


if __name__ == "__main__":
    sys.exit(main())
