"""A run as one self-contained page: `page(folder)`. No printing, no AWS, nothing fetched, nothing run."""

from __future__ import annotations

from lambdactl.report.html.gather import gather
from lambdactl.report.html.render import MARK, render
from lambdactl.report.html.values import Folder

__all__ = ["MARK", "Folder", "page"]


def page(folder: Folder) -> str:
    """The page's text. Reads the folder's files as it needs them, in bounded memory."""
    return render(gather(folder))
