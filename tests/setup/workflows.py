"""The workflows of this repository, and their steps carried out: shell by bash, scripts by Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lambdactl.setup import names
from lambdactl.setup.template import render
from tests.support.require import missing

REPOSITORY = Path(__file__).parents[2]
OURS = REPOSITORY / ".github" / "workflows"
MADE = ("plan", "apply", "drift")
# In this repository lambdactl is what is checked out, with its locked dependencies.
FROM_SOURCE = 'uv sync --frozen --no-dev && echo "$PWD/.venv/bin" >>"$GITHUB_PATH"'
MARKER = "<!-- lambdactl plan -->"
OTHER_MARKER = "<!-- lambdactl other plan -->"
BOT = "github-actions[bot]"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def made(name: str, how: str = FROM_SOURCE) -> str:
    values = {"INSTALL": how, "REGION": "us-east-1", **names.placeholders("")}
    return render(f"{name}.yml", values)


def workflow(name: str) -> dict[str, Any]:
    """A workflow of this repository."""
    return parsed((OURS / f"{name}.yml").read_text())


def parsed(text: str) -> dict[str, Any]:
    """A workflow; its `on` is YAML 1.1's true."""
    loaded: dict[Any, Any] = yaml.safe_load(text)
    loaded["on"] = loaded.pop(True)
    return loaded


def steps(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in document["jobs"].values():
        yield from job["steps"]


def step(name: str, called: str) -> dict[str, Any]:
    """The step of a workflow by its name."""
    (found,) = (each for each in steps(workflow(name)) if each["name"] == called)
    return found


@dataclass(frozen=True, kw_only=True)
class GitHub:
    """What GitHub answers to a script."""

    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    environments: Mapping[str, Any] = field(default_factory=dict)


Told = list[tuple[str, Any]]


def scripted(folder: Path, script: str, github: GitHub, env: Mapping[str, str] | None = None) -> Told:
    """All that the script asked of GitHub and told the runner, in order."""
    node = shutil.which("node")
    if node is None:
        missing("node", "apt-get install nodejs")
    answers = {
        "listComments": github.comments,
        "listPullRequestsAssociatedWithCommit": github.pulls,
    }
    program = f"""
        const told = []
        const tell = (call) => async (sent) => {{ told.push([call, sent]) }}
        const note = (call) => (...sent) => {{ told.push([call, sent.length > 1 ? sent : sent[0]]) }}
        const answers = {json.dumps(answers)}
        const environments = {json.dumps(github.environments)}
        const github = {{
          paginate: async (list, sent) => {{ told.push([list, sent]); return answers[list] }},
          rest: {{
            issues: {{
              listComments: 'listComments',
              createComment: tell('create'),
              updateComment: tell('update'),
            }},
            repos: {{
              listPullRequestsAssociatedWithCommit: 'listPullRequestsAssociatedWithCommit',
              getEnvironment: async (sent) => {{
                told.push(['getEnvironment', sent])
                if (!(sent.environment_name in environments)) throw new Error('Not Found')
                return {{ data: environments[sent.environment_name] }}
              }},
            }},
          }},
        }}
        const core = {{ setOutput: note('output'), notice: note('notice'), setFailed: note('failed') }}
        const context = {{
          serverUrl: 'https://github.com', runId: 5, sha: '{COMMIT}',
          repo: {{ owner: 'acme', repo: 'agents' }},
          payload: {{ pull_request: {{ number: 12, head: {{ sha: '{COMMIT}' }} }} }},
        }}
        const run = async () => {{ {script} }}
        run().then(() => console.log(JSON.stringify(told)))
        """
    (folder / "run.js").write_text(program)
    done = subprocess.run(
        [str(node), str(folder / "run.js")],
        env={"PATH": "/usr/bin:/bin", "RUNNER_TEMP": str(folder), **(env or {})},
        capture_output=True,
        text=True,
        check=True,
    )
    return [(call, sent) for call, sent in json.loads(done.stdout)]


def shell(command: str, cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """As a step with `shell: bash` runs it."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", **env},
        capture_output=True,
        text=True,
    )


def fake(folder: Path, code: int, says: str = "") -> str:
    """A PATH on which `lambdactl` notes its arguments in `folder`/argv, says this, and exits so."""
    (folder / "says").write_text(says)
    program = folder / "lambdactl"
    program.write_text(f'#!/bin/sh\necho "$@" >>"{folder}/argv"\ncat "{folder}/says"\nexit {code}\n')
    program.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"
