"""YAML nodes -> plain values, and what is wrong with them as YAML. Pure.

A text that YAML 1.1 and 1.2 read differently (`no`, 0x10, 10:30) is refused with "quote it".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode

from lambdactl.manifest.finding import Finding, Path, shown

MAX_DEPTH = 24  # the deepest field of ours is 8 levels down, in an environment's jobs
_MAX_VALUES = 20_000  # after expanding aliases: what stops a "billion laughs" document

_TAG = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_PLAIN_TYPES = {"str", "int", "float", "bool", "null", "timestamp", "value"}


class TooMuch(Exception):
    """The document expands to more than any manifest needs."""


class Builder:
    """Walks the nodes once; an alias is walked again each time, so the budget counts its expansion."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._values = 0

    def build(self, node: Node, path: Path) -> Any:
        self._values += 1
        if self._values > _MAX_VALUES:
            raise TooMuch(f"the document holds more than {_MAX_VALUES} values")
        if len(path) > MAX_DEPTH:
            raise TooMuch("the document is nested too deeply")
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
                f"the key {shown(node.value)} is not a text but {kind} to YAML",
                "put it in quotes",
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
            what = f"YAML versions disagree about what {shown(text)} means"
            self._refuse(path, what, "quote it if it is a text; else write true, false or a plain number")
        else:
            self._refuse(path, f"the tag {shown(node.tag)} is not supported", "remove it")
        return text

    def _refuse(self, path: Path, what: str, hint: str) -> None:
        self.findings.append(Finding(path, what, hint))


def _at(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
