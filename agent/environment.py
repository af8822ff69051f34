"""The environment of what we start: built from an allow-list, never copied. Pure."""

from __future__ import annotations

from agent.layout import Layout
from agent.processes import MARK
from agent.settings import Settings


def base(settings: Settings, layout: Layout, mark: str) -> dict[str, str]:
    """What every process of a run gets: no credential, no AWS_ or LAMBDACTL_ variable; caches in the run."""
    home = layout.home
    inherited = settings.passed_on.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    path = dict.fromkeys([f"{settings.home}/bin", *inherited.split(":")])  # once
    return {
        "LANG": "C.UTF-8",
        **settings.passed_on,
        "PATH": ":".join(path),
        "HOME": str(home),
        "TMPDIR": str(layout.tmp),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "npm_config_cache": str(home / ".cache/npm"),
        "npm_config_update_notifier": "false",
        "UV_CACHE_DIR": str(home / ".cache/uv"),
        MARK: mark,
    }
