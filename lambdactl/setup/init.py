"""`init`: what a repository needs to become a project, or a project's environment to have its workflows.

Never overwrites a file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from lambdactl import manifest
from lambdactl.bundled import schema_text
from lambdactl.errors import Refused, UsageError
from lambdactl.manifest.pins import TESTED
from lambdactl.setup import git, names
from lambdactl.setup.source import install
from lambdactl.setup.template import render

DEFAULT_REGION = "us-east-1"
IGNORED = (".lambdactl/", ".env*")
WORKFLOWS = {f".github/workflows/lambdactl-{each}.yml": f"{each}.yml" for each in ("plan", "apply", "drift")}
FILES = {"lambdactl.yaml": "lambdactl.yaml", "jobs/hello.yaml": "job.yaml", **WORKFLOWS}
# For editors: the first lines of lambdactl.yaml and of the job point at them.
SCHEMAS = {"schemas/job.schema.json": "job", "schemas/project.schema.json": "project"}
_PROJECT = re.compile(r"[a-z][a-z0-9]{1,31}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]+")

Line = Callable[[str], None]


def init(
    root: Path,
    *,
    project: str = "",
    region: str = "",
    install_from: str = "",
    on_line: Line = lambda line: None,
) -> list[Path]:
    """Write the files of a new project below `root`; returns the paths written.

    Refused, with nothing written, when any of them exists; only .gitignore is added to. Without
    `install_from` (see `source`) the workflows fail where they would install lambdactl.
    """
    if not root.is_dir():
        raise UsageError("there is no such folder", where=str(root))
    name = project or _derived(root)
    if not _PROJECT.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be a project's name",
            why="2 to 32 lower-case letters and digits, a letter first: names are split at hyphens",
            hint="choose one with --project",
        )
    if region and not _REGION.fullmatch(region):
        raise UsageError(f"{region!r} is not an AWS region", hint="one such as eu-central-1")
    values = _values(name, region, install(install_from, root))
    texts = {path: render(template, values) for path, template in FILES.items()}
    texts |= {path: schema_text(kind) for path, kind in SCHEMAS.items()}
    written = _write_all(root, texts)
    if _ignore(root / ".gitignore"):
        written.append(root / ".gitignore")
    _tell(root, written, install_from, on_line)
    return written


def init_workflows(
    root: Path, environment: str, *, install_from: str = "", on_line: Line = lambda line: None
) -> list[Path]:
    """Write the workflows of one environment of an existing project; returns the paths written.

    They have names of their own, so that those of several environments stand side by side.
    """
    settings = {each.environment: each for each in manifest.settings(root)}
    if environment not in settings:
        raise UsageError(
            f"there is no environment {environment}",
            where=str(root / "lambdactl.yaml"),
            hint=f"environments: {', '.join(settings)}",
        )
    values = {
        "REGION": settings[environment].region or DEFAULT_REGION,
        "INSTALL": install(install_from, root),
        **names.placeholders(environment),
    }
    ending = f"{values['SUFFIX']}.yml"
    texts = {path.replace(".yml", ending): render(template, values) for path, template in WORKFLOWS.items()}
    written = _write_all(root, texts)
    _tell(root, written, install_from, on_line)
    return written


def _values(project: str, region: str, command: str) -> dict[str, str]:
    return {
        "PROJECT": project,
        "REGION": region or DEFAULT_REGION,
        "CLAUDE_CODE": TESTED["claude-code"],
        "INSTALL": command,
        **names.placeholders(""),
    }


def _derived(root: Path) -> str:
    """From the remote's name, else the folder's: what of it can stand in a project's name."""
    name = git.repository(root).rpartition("/")[2] or root.resolve().name
    return re.sub(r"[^a-z0-9]", "", name.lower()).lstrip("0123456789")[:32]


def _write_all(root: Path, texts: Mapping[str, str]) -> list[Path]:
    if there := [path for path in texts if os.path.lexists(root / path)]:
        raise Refused(
            f"already there: {', '.join(there)}",
            where=str(root),
            hint="init never overwrites; move them away, or edit them instead. Nothing was written",
        )
    return [_write(root / path, text) for path, text in texts.items()]


def _tell(root: Path, written: list[Path], install_from: str, on_line: Line) -> None:
    for path in written:
        on_line(f"wrote {path.relative_to(root)}")
    if not install_from:
        on_line(
            "note: the workflows fail until they say where lambdactl comes from: edit the step that installs"
            " it (--install-from takes what to write there)"
        )
    top = git.top(root)
    if top and top != root.resolve():
        on_line(f"note: GitHub reads workflows only in {top}: move .github there and set working-directory")


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8", newline="\n") as file:  # x: also when made since we looked
        file.write(text)
    return path


def _ignore(path: Path) -> bool:
    """Append the lines that are missing; False when none is."""
    before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    present = {line.strip() for line in before.splitlines()}
    missing = [line for line in IGNORED if line not in present]
    if missing:
        begin = "" if not before or before.endswith("\n") else "\n"
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(begin + "".join(f"{line}\n" for line in missing))
    return bool(missing)
