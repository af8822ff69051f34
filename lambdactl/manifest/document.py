"""YAML text -> plain values that know their line and column. Pure: reads no file.

We compose nodes with PyYAML (its C parser where there is one) and build the values ourselves,
because PyYAML's constructors drop the positions, let a later duplicate key win, and follow
YAML 1.1's surprises. A text that YAML 1.1 and 1.2 read differently is refused with "quote it".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from lambdactl.manifest.finding import Finding, Path, shown

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_BYTES = 1_000_000
_MAX_DEPTH = 24  # the deepest field of ours is 4 levels down
_MAX_VALUES = 20_000  # after expanding aliases: what stops a "billion laughs" document
# PyYAML's C composer recurses without a limit and overflows the stack at some ten thousand
# levels; a text with this many openings has its depth counted from the (flat) events first.
_OPENINGS_UNCHECKED = 1_000

_TAG = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_PLAIN_TYPES = {"str", "int", "float", "bool", "null", "timestamp", "value"}

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
            return _unusable("the document is nested too deeply", "no field needs more than 4 levels")
        root = yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        return _broken(error)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        return _unusable(f"not valid YAML: {type(error).__name__}", "check the file with a YAML editor")
    if root is None:
        return _unusable("the file is empty", "see the examples in the documentation")
    if not isinstance(root, MappingNode):
        return _unusable(
            "the file must be a map of `field: value` lines",
            "see the examples in the documentation",
            (root.start_mark.line + 1, root.start_mark.column + 1),
        )
    builder = _Builder()
    try:
        value = builder.build(root, ())
    except _TooMuch as error:
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
            if depth > _MAX_DEPTH:
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


class _TooMuch(Exception):
    pass


class _Builder:
    """Walks the nodes once; an alias is walked again each time, so the budget counts its expansion."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._values = 0

    def build(self, node: Node, path: Path) -> Any:
        self._values += 1
        if self._values > _MAX_VALUES:
            raise _TooMuch(f"the document holds more than {_MAX_VALUES} values")
        if len(path) > _MAX_DEPTH:
            raise _TooMuch("the document is nested too deeply")
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if not node.tag.startswith(_TAG) or node.tag[len(_TAG) :] not in ("map", "seq"):
            self._refuse(path, f"the tag {shown(node.tag)} is not supported", "write plain maps and lists")
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, path: Path) -> Mapping[str, Any]:
        result: dict[str, Any] = {}
        first: dict[str, Node] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in result:
                line = first[key].start_mark.line + 1
                what = f"the key {shown(key)} occurs twice; the first is on line {line}"
                self.findings.append(Finding(path, what, "remove one of the two", place=_at(key_node)))
                continue
            first[key] = key_node
            result[key] = self.build(value_node, (*path, key))
        return result

    def _key(self, node: Node, path: Path) -> str | None:
        if isinstance(node, ScalarNode) and node.tag == f"{_TAG}str":
            if not _NOT_TEXT.search(node.value):
                return str(node.value)
            what, hint = "a key holds a control character", "remove it"
        elif isinstance(node, ScalarNode) and node.tag == f"{_TAG}merge":
            what, hint = (
                "merge keys (<<) are not supported",
                "put what jobs share under `defaults` in lambdactl.yaml",
            )
        elif isinstance(node, ScalarNode):
            kind = node.tag.removeprefix(_TAG)
            what, hint = (
                f"the key {node.value!r} is not a text but {kind} to YAML",
                f'quote it: "{node.value}"',
            )
        else:
            what, hint = "a key must be a text, not a list or a map", "quote it if it begins with a bracket"
        self.findings.append(Finding(path, what, hint, place=_at(node)))
        return None

    def _scalar(self, node: ScalarNode, path: Path) -> Any:
        kind, text = node.tag.removeprefix(_TAG), node.value
        if kind == "str" or kind == "timestamp" or kind == "value":
            if _NOT_TEXT.search(text):
                self._refuse(path, "the text holds a control character", "remove it")
                return ""
            return text
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind == "int" and _INTEGER.fullmatch(text):
            return int(text)
        if kind == "float" and _FLOAT.fullmatch(text):
            return float(text)
        if kind in _PLAIN_TYPES:
            what = f"YAML versions disagree about what {text[:40]!r} means"
            self._refuse(
                path,
                what,
                f'quote it if it is a text: "{text[:40]}"; else write true, false or a plain number',
            )
        else:
            self._refuse(path, f"the tag {shown(node.tag)} is not supported", "remove it")
        return text

    def _refuse(self, path: Path, what: str, hint: str) -> None:
        self.findings.append(Finding(path, what, hint))


def _at(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
