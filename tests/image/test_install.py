"""Which program of a package the installer picks: the one npx or uvx would start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lambdactl.image import install


def npm_package(prefix: Path, name: str, bins: object) -> None:
    folder = prefix / "node_modules" / name
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps({"name": name, "bin": bins}))
    programs = {name.rpartition("/")[2]: bins} if isinstance(bins, str) else bins
    assert isinstance(programs, dict)
    (prefix / "node_modules/.bin").mkdir()
    for program, target in programs.items():
        (folder / str(target)).touch()
        (prefix / "node_modules/.bin" / program).symlink_to(folder / str(target))


@pytest.mark.parametrize(
    ("bins", "picked"),
    [
        ("index.js", "server"),
        ({"other-name": "index.js"}, "other-name"),
        ({"a": "index.js", "b": "index.js"}, "a"),
        ({"a": "a.js", "server": "b.js"}, "server"),
    ],
)
def test_npx(tmp_path: Path, bins: object, picked: str) -> None:
    npm_package(tmp_path, "@scope/server", bins)
    programs = install.npm_programs(tmp_path, "@scope/server")
    assert install.npx_pick(programs, "@scope/server") == picked
    assert programs[picked].exists()


def wanted(**fields: object) -> dict[str, object]:
    common = {"path": "run/x", "prefix": "p", "registry": "npm", "name": "server", "executable": ""}
    return {**common, "natives": {}, **fields}


@pytest.mark.parametrize(
    ("bins", "executable", "text"),
    [
        ({"a": "a.js", "b": "b.js"}, "", "server has no program 'server'; it has a, b"),
        ({"a": "a.js"}, "c", "server has no program 'c'; it has a"),
        ({}, "", "server has no program 'server'; it has none"),
    ],
)
def test_nothing_is_guessed(tmp_path: Path, bins: object, executable: str, text: str) -> None:
    npm_package(tmp_path / "p", "server", bins)
    with pytest.raises(SystemExit, match=text):
        list(install.resolve(wanted(executable=executable), tmp_path))


def test_every_program_of_a_package(tmp_path: Path) -> None:
    npm_package(tmp_path / "p", "server", {"a": "a.js", "b": "b.js"})
    found = dict(install.resolve(wanted(path="bin", executable="*"), tmp_path))
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["bin/a", "bin/b"]


def test_python_names_are_compared_as_pypi_does(tmp_path: Path) -> None:
    about = tmp_path / "lib/python3.11/site-packages/My_Server-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: My_Server\nVersion: 1.0\n")
    (about / "RECORD").write_text("my_server/__init__.py,,\n../../../bin/my-server,,\n../../../share/x,,\n")
    assert install.pypi_programs(tmp_path, "my.server") == {"my-server": tmp_path / "bin/my-server"}
    assert install.pypi_programs(tmp_path, "another") == {}


def test_a_native_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    natives = {install.this_platform(): "@a/cli/cli"}
    with pytest.raises(SystemExit, match=r"server has no program for .* at .*/p/node_modules/@a/cli/cli"):
        list(install.resolve(wanted(natives=natives), tmp_path))


def test_a_base_of_another_architecture_is_refused_before_anything_is_installed() -> None:
    with pytest.raises(SystemExit, match=r"the base image is for .*, the job asks for z80"):
        install.tools("none.txt", "z80")
