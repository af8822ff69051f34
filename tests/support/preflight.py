"""Says which tools the tests need and this machine lacks, before anything starts."""

from __future__ import annotations

import shutil
import sys

from lambdactl import container
from lambdactl.errors import MissingTool

TOOLS = {
    "git": "apt-get install git",
    "podman": "apt-get install podman   (the second of the two engines)",
    "node": "apt-get install nodejs npm   (or https://nodejs.org)",
    "npm": "apt-get install npm",
    "docker-registry": "apt-get install docker-registry   (the real OCI registry of the tests)",
    "chromium": "apt-get install chromium   (a real browser, for runs as pages)",
    "mmdebstrap": "apt-get install mmdebstrap   (makes a base image without a public registry)",
}


def main() -> int:
    missing = [f"{tool}: {install}" for tool, install in TOOLS.items() if shutil.which(tool) is None]
    try:
        container.find()
    except MissingTool as absent:
        missing.append(str(absent))
    for each in missing:
        print(f"missing: {each}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
