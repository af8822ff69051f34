"""What a job needs in its image: tables of jobs and what becomes of them."""

from __future__ import annotations

import pytest

from lambdactl.image import launcher
from lambdactl.image.contents import RUNTIME, TOOLS, contents
from lambdactl.manifest.job import Agent, Package, Packages
from tests.image.conftest import CLOCK, EVERYTHING, TABULATE, job, served


@pytest.mark.parametrize(
    ("package", "executable", "path"),
    [
        (Package("npm", "@modelcontextprotocol/server-github", "2025.4.8"), "",
         "run/npm/modelcontextprotocol-server-github-2025.4.8"),
        (Package("pypi", "mcp-server-git", "2026.7.10"), "", "run/pypi/mcp-server-git-2026.7.10"),
        (Package("pypi", "tools", "1.0+local"), "my tool", "run/pypi/tools-1.0-local+my-tool"),
    ],
)  # fmt: skip
def test_launcher(package: Package, executable: str, path: str) -> None:
    assert launcher(package, executable) == path


def test_a_command_job_bundles_only_our_own_runtime() -> None:
    found = contents(job())
    assert found.locked == (TOOLS, RUNTIME)
    assert not found.links
    assert not found.needs_node


def test_an_agent_cli_is_linked_to_its_native_program_and_needs_no_node() -> None:
    found = contents(job(agent=Agent(type="codex", version="0.169.0")))
    (link,) = found.links
    assert link.path == "bin/codex"
    assert link.natives["linux-x86_64"].startswith("@openai/codex-linux-x64/")
    assert not found.needs_node


def test_a_package_used_twice_is_installed_once() -> None:
    servers = (served(EVERYTHING), served(EVERYTHING, "other"))
    found = contents(job(mcp_servers=servers, packages=Packages(npm=(EVERYTHING,))))
    assert [str(bundle) for bundle in found.bundles] == [str(EVERYTHING)]
    assert len(found.links) == 3
    assert found.needs_node


def test_pip_packages_share_one_environment_beside_the_servers_own() -> None:
    found = contents(job(mcp_servers=(served(CLOCK),), packages=Packages(pip=(TABULATE, CLOCK))))
    assert [bundle.prefix for bundle in found.bundles] == ["pypi/mcp-server-time-2026.10.19", "pip"]
    assert str(found.bundles[1]) == "pypi:mcp-server-time@2026.10.19+tabulate@0.9.0"
