"""The one-time set-up of somebody's repository and AWS account. Writes files or text, never asks AWS."""

from __future__ import annotations

from lambdactl.setup.bootstrap import Trust, bootstrap
from lambdactl.setup.init import init, init_workflows

__all__ = ["Trust", "bootstrap", "init", "init_workflows"]
