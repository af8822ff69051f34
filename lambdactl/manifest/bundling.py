"""What `npx` and `uvx` in a manifest mean: a pinned package to put into the image. Pure.

A job never installs anything when it runs, so these two are read at validation, bundled at build
time, and replaced by the bundled program. Only the forms that servers' READMEs use are understood.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lambdactl.manifest.job import Package, PackageRegistry

_NPM_NAME = re.compile(r"(?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*")
_NPM_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_PYPI_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_PYPI_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*(?:(?:a|b|rc)[0-9]+)?(?:\.post[0-9]+)?(?:\.dev[0-9]+)?")
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")

BUNDLED = ("npx", "uvx")
# Programs that fetch what they run at run time, and what to write instead.
FETCHERS = {
    "bunx": "use npx",
    "pnpx": "use npx",
    "pipx": "use uvx",
    "docker": "there is no container engine inside Lambda; use the server's npm or PyPI package",
    "podman": "there is no container engine inside Lambda; use the server's npm or PyPI package",
}
_FETCHING_SUBCOMMANDS = {
    ("npm", "exec"): "use npx",
    ("npm", "x"): "use npx",
    ("pnpm", "dlx"): "use npx",
    ("yarn", "dlx"): "use npx",
    ("bun", "x"): "use npx",
    ("uv", "tool"): "use uvx",
    ("uv", "run"): "use uvx, or packages.pip and python3",
}


class Unclear(Exception):
    """`at` is the index of the argument at fault, or None for the command itself."""

    def __init__(self, what: str, hint: str, at: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.at = at


@dataclass(frozen=True, slots=True)
class Bundle:
    package: Package
    executable: str
    args: tuple[str, ...]


def bundle(command: str, args: Sequence[str]) -> Bundle | None:
    """The package behind a stdio server's command line, or None when it is a program of the image.

    Raises Unclear when the command would fetch something that is not pinned, or that we cannot bundle.
    """
    program = command.rsplit("/", 1)[-1]
    if program == "npx":
        return _npx(args)
    if program == "uvx":
        return _uvx(args)
    cure = FETCHERS.get(program) or _FETCHING_SUBCOMMANDS.get((program, args[0] if args else ""))
    if cure:
        raise Unclear(f"{program} would fetch the server when the job runs, which lambdactl never does", cure)
    return None


def npm(spec: str) -> Package:
    """ "@scope/name@1.2.3" -> Package. Raises Unclear."""
    name, at, version = spec.rpartition("@")
    if not name:  # no version, perhaps a scope
        name, at, version = spec, "", ""
    return _pinned("npm", spec, name, f"{at}{version}".removeprefix("@"), _NPM_NAME, _NPM_VERSION, "@1.2.3")


def pypi(spec: str) -> Package:
    """ "name==1.2.3" -> Package, with the name as PyPI normalizes it. Raises Unclear."""
    if "[" in spec:
        raise Unclear(
            f"{spec}: extras are not supported",
            "name the package alone and add what it needs to packages.pip",
        )
    name, _, version = spec.partition("==")
    short = re.split(r"[=<>~!@;\s]", name, maxsplit=1)[0]
    if short != name:
        name, version = short, "?"
    package = _pinned("pypi", spec, name, version, _PYPI_NAME, _PYPI_VERSION, "==1.2.3")
    return Package(package.registry, re.sub(r"[-_.]+", "-", name).lower(), version)


def _pinned(
    registry: PackageRegistry,
    spec: str,
    name: str,
    version: str,
    names: re.Pattern[str],
    versions: re.Pattern[str],
    example: str,
) -> Package:
    if not names.fullmatch(name):
        raise Unclear(f"{spec} is not the name of a package", f"write name{example}, from the registry only")
    if not versions.fullmatch(version):
        why = (
            f"{version} is not one exact version" if version not in ("", "?") else "it names no exact version"
        )
        raise Unclear(f"{spec} is not pinned: {why}", f"pin it, as in {name}{example}")
    return Package(registry, name, version)


def _npx(args: Sequence[str]) -> Bundle:
    spec, rest, at = "", list(enumerate(args)), 0
    while rest and rest[0][1].startswith("-"):
        at, option = rest.pop(0)
        if option == "--":
            break
        if option in ("-y", "--yes", "-q", "--quiet"):
            continue
        if spec or not option.startswith(("-p", "--package")):
            raise Unclear(
                f"npx {option} is not supported here", "write: npx -y NAME@VERSION ARGUMENTS...", at
            )
        spec, at = _value(option, ("-p", "--package"), rest, at)
    return _program("npx", spec, at, rest, npm)


def _uvx(args: Sequence[str]) -> Bundle:
    spec, rest, at = "", list(enumerate(args)), 0
    while rest and rest[0][1].startswith("-"):
        at, option = rest.pop(0)
        if option in ("-q", "--quiet", "--isolated"):
            continue
        if spec or not (option == "--from" or option.startswith("--from=")):
            raise Unclear(f"uvx {option} is not supported here", "write: uvx NAME@VERSION ARGUMENTS...", at)
        spec, at = _value(option, ("--from",), rest, at)
    return _program("uvx", spec, at, rest, _uvx_spec)


def _uvx_spec(spec: str) -> Package:
    if "==" in spec:
        return pypi(spec)
    name, at, version = spec.partition("@")
    try:
        return pypi(f"{name}=={version}" if at else name)
    except Unclear as error:
        raise Unclear(error.what.replace(f"{name}==", f"{name}@"), error.hint.replace("==", "@")) from None


def _value(option: str, names: Sequence[str], rest: list[tuple[int, str]], at: int) -> tuple[str, int]:
    name, equals, value = option.partition("=")
    if name not in names:
        raise Unclear(f"the option {option} is not supported here", f"write {names[-1]}=NAME@VERSION", at)
    if equals:
        return value, at
    if not rest:
        raise Unclear(f"{option} needs a package", "write NAME@VERSION after it", at)
    index, value = rest.pop(0)
    return value, index


def _program(
    runner: str, spec: str, at: int, rest: list[tuple[int, str]], parse: Callable[[str], Package]
) -> Bundle:
    if not rest:
        missing = f"{runner} names no program" if spec else f"{runner} names no package"
        raise Unclear(missing, f"write: {runner} NAME@VERSION ARGUMENTS...")
    index, first = rest.pop(0)
    executable = first if spec else ""
    if executable and not _PROGRAM.fullmatch(executable):
        raise Unclear(f"{executable} is not the name of a program", "name one that the package brings", index)
    try:
        package = parse(spec or first)
    except Unclear as error:
        raise Unclear(error.what, error.hint, at if spec else index) from None
    return Bundle(package, executable, tuple(arg for _, arg in rest))
