"""How long 1,000 manifests take to validate, beside what parsing them takes. Prints; asserts nothing.

python benchmarks/manifests.py [COUNT]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from lambdactl.manifest import load

_MANIFEST = """\
description: Label and answer new issues
agent:
  type: claude-code
  model: claude-sonnet-4-6
  prompt: |
    Triage the issue in input.json and answer it.
  maxTurns: 40
mcpServers:
  github:
    command: npx
    args: ["-y", "@modelcontextprotocol/server-github@2025.4.8"]
    env: {{ GITHUB_PERSONAL_ACCESS_TOKEN: "${{secrets.GITHUB_TOKEN}}" }}
  docs:
    type: http
    url: https://mcp.example.com/mcp
    headers: {{ Authorization: "Bearer ${{secrets.DOCS_TOKEN}}" }}
secrets:
  ANTHROPIC_API_KEY: /agents/anthropic-api-key
  GITHUB_TOKEN: /agents/triage/github-token
  DOCS_TOKEN: /agents/triage/docs-token
prefix: job{number}/
timeout: 10m
memory: 3072
"""


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "jobs").mkdir()
        (root / "lambdactl.yaml").write_text("project: bench\nallow: {parameters: ['/agents/*']}\n")
        for number in range(count):
            (root / "jobs" / f"job{number}.yaml").write_text(_MANIFEST.format(number=number))
        load(root)  # imports and the validator are paid once in a process
        whole = _seconds(lambda: load(root).checked())
        parsing = {
            name: _seconds(lambda loader=loader: _parse_all(root, loader))  # type: ignore[misc]
            for name, loader in (("C", getattr(yaml, "CSafeLoader", None)), ("Python", yaml.SafeLoader))
            if loader
        }
    print(f"{count} manifests, validated and resolved: {whole:.2f} s")
    for name, duration in parsing.items():
        print(f"  parsing alone, PyYAML's {name} loader: {duration:.2f} s ({whole / duration:.1f} x)")


def _parse_all(root: Path, loader: type) -> None:
    for file in (root / "jobs").iterdir():
        yaml.load(file.read_bytes(), Loader=loader)


def _seconds(call: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


if __name__ == "__main__":
    main()
