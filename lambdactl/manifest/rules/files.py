"""Files that a manifest names: inside the project, readable, never secret. Only reads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from json import JSONDecodeError
from pathlib import Path, PurePosixPath
from typing import Any

from lambdactl.manifest.bundling import Unclear, npm, pypi
from lambdactl.manifest.draft import Draft
from lambdactl.manifest.finding import Finding, shown
from lambdactl.manifest.included import files
from lambdactl.manifest.job import Package
from lambdactl.manifest.references import LITERAL_SECRET
from lambdactl.manifest.rules.limits import TEXT_MAX

_DEBIAN = re.compile(r"[a-z0-9][a-z0-9+.-]+")  # Debian Policy 5.6.1


class Unfit(Exception):
    """A named file cannot be used; `args` are what and hint."""


def inside(root: Path, name: str) -> Path:
    """The file or folder `name` below `root`. Raises Unfit, also when a link leads out."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name:
        raise Unfit("leads out of the project", "name it relative to lambdactl.yaml, without ..")
    if pure == PurePosixPath():
        raise Unfit("is the whole project", "name the files and folders that the job needs")
    hidden = next((p for p in pure.parts if p in (".git", ".lambdactl") or p.startswith(".env")), "")
    if hidden:
        raise Unfit(f"is in or is {hidden}, which never enters an image", "pass secrets by `secrets`")
    try:
        found = (root / pure).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise Unfit("does not exist", "names are relative to lambdactl.yaml") from None
    if not found.is_relative_to(root.resolve()):
        raise Unfit("leads out of the project by a symbolic link", "copy the file into the project")
    return found


def read_prompt(root: Path, name: str) -> str:
    """The text of a promptFile. Raises Unfit."""
    text = _text(root, name, "shorten it, or include it and tell the agent to read it")
    if not text.strip():
        raise Unfit("is empty", "write the prompt into it")
    return text


def read_output_schema(root: Path, name: str) -> dict[str, Any]:
    """The JSON Schema in the file of an outputSchema. Raises Unfit."""
    try:
        schema = json.loads(_text(root, name, "shorten it"))
    except ValueError as error:
        place = f": line {error.lineno}, column {error.colno}" if isinstance(error, JSONDecodeError) else ""
        raise Unfit(f"is not JSON{place}", "write a JSON Schema into it") from None
    except RecursionError:
        raise Unfit("is nested too deeply", "write a plainer schema") from None
    if not isinstance(schema, dict):
        raise Unfit("is not a JSON object", "write a JSON Schema into it")
    return schema


def _text(root: Path, name: str, shorten: str) -> str:
    file = inside(root, name)
    if not file.is_file():
        raise Unfit("is not a file", "name a text file")
    try:
        if file.stat().st_size > TEXT_MAX:
            raise Unfit(f"has more than {TEXT_MAX} bytes", shorten)
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unfit("is not UTF-8 text", "save it as UTF-8") from None
    except OSError as error:
        raise Unfit(f"cannot be read: {error.strerror}", "check its permissions") from None
    if "\0" in text:
        raise Unfit("is not a text", "name a text file")
    if LITERAL_SECRET.search(text):
        raise Unfit("holds what looks like a secret", "take it out, and revoke it if it was ever committed")
    return text


def prompt_file(draft: Draft) -> Iterator[Finding]:
    if "promptFile" in draft.agent:
        try:
            read_prompt(draft.project.root, draft.agent["promptFile"])
        except Unfit as error:
            what, hint = error.args
            yield Finding(
                ("agent", "promptFile"), f"promptFile {shown(draft.agent['promptFile'])} {what}", hint
            )


def include(draft: Draft) -> Iterator[Finding]:
    for index, name in enumerate(draft.value.get("include", [])):
        try:
            inside(draft.project.root, name)
        except Unfit as error:
            what, hint = error.args
            yield Finding(("include", index), f"{shown(name)} {what}", hint)
            continue
        try:
            for _ in files(draft.project.root, name):
                pass
        except ValueError as problem:
            yield Finding(("include", index), str(problem), "move it out of what is included")


def artifacts(draft: Draft) -> Iterator[Finding]:
    for index, glob in enumerate(draft.value.get("artifacts", [])):
        parts = PurePosixPath(glob).parts
        if glob.startswith("/") or ".." in parts or "\\" in glob or "//" in glob:
            what = f"{shown(glob)} leads out of the workspace"
            yield Finding(("artifacts", index), what, "write it relative to the workspace, as in out/*.md")


def packages(draft: Draft) -> Iterator[Finding]:
    given = draft.value.get("packages", {})
    for index, name in enumerate(given.get("apt", [])):
        if not _DEBIAN.fullmatch(name):
            what = f"{shown(name)} is not the name of a Debian package"
            yield Finding(
                ("packages", "apt", index), what, "name it alone; versions follow from the base image"
            )
    parsers: dict[str, Callable[[str], Package]] = {"pip": pypi, "npm": npm}
    for field, parse in parsers.items():
        for index, spec in enumerate(given.get(field, [])):
            try:
                parse(spec)
            except Unclear as error:
                yield Finding(("packages", field, index), error.what, error.hint)
