"""All that a page shows, read and bounded: what `gather` makes and `render` draws. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lambdactl.report.html.diff import Patch
from lambdactl.report.html.picture import Picture
from lambdactl.report.html.story import Story
from lambdactl.report.html.values import Excerpt, Folder, Server


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    name: str
    size: int
    sha256: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that a page shows, bounded. `gaps` says what could not be read or was passed over."""

    folder: Folder
    agent: Mapping[str, str]
    reason: Excerpt
    prompt: Excerpt
    system_prompt: Excerpt
    command: Excerpt
    input: Excerpt
    output: Excerpt
    story: Story
    picture: Picture | None
    cost: float | None
    seconds: float | None
    servers: tuple[Server, ...]
    patch: Patch | None
    stdout: Excerpt
    stderr: Excerpt
    notes: tuple[str, ...]
    files: tuple[File, ...]
    more_files: int
    gaps: tuple[str, ...]
