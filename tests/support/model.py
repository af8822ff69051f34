"""A scripted model for tests, one for each, that asks for a made-up key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lambdactl.sandbox.model import ScriptedModel

KEY = "made-up-model-key-of-the-tests"


@pytest.fixture
def scripted_model() -> Iterator[ScriptedModel]:
    """`.url` is the base URL, KEY its key, `.requests` what it was asked; script it in the prompt."""
    with ScriptedModel(api_key=KEY) as model:
        yield model
