"""Reads a YAML document a person wrote: plain data only, and every slip is named with its line."""

import textwrap
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from data_contracts.errors import SpecError, redact

MAX_DOCUMENT_BYTES = 1_000_000  # bytes; a pipeline has a few kilobytes, a megabyte is an accident or an attack


class _PlainLoader(yaml.SafeLoader):
    """SafeLoader that refuses what YAML allows and nobody means: repeated keys and aliases."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]  # so in the stubs
            raise SpecError(f"line {line}: anchors and aliases are not accepted; write the value out.")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise SpecError(f"line {key.start_mark.line + 1}: a field's name must be plain text.")
            if key.value in seen:
                line = key.start_mark.line + 1
                raise SpecError(f"line {line}: the key {key.value!r} stands twice; keep one of them.")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_document(path: Path) -> dict[str, Any]:
    """One YAML mapping from `path`; SpecError names the file, the line and the way out."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_DOCUMENT_BYTES + 1)
        text = data.decode("utf-8")
    except FileNotFoundError as missing:
        raise SpecError(f"{path} does not exist.") from missing
    except (OSError, UnicodeDecodeError) as unreadable:
        raise SpecError(f"{path} can't be read as UTF-8 text: {unreadable}") from unreadable
    if len(data) > MAX_DOCUMENT_BYTES:
        raise SpecError(f"{path} has more than {MAX_DOCUMENT_BYTES:,} bytes; no document of ours has so many.")
    return mapping(text, str(path))


def mapping(text: str, where: str) -> dict[str, Any]:
    """One YAML mapping; SpecError begins with `where` it stands and names the line."""
    try:
        document = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader, only stricter
    except SpecError as slip:
        raise SpecError(f"{where}, {slip}") from slip
    except (yaml.YAMLError, RecursionError, ValueError) as broken:  # ValueError: a date such as 2013-13-45
        raise SpecError(f"{where} is not valid YAML: {' '.join(_unquoted(broken).split())}") from None
    if not isinstance(document, dict):
        raise SpecError(f"{where} holds {type(document).__name__}, not a mapping of fields to values.")
    return document


def _unquoted(error: Exception) -> str:
    """What the reader says and where, without the line itself: there may be a password in it."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return str(error)
    pairs = ((error.context, error.context_mark), (error.problem, error.problem_mark))
    places = [
        f"{said or ''}{f' in line {mark.line + 1}, column {mark.column + 1}' if mark else ''}" for said, mark in pairs
    ]
    return ": ".join(place for place in places if place)


def spec_error_from(path: Path | str, error: ValidationError) -> SpecError:
    """The findings of pydantic as one sentence a field, in the words of the YAML."""
    lines = []
    for finding in error.errors():
        field = ".".join(str(part) for part in finding["loc"]) or "the document"
        value = finding["input"]
        untold = isinstance(value, dict | list) or finding["type"] in ("missing", "extra_forbidden", "dict_type")
        shown = "" if untold else f" (got {textwrap.shorten(redact(repr(value)), 80)})"
        lines.append(f"  - {field}: {finding['msg']}{shown}")
    return SpecError(f"{path} is not a valid document:\n" + "\n".join(lines))
