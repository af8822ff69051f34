"""Writes the Dockerfile of a build context. Pure.

BuildKit syntax of the built-in frontend (no remote `# syntax=`), which podman reads too. What is
only needed while building is mounted, never copied: the installer, lock files, uv, npm, caches,
and the CA bundle, a secret. The base is a build argument, so that the same image from a mirror has
the same Dockerfile.

Every RUN line ends with a hash of the files it consumes: podman's layer cache looks at the line only,
not at what is mounted, and would give another lock's packages to this one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from lambdactl.image.files import File

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
    f"type=secret,id=ca,target={WORK}/ca",
)
TOOLS_MOUNT = f"type=bind,from=tools,source={WORK}/tools,target={WORK}/tools"


def dockerfile(
    *,
    architecture: str,
    files: Mapping[str, File],
    first: Iterable[str],
    apt: Iterable[str],
    bundles: Iterable[str],
    node: bool,
) -> str:
    """`files` is the context; `first` and `bundles` are its folders of bundles, `apt` package names."""
    ours = consumed(files, "install.py")
    tools = consumed(files, "install.py", "tools.txt")

    def bundle(folder: str) -> str:
        what = consumed(files, "install.py", "tools.txt", folder)
        return _run("bundle", f"{WORK}/bundle", mounts=[_bind(folder, "bundle"), TOOLS_MOUNT], of=what)

    install_tools = _run(
        "tools", f"{WORK}/tools.txt", architecture, mounts=[_bind("tools.txt", "tools.txt")], of=tools
    )
    links = consumed(files, "install.py", "links.json")
    names = list(apt)
    parts = [
        f"ARG BASE\nFROM ${{BASE}} AS base\nUSER 0\n{ENVIRONMENT}",
        # Two stages: of one that comes from its cache, podman would mount the base instead of the result.
        f"FROM base AS tools-made\n{install_tools}\nFROM tools-made AS tools\n",
        f"FROM base\n{''.join(map(bundle, first))}",
        _run("apt", *names, of=ours) if names else "",
        _run("node", mounts=[TOOLS_MOUNT], of=tools) if node else "",
        "".join(map(bundle, bundles)),
        _run("links", f"{WORK}/links.json", mounts=[_bind("links.json", "links.json")], of=links),
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


def consumed(files: Mapping[str, File], *names: str) -> str:
    """A hash of these files and of all below these folders."""
    hashed = hashlib.sha256()
    for path in sorted(files):
        if path.startswith(tuple(f"{name}/" for name in names)) or path in names:
            hashed.update(f"{path} {files[path].sha256} {files[path].executable}\n".encode())
    return hashed.hexdigest()[:16]


def _bind(source: str, name: str) -> str:
    return f"type=bind,source={source},target={WORK}/{name}"


def _run(step: str, *arguments: str, mounts: Iterable[str] = (), of: str) -> str:
    lines = [f"--mount={mount}" for mount in (*MOUNTS, *mounts)]
    command = " ".join(("python3", f"{WORK}/install.py", step, *arguments))
    return "RUN " + " \\\n    ".join([*lines, f"{command} # {of}"]) + "\n"
