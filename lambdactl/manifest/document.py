"""YAML text -> plain values that know their line and column. Pure: reads no file.

We compose nodes with PyYAML (its C parser where there is one) and build the values ourselves
(`values`), because PyYAML's constructors drop the positions, let a later duplicate key win, and
follow YAML 1.1's surprises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from lambdactl.manifest.finding import Finding, Path
from lambdactl.manifest.values import MAX_DEPTH, Builder, TooMuch

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_BYTES = 1_000_000
SEE = "lambdactl's docs/manifest.md has every field and examples"
# PyYAML's C composer recurses without a limit and overflows the stack at some ten thousand
# levels; a text with this many openings has its depth counted from the (flat) events first.
_OPENINGS_UNCHECKED = 1_000

_HINTS = (
    ("could not find expected ':'", "a line here is not `key: value`; check the indentation"),
    ("cannot start any token", "indent with spaces, and quote texts that begin with a special character"),
    ("mapping values are not allowed", 'quote the text if it holds ": ", or check the indentation'),
    ("expected a single document", "keep one document in each file: remove the `---`"),
    ("undefined alias", "define the anchor (&name) before its alias (*name)"),
    ("did not find expected", "check the indentation, brackets and quotes above this place"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file's content. When it is not `usable`, `value` is {} and `findings` say why."""

    value: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    root: Node | None = None
    usable: bool = False

    def place(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Line and column (from 1) of the value at `path`, or of the nearest thing around it."""
        mark, node = (self.root.start_mark if self.root else None), self.root
        for part in path:
            pair = _child(node, part)
            if pair is None:
                break
            mark, node = (pair[0] or pair[1]).start_mark, pair[1]
        else:
            if not key and isinstance(node, ScalarNode):
                mark = node.start_mark
        return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def parse(content: bytes) -> Document:
    """Never raises on any content."""
    if len(content) > MAX_BYTES:
        return _unusable(
            f"the file is larger than {MAX_BYTES} bytes",
            "move long prompts into a file and name it in agent.promptFile",
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        place = (before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        return _unusable("the file is not UTF-8 text", "save it as UTF-8", place)
    bad = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
    if bad:
        place = (text.count("\n", 0, bad.start()) + 1, bad.start() - text.rfind("\n", 0, bad.start()))
        return _unusable(
            f"a control character (U+{ord(bad[0]):04X}) is not allowed in YAML", "remove it", place
        )
    return _compose(text)


def _compose(text: str) -> Document:
    try:
        if _too_deep(text):
            return _unusable("the document is nested too deeply", "no field needs more than 8 levels")
        root = yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        return _broken(error)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        return _unusable(f"not valid YAML: {type(error).__name__}", "check the file with a YAML editor")
    if root is None:
        return _unusable("the file is empty", SEE)
    if not isinstance(root, MappingNode):
        return _unusable(
            "the file must be a map of `field: value` lines",
            SEE,
            (root.start_mark.line + 1, root.start_mark.column + 1),
        )
    builder = Builder()
    try:
        value = builder.build(root, ())
    except TooMuch as error:
        return Document(
            root=root, findings=(*builder.findings, Finding((), str(error), "write it out, without aliases"))
        )
    return Document(value=value, findings=tuple(builder.findings), root=root, usable=True)


def _too_deep(text: str) -> bool:
    if sum(map(text.count, "[{-?")) <= _OPENINGS_UNCHECKED:
        return False
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return False


def _broken(error: yaml.MarkedYAMLError) -> Document:
    problem = f"{error.context or ''} {error.problem or ''}".strip()
    mark = error.problem_mark or error.context_mark
    hint = next((hint for words, hint in _HINTS if words in problem), "check the line above as well")
    return _unusable(f"not valid YAML: {problem}", hint, (mark.line + 1, mark.column + 1) if mark else None)


def _unusable(what: str, hint: str, place: tuple[int, int] | None = None) -> Document:
    return Document(findings=(Finding((), what, hint, place=place or (1, 1)),))


def _child(node: Node | None, part: str | int) -> tuple[Node | None, Node] | None:
    if isinstance(node, MappingNode):
        return next((pair for pair in node.value if pair[0].value == part), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return None, node.value[part]
    return None
