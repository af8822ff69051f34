"""Writes the Dockerfile of a build context. Pure.

BuildKit syntax of the built-in frontend (no remote `# syntax=`), which podman reads too. What is
only needed while building is mounted, never copied: the installer, lock files, uv, npm, caches,
and the CA bundle, a secret. The base is a build argument, so that the same image from a mirror has
the same Dockerfile.
"""

from __future__ import annotations

from collections.abc import Iterable

HOME = "/opt/lambdactl"
WORK = "/run/lambdactl"  # mounts only

ENVIRONMENT = f"""\
ENV PATH={HOME}/bin:$PATH \\
    PYTHONPATH={HOME} \\
    PYTHONDONTWRITEBYTECODE=1 \\
    LANG=C.UTF-8 \\
    HOME=/tmp
"""

MOUNTS = (
    f"type=bind,source=install.py,target={WORK}/install.py",
    f"type=cache,id=lambdactl,target={WORK}/cache",
    "type=tmpfs,target=/tmp",
    f"type=secret,id=ca,target={WORK}/ca",
)
TOOLS_MOUNT = f"type=bind,from=tools,source={WORK}/tools,target={WORK}/tools"


def dockerfile(
    *, architecture: str, first: Iterable[str], apt: Iterable[str], bundles: Iterable[str], node: bool
) -> str:
    """`first` and `bundles` are the folders of bundles in the context, `apt` package names."""
    tools = _run("tools", f"{WORK}/tools.txt", architecture, mounts=[_bind("tools.txt", "tools.txt")])
    names = list(apt)
    parts = [
        f"ARG BASE\nFROM ${{BASE}} AS base\nUSER 0\n{ENVIRONMENT}",
        f"FROM base AS tools\n{tools}",
        f"FROM base\n{''.join(_bundle(folder) for folder in first)}",
        _run("apt", *names) if names else "",
        _run("node", mounts=[TOOLS_MOUNT]) if node else "",
        "".join(_bundle(folder) for folder in bundles),
        _run("links", f"{WORK}/links.json", mounts=[_bind("links.json", "links.json")]),
        "RUN mkdir -p /mnt/run && chmod 1777 /mnt/run\n",
        # What changes most comes last, the fingerprint of it all at the end.
        f"COPY agent {HOME}/agent\nCOPY files {HOME}/files\nCOPY fingerprint {HOME}/fingerprint\n",
        f"WORKDIR {HOME}\n"
        # Lambda ignores USER and takes one like it; here it keeps a plain `docker run` from being root.
        "USER 993:990\n"
        f'ENTRYPOINT ["{HOME}/python/bin/python", "-m", "awslambdaric"]\n'
        'CMD ["agent.handler.handle"]\n',
    ]
    return "\n".join(part for part in parts if part)


def _bundle(folder: str) -> str:
    return _run("bundle", f"{WORK}/bundle", mounts=[_bind(folder, "bundle"), TOOLS_MOUNT])


def _bind(source: str, name: str) -> str:
    return f"type=bind,source={source},target={WORK}/{name}"


def _run(step: str, *arguments: str, mounts: Iterable[str] = ()) -> str:
    lines = [f"--mount={mount}" for mount in (*MOUNTS, *mounts)]
    command = " ".join(("python3", f"{WORK}/install.py", step, *arguments))
    return "RUN " + " \\\n    ".join([*lines, command]) + "\n"
