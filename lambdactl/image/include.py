"""Reads the files a job puts into its image. Reads only; refuses what must never be in one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lambdactl.errors import ManifestError, Problem
from lambdactl.image.files import File
from lambdactl.manifest.job import Job

# Never content: left out of an included folder, refused when named.
LEFT_OUT = (".git", ".lambdactl", "__pycache__")


def included(job: Job, root: Path) -> dict[str, File]:
    """Path below the project's root -> file, for all that the job includes.

    A link to a file inside the project becomes that file; a link to a folder, or out of the
    project, is refused: what lies there changes without the project changing.
    """
    found: dict[str, File] = {}
    problems: list[str] = []
    for entry in job.include:
        try:
            for path in _walk(root, entry):
                found[path.as_posix()] = _read(root, path)
        except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a circle of links, up to 3.12
            problems.append(str(error))
    if problems:
        source = os.path.relpath(job.source, root) if job.source.is_absolute() else str(job.source)
        raise ManifestError([Problem(source, 0, 0, f"include: {text}") for text in problems])
    return dict(sorted(found.items()))


def _walk(root: Path, entry: str) -> Iterator[Path]:
    """Every file of an entry, relative to the root."""
    start = Path(os.path.normpath(entry))
    if start.is_absolute() or ".." in start.parts:
        raise ValueError(f"{entry} is outside of the project")
    if set(start.parts) & set(LEFT_OUT):
        raise ValueError(f"{entry} is never put into an image")
    full = root / start
    if not full.is_dir():
        if not full.exists():
            raise ValueError(f"{entry} does not exist")
        yield start
        return
    for folder, folders, names in os.walk(full, onerror=_raise):
        folders[:] = sorted(set(folders) - set(LEFT_OUT))
        for name in sorted({*names, *(f for f in folders if Path(folder, f).is_symlink())} - set(LEFT_OUT)):
            yield Path(folder, name).relative_to(root)


def _raise(error: OSError) -> None:
    """For os.walk, which otherwise leaves out what it cannot read, and says nothing."""
    raise error


def _read(root: Path, path: Path) -> File:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f"the name {str(path)!a} is not UTF-8") from None
    full = (root / path).resolve(strict=True)
    try:
        inside = full.relative_to(root.resolve())
    except ValueError:
        raise ValueError(f"{path} is a link out of the project") from None
    for parts in (path.parts, inside.parts):
        if any(part.startswith(".env") for part in parts):
            raise ValueError(f"{path} may hold secrets (.env*): declare them under `secrets` instead")
    if set(inside.parts) & set(LEFT_OUT) or not full.is_file():
        raise ValueError(f"{path} is not a regular file of the project")
    return File(full.read_bytes(), executable=bool(full.stat().st_mode & 0o100))
