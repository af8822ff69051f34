"""Which files an entry of `include` stands for; refuses what must never be in an image. Only reads names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Never content: left out of an included folder, refused when named.
LEFT_OUT = (".git", ".lambdactl", "__pycache__")


def files(root: Path, entry: str) -> Iterator[tuple[Path, Path]]:
    """(path below the project's root, the file that is there) for each. Raises ValueError.

    A link to a file inside the project becomes that file; a link to a folder, or out of the
    project, is refused: what lies there changes without the project changing.
    """
    whole = root.resolve()
    try:
        for path in _walk(root, entry):
            yield path, _checked(root, whole, path)
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links, up to Python 3.12
        raise ValueError(str(error)) from None


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


def _checked(root: Path, whole: Path, path: Path) -> Path:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f"the name {str(path)!a} is not UTF-8") from None
    full = (root / path).resolve(strict=True)
    try:
        inside = full.relative_to(whole)
    except ValueError:
        raise ValueError(f"{path} is a link out of the project") from None
    for parts in (path.parts, inside.parts):
        if any(part.startswith(".env") for part in parts):
            raise ValueError(f"{path} may hold secrets (.env*): declare them under `secrets` instead")
    if set(inside.parts) & set(LEFT_OUT) or not full.is_file():
        raise ValueError(f"{path} is not a regular file of the project")
    return full
