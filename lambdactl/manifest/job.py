"""What a manifest says, resolved: frozen values with every default filled in. Pure.

Nothing here reads a file. `manifest.load` makes these; everything else only reads them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from lambdactl.errors import ManifestError, Problem, UsageError

AgentType = Literal["claude-code", "codex", "command"]
Architecture = Literal["x86_64", "arm64"]
PackageRegistry = Literal["npm", "pypi"]

INVOCATION_MAX = 900  # seconds (Lambda's CreateFunction, Timeout)
LEGS_MAX = 12  # invocations of one run (below the 16 after which Lambda ends a chain)


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One pinned package of npm or PyPI; `str()` is its key in lambdactl.lock."""

    registry: PackageRegistry
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.registry}:{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    type: AgentType
    version: str = ""  # exact; "" for `command`, which bundles no agent CLI
    model: str = ""
    provider: str = ""  # anthropic | openai; "" for `command`
    base_url: str = ""  # "" is the provider's own
    prompt: str = ""  # promptFile is read in at load time
    system_prompt: str = ""
    max_turns: int | None = None
    model_access: str = "proxy"  # proxy | env; "" for `command`
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    prices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # of all models it may ask
    permission_mode: str = "bypassPermissions"
    allowed_tools: tuple[str, ...] = ()
    command: tuple[str, ...] = ()  # `command` only: an argv, no shell
    env: Mapping[str, str] = field(default_factory=dict)  # values may hold ${secrets.NAME}
    aws: bool = False  # it and its tools get the function's credentials
    output_schema: Mapping[str, Any] | None = None  # a file's is read in at load time


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """One server, as in .mcp.json. `stdio` has command, args, env; `http` and `sse` have url, headers.

    `package` is what `npx -y NAME@VERSION` or `uvx NAME@VERSION` bundles into the image; then
    `args` is what came after it, and `executable` the program of the package that was named on its
    own (`uvx --from NAME==VERSION PROGRAM`), "" for the package's default one.
    """

    name: str
    type: Literal["stdio", "http", "sse"] = "stdio"
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    package: Package | None = None
    executable: str = ""
    optional: bool = False  # the run goes on without it
    aws: bool = False  # `stdio` only: it gets the function's credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    apt: tuple[str, ...] = ()
    pip: tuple[Package, ...] = ()
    npm: tuple[Package, ...] = ()


# EventBridge Scheduler puts in which schedule it is and which time it meant: the same for an event that it
# delivers twice ("Adding context attributes in EventBridge Scheduler", its user guide).
SCHEDULED = "<aws.scheduler.schedule-arn> <aws.scheduler.scheduled-time>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When EventBridge Scheduler starts the job. `flexible_minutes`: None is on the minute."""

    expression: str
    timezone: str = "UTC"
    flexible_minutes: int | None = None
    input: Any = None  # None is none: no manifest says null here
    enabled: bool = True

    @property
    def event(self) -> str:
        """What the function gets: as `launch` sends it, but the run's id is made of `scheduled`."""
        event = {"version": 1, "scheduled": SCHEDULED}
        return written(event | ({} if self.input is None else {"input": self.input}))


def written(event: Any) -> str:
    """An event in the one spelling by which two are compared: as values, 1 and true would be equal."""
    return json.dumps(event, ensure_ascii=False, indent=2, sort_keys=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job. Times are seconds, sizes are MB as Lambda counts them (1024 KB)."""

    name: str
    agent: Agent
    prefix: str  # ends with "/"
    description: str = ""
    mcp_servers: tuple[McpServer, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)  # name -> SSM parameter
    timeout: int = 600  # of a run, however many legs it takes
    legs: int = 1  # invocations that one run may take
    memory: int = 3072
    ephemeral_storage: int = 2048
    architecture: Architecture = "x86_64"
    include: tuple[str, ...] = ()  # files and folders, relative to the project's root
    packages: Packages = field(default_factory=Packages)
    artifacts: tuple[str, ...] = ()  # globs below the workspace
    retries: int = 1
    max_event_age: int = 21600
    concurrency: int | None = None  # reserved concurrency
    schedule: Schedule | None = None
    log_retention_days: int = 30
    log_format: Literal["Text", "JSON"] = "Text"  # of the function's log group
    tags: Mapping[str, str] = field(default_factory=dict)
    protect: bool = False  # not removed, even when the manifest is gone
    role: str = ""  # ARN of an execution role made elsewhere; "" is the job's own
    local_principals: tuple[str, ...] = ()  # ARNs of who may take the job's own role besides Lambda
    source: Path = field(default=Path(), compare=False)  # the manifest's file

    @property
    def invocation(self) -> int:
        """The time limit of one invocation, in seconds."""
        return min(self.timeout, INVOCATION_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """lambdactl.yaml, resolved. `root` is the folder it lies in."""

    name: str
    root: Path
    environment: str = "main"
    environments: tuple[str, ...] = ()  # all that are declared; () is the one, main
    region: str = ""  # "" is the AWS configuration's own
    account: str = ""  # "" is whichever the credentials belong to
    bucket: str = ""  # "" is computed: <project>-<env>-<account>-<region>
    kms_key: str = ""
    permissions_boundary: str = ""
    base_image: str = "public.ecr.aws/docker/library/python:3.13-slim-bookworm"
    ca_bundle: str = ""  # a CA file handed to builds as a secret; never enters a layer
    build_network: str = ""  # the build's --network; "" is the engine's default
    prices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # the project's own, by model
    allow_parameters: tuple[str, ...] = ()  # globs; () allows all
    allow_buckets: tuple[str, ...] = ()
    jobs: str = "jobs"  # the folder of manifests
    sandbox: bool = False  # talk to the embedded AWS, never to AWS
    tags: Mapping[str, str] = field(default_factory=dict)


def known(name: str, jobs: Iterable[str]) -> str:
    """A hint for a job's name that is none: the one that may be meant, or all."""
    names = sorted(jobs)
    if near := get_close_matches(name, names, n=1):
        return f"did you mean {near[0]}?"
    return f"jobs: {', '.join(names) or 'none yet'}"


class Jobs(dict[str, Job]):
    """Jobs by name. `left_out` are others, and the problems for which they are."""

    def __init__(self, jobs: Iterable[Job], left_out: Mapping[str, Sequence[Problem]] | None = None) -> None:
        super().__init__((job.name, job) for job in jobs)
        self.left_out = left_out or {}

    def named(self, name: str) -> Job:
        """A job by name or by its manifest's path; ManifestError when it is left out, UsageError names
        those that there are."""
        stem = Path(name).stem if name.endswith((".yaml", ".yml")) else name
        if job := self.get(stem):
            return job
        if stem in self.left_out:
            raise ManifestError(list(self.left_out[stem]))
        raise UsageError(f"there is no job {name}", hint=known(name, self))

    def whole(self) -> Jobs:
        """Itself; ManifestError when any is left out."""
        if self.left_out:
            raise ManifestError(list({problem for each in self.left_out.values() for problem in each}))
        return self
