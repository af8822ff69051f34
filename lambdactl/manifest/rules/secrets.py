"""Secrets: which SSM parameters a job may read, and where their values may go. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from lambdactl.manifest.draft import Draft
from lambdactl.manifest.finding import Finding, Path, dotted, shown
from lambdactl.manifest.references import LITERAL_SECRET, REFERENCE, keys, strings, texts

# The agent's CLI gets these by itself, from the supervisor; no reference is needed.
MODEL_KEYS = {
    "claude-code": ("ANTHROPIC_API_KEY",),
    "codex": ("OPENAI_API_KEY", "CODEX_API_KEY"),
}
# In agent.env these stand for the key. Codex takes nothing else.
OTHER_LOGINS = {"claude-code": ("ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")}
_PARAMETER = re.compile(r"[A-Za-z0-9_./-]+")
# SSM: 1,011 characters for the ARN, of which at most 60 or so precede the name.
_PARAMETER_MAX = 950
_PARAMETER_DEPTH = 15
# Headers whose value is a credential.
_CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "cookie"})


def parameters(draft: Draft) -> Iterator[Finding]:
    for name, parameter in draft.secrets.items():
        path = ("secrets", name)
        what, hint = _fault(parameter)
        if not what and not _allowed(parameter, draft.project.allow_parameters):
            what = "is not allowed in this project"
            hint = f"lambdactl.yaml allows: {', '.join(draft.project.allow_parameters)}"
        if what:
            # A value without a leading slash may be a secret put where its parameter's name belongs.
            named = f" {shown(parameter)}" if parameter.startswith("/") else f" of {dotted(path)}"
            yield Finding(path, f"the SSM parameter{named} {what}", hint)


def model_key(draft: Draft) -> Iterator[Finding]:
    """No CLI starts without a key, also behind a gateway: tests/agent/test_no_key.py."""
    names = MODEL_KEYS.get(draft.agent_type, ())
    broken = any(path[0] == "secrets" or path[:2] == ("agent", "env") for path in draft.broken)
    logins = OTHER_LOGINS.get(draft.agent_type, ())
    given = draft.secrets.keys() & names or draft.agent.get("env", {}).keys() & logins
    if not names or broken or given or draft.agent.get("provider") == "bedrock":
        return
    what = f"the model's key is missing: an agent of type {draft.agent_type} needs {' or '.join(names)}"
    parameter = f"/{draft.project.name or 'agents'}/{names[0].lower().replace('_', '-')}"
    gateway = "; a gateway that asks for none takes any value" if "baseUrl" in draft.agent else ""
    yield Finding(("secrets", names[0]), what, f"add `{names[0]}: {parameter}` under secrets{gateway}")


def _fault(name: str) -> tuple[str, str]:
    if "${" in name or "*" in name or "?" in name:
        return "holds a wildcard or ${, which would widen the role's policy", "name exactly one parameter"
    if name.startswith("arn:"):
        return "is an ARN", "write the parameter's name, as in /agents/api-key"
    if not _PARAMETER.fullmatch(name) or "//" in name or name.endswith("/"):
        return "is not a name that SSM accepts", "use letters, digits and _ . - with / between the levels"
    if "/" in name and not name.startswith("/"):
        return "has levels but no leading /", "begin it with /"
    if name.lstrip("/").lower().startswith(("aws", "ssm")):
        return "begins with aws or ssm, which SSM reserves", "choose another name"
    if name.count("/") > _PARAMETER_DEPTH or len(name) > _PARAMETER_MAX:
        return "is too long for SSM", f"at most {_PARAMETER_DEPTH} levels and {_PARAMETER_MAX} characters"
    return "", ""


def _allowed(name: str, globs: tuple[str, ...]) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs)


def used(draft: Draft) -> frozenset[str]:
    """Names of the secrets that this job takes, declared or not."""
    names = {name for _, text in _holders(draft) for name in REFERENCE.findall(text)}
    return frozenset(names | (draft.secrets.keys() & MODEL_KEYS.get(draft.agent_type, ())))


def _holders(draft: Draft) -> Iterator[tuple[Path, str]]:
    """The places where a reference is filled in."""
    return ((path, text) for path, text in draft.texts if _is_holder(path))


def _is_holder(path: Path) -> bool:
    if path[0] == "agent":
        return path[1] == "env"
    return path[0] == "mcpServers" and path[2] in ("env", "headers")


def references(draft: Draft) -> Iterator[Finding]:
    for path, text in _holders(draft):
        for name in REFERENCE.findall(text):
            if name not in draft.secrets and not {("secrets",), ("secrets", name)} & set(draft.broken):
                what = f"${{secrets.{name}}} is not declared"
                yield Finding(path, what, f"add `{name}: /path/of/the/parameter` under secrets")
        if "${" in REFERENCE.sub("", text):
            what = f"{dotted(path)} holds a ${{...}} that is not ${{secrets.NAME}}"
            yield Finding(path, what, "only secrets are filled in; write them as ${secrets.NAME}")
    for path, text in draft.texts:
        if "${secrets" in text and not _is_holder(path):
            what = f"{dotted(path)} holds a reference to a secret, which is not filled in here"
            yield Finding(path, what, "references work in agent.env, mcpServers.*.env and headers")
        elif path[0] == "mcpServers" and "${" in text and not _is_holder(path):
            what = f"{dotted(path)} holds ${{...}}, which nothing fills in"
            yield Finding(path, what, "write the value, or pass it by env and ${secrets.NAME}")


def unused(draft: Draft) -> Iterator[Finding]:
    if draft.broken:  # the reference may be in what was taken out
        return
    taken = used(draft)
    for name in draft.own_secrets:
        if name not in taken:
            what = f"the secret {name} is declared but not used"
            hint = f"refer to it as ${{secrets.{name}}} in agent.env or mcpServers, or remove it"
            yield Finding(("secrets", name), what, hint, key=True)


def literals(value: Mapping[str, Any]) -> Iterator[Finding]:
    """Secrets pasted into a document, whatever else is wrong with it: a job's or lambdactl.yaml."""
    if not LITERAL_SECRET.search("\n".join(texts(value))):
        return  # where each text stands is asked for only when one of them is a find
    hint = "store it with `lambdactl secrets set`, and revoke it if it was ever committed"
    for path in keys(value):
        if LITERAL_SECRET.search(str(path[-1])):
            yield Finding(path, f"a name{_among(path[:-1])} looks like a secret written out", hint, key=True)
    for path, text in strings(value):
        if LITERAL_SECRET.search(text):
            yield Finding(path, f"{dotted(path)} looks like a secret written out", hint)


def _among(path: Path) -> str:
    return f" in {dotted(path)}" if path else ""


def credentials(draft: Draft) -> Iterator[Finding]:
    for name, server in draft.servers.items():
        for header, text in server.get("headers", {}).items():
            if header.lower() in _CREDENTIAL_HEADERS and not REFERENCE.search(text):
                path = ("mcpServers", name, "headers", header)
                yield Finding(
                    path, f"{dotted(path)} holds no reference to a secret", "write ${secrets.NAME} in it"
                )
