"""The documents say what is true: the command reference, the README's manifest, links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lambdactl import manifest
from lambdactl.manifest.later import planned
from tests import manifest_reference
from tests.reference import PATH, reference

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_the_command_reference_is_what_help_says() -> None:
    assert PATH.read_text(encoding="utf-8") == reference(), "run: python -m tests.reference"


def test_the_manifest_reference_is_what_the_schemas_say() -> None:
    page = manifest_reference.PATH.read_text(encoding="utf-8")
    assert page == manifest_reference.reference(), "run: python -m tests.manifest_reference"


def test_the_manifest_reference_has_every_field_and_each_row_its_columns() -> None:
    page = manifest_reference.reference()
    for name in (
        "agent.maxTurns",
        "mcpServers.NAME.headers",
        "packages.pip",
        "logs.retentionDays",
        "image.base",
    ):
        assert f"\n| `{name}` | " in page
    for field, _ in planned():
        assert f"\n| `{field}` | " in page
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3, 5}


def test_the_readmes_manifest_is_valid(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert block is not None
    (tmp_path / "jobs").mkdir()
    (tmp_path / "lambdactl.yaml").write_text("project: readme\n")
    (tmp_path / "jobs" / "triage-issues.yaml").write_text(block.group(1), encoding="utf-8")
    assert manifest.load(tmp_path).problems == ()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_design_names_every_module_of_the_agent() -> None:
    design = (ROOT / "docs/design.md").read_text()
    table = design[design.index("Inside the agent") : design.index("## Contracts")]
    told = set(re.findall(r"`(\w+)/?`", table))
    there = {each.stem for each in (ROOT / "agent").iterdir() if each.suffix == ".py" or each.is_dir()}
    assert there - told <= {"__init__", "__pycache__"}
