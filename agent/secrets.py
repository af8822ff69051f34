"""Values of a job's declared secrets, and where they are filled in. The only module that asks SSM.

A value goes nowhere by itself: only where a `${secrets.NAME}` names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

AT_ONCE = 10  # SSM GetParameters: names in one call
REFERENCE = re.compile(r"\$\{secrets\.([A-Za-z_][A-Za-z0-9_]*)\}")

# The names under which a job may declare its model's key, in order of preference.
MODEL_KEYS: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "openai": ("OPENAI_API_KEY", "CODEX_API_KEY"),
}


class SecretError(Exception):
    """A secret cannot be had. Names secrets and parameters, never a value."""


# (names of parameters) -> (their values by name, the names that do not exist)
GetParameters = Callable[[Sequence[str]], tuple[Mapping[str, str], Sequence[str]]]


def fetch(declared: Mapping[str, str], get: GetParameters) -> dict[str, str]:
    """The values of secrets declared as name -> parameter; one parameter may serve two names."""
    parameters = sorted(set(declared.values()))
    values: dict[str, str] = {}
    missing: list[str] = []
    for start in range(0, len(parameters), AT_ONCE):
        found, invalid = get(parameters[start : start + AT_ONCE])
        values.update(found)
        missing.extend(invalid)
    if absent := sorted({*missing, *(set(parameters) - values.keys())}):
        names = ", ".join(f"{name} ({each})" for each in absent for name in _named(declared, each))
        raise SecretError(f"SSM has no such parameter for: {names}; `lambdactl secrets set NAME` sets it")
    return {name: values[parameter] for name, parameter in declared.items()}


def given(declared: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """The declared secrets from values handed to us in place of SSM."""
    if missing := sorted(declared.keys() - values.keys()):
        raise SecretError(f"no value was given for: {', '.join(missing)}")
    return {name: values[name] for name in declared}


def from_ssm(names: Sequence[str]) -> tuple[Mapping[str, str], Sequence[str]]:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 5})
    try:
        answer: Any = boto3.client("ssm", config=config).get_parameters(
            Names=list(names), WithDecryption=True
        )
    except ClientError as error:
        raise SecretError(f"SSM GetParameters: {error.response['Error'].get('Code')}: {error}") from None
    except BotoCoreError as error:
        raise SecretError(f"SSM GetParameters: {error}") from None
    return {each["Name"]: each["Value"] for each in answer["Parameters"]}, answer["InvalidParameters"]


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with each ${secrets.NAME} replaced."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise SecretError(f"${{secrets.{found[1]}}} is used, but the job declares no secret {found[1]}")
        return values[found[1]]

    return REFERENCE.sub(value, text)


def fill_all(texts: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    return {name: fill(text, values) for name, text in texts.items()}


def model_key(provider: str, values: Mapping[str, str]) -> str:
    """The model's own key, "" when the job declares none; without an end of line that was stored with it."""
    name = next((name for name in MODEL_KEYS.get(provider, ()) if name in values), "")
    key = values[name].strip() if name else ""
    if not (key.isascii() and key.isprintable()):
        raise SecretError(f"the secret {name} is no key: it has characters that no header can carry")
    return key


def _named(declared: Mapping[str, str], parameter: str) -> Iterable[str]:
    return sorted(name for name, each in declared.items() if each == parameter)
