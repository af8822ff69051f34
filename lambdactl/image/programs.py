"""The environment of the package tools we call on the user's machine. Pure.

Only what names their registries, certificates and caches: they read private registries' settings
from the user's own files (~/.npmrc, uv.toml), which never enter an image.
"""

from __future__ import annotations

from collections.abc import Mapping

PROXIES = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
    "http_proxy", "https_proxy", "no_proxy", "all_proxy",
)  # fmt: skip

PASSED_ON = (
    "PATH", "HOME", "TMPDIR", "LANG", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
    "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "NPM_CONFIG_REGISTRY", "NPM_CONFIG_USERCONFIG", "npm_config_registry",
    "UV_CACHE_DIR", "UV_CONFIG_FILE", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_HTTP_TIMEOUT",
    *PROXIES,
)  # fmt: skip


def environment(ours: Mapping[str, str], ca_bundle: str = "") -> dict[str, str]:
    """What npm and uv get of `ours` (os.environ); `ca_bundle` replaces the certificates named there."""
    env = {name: ours[name] for name in PASSED_ON if name in ours}
    if ca_bundle:
        env |= {"NODE_EXTRA_CA_CERTS": ca_bundle, "SSL_CERT_FILE": ca_bundle}
    return env
