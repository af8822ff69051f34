"""Reads the files a job puts into its image."""

from __future__ import annotations

import os
from pathlib import Path

from lambdactl.errors import ManifestError, Problem
from lambdactl.image.files import File
from lambdactl.manifest import included as entries
from lambdactl.manifest.job import Job


def included(job: Job, root: Path) -> dict[str, File]:
    """Path below the project's root -> file, for all that the job includes. ManifestError for what was not
    yet so when the manifest was checked."""
    found: dict[str, File] = {}
    problems: list[str] = []
    for entry in job.include:
        try:
            for path, file in entries.files(root, entry):
                found[path.as_posix()] = File(file.read_bytes(), executable=bool(file.stat().st_mode & 0o100))
        except (OSError, ValueError) as error:
            problems.append(str(error))
    if problems:
        source = os.path.relpath(job.source, root) if job.source.is_absolute() else str(job.source)
        raise ManifestError([Problem(source, 0, 0, f"include: {text}") for text in problems])
    return dict(sorted(found.items()))
