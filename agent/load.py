"""Reads the job's definition and checks that it is the one meant, for the image we are in.

A mismatch raises before any work is done: code and configuration of a function cannot change at
once, and Lambda's own retry lands after the change.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePosixPath

from agent.contract import ContractError
from agent.definition import Definition
from agent.settings import Settings
from agent.store import Store


class Mismatch(ContractError):
    """The definition is not the one its name says, or was made for another image."""


def load(settings: Settings, store: Store) -> Definition:
    content = store.definition(settings.definition)
    named, found = PurePosixPath(settings.definition).stem, hashlib.sha256(content).hexdigest()
    if named != found:
        raise Mismatch(f"the definition {settings.definition} has the hash {found}")
    try:
        document = json.loads(content)
    except ValueError:
        raise ContractError(f"the definition {settings.definition} is not JSON") from None
    definition = Definition.parse(document, found)
    baked_in = fingerprint(settings.home)
    if definition.image != baked_in:
        raise Mismatch(f"the definition is for the image {definition.image}, this is {baked_in}")
    return definition


def fingerprint(home: Path) -> str:
    try:
        return (home / "fingerprint").read_text("utf-8").strip()
    except OSError as error:
        raise ContractError(f"this image has no fingerprint: {error}") from None
