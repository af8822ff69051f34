"""What the CLIs of today say, as a page: the readers keep up with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdactl.report import html
from lambdactl.report.html.gather import gather
from lambdactl.sandbox.model import ScriptedModel
from tests.agent.bench import Bench
from tests.report.pages import Page, files_of, folder
from tests.report.record import STEPS, run
from tests.support.model import KEY


@pytest.mark.parametrize("agent", ["claude-code", "codex"])
def test_a_run_of_the_real_cli_is_understood_whole(
    agent: str,
    tmp_path: Path,
    scripted_model: ScriptedModel,
    claude_cli: Path,
    codex_cli: Path,
    everything_server: Path,
) -> None:
    bench = Bench(root=tmp_path, env={"LAMBDACTL_MODEL_URL": scripted_model.url})
    bench.prepare()
    for program in (claude_cli, codex_cli, everything_server):
        bench.program(program)
    done, definition = run(agent, bench, STEPS, key=KEY)
    assert done.result["outcome"] == "succeeded", done.result
    read = folder(files_of(done.folder), definition)
    report = gather(read)
    calls = [row for row in report.story.rows if row.kind == "call"]
    assert [row.failed for row in calls] == [False, False, True, False]
    assert all(row.took is not None for row in calls)
    assert (report.story.unknown, report.story.broken) == (0, 0)
    assert report.story.points[-1].usage.output == done.result["usage"]["outputTokens"]
    text = Page(html.page(read)).text
    assert "# Files changed 2 +4 −0" in text
    assert "Count the people in the cities." in text
    assert KEY not in text
