"""A scripted model on loopback: what an agent CLI talks to where no real model is wanted. No AWS.

It speaks Anthropic Messages (Claude Code) and OpenAI Responses (Codex) and says what a script
tells it, so a demo or a test drives the real CLI with real tools and no key. The server keeps no
state of a conversation: every answer follows from the request alone.
"""

from lambdactl.sandbox.model.answers import Answer, Model, Request
from lambdactl.sandbox.model.script import parse
from lambdactl.sandbox.model.server import ScriptedModel, serve
from lambdactl.sandbox.model.tools import ScriptError

__all__ = ["Answer", "Model", "Request", "ScriptError", "ScriptedModel", "parse", "serve"]
