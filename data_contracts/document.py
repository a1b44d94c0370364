"""Reads a YAML document a person wrote: plain data only, and every slip is named with its line."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from data_contracts.errors import SpecError

LARGEST = 1_000_000  # bytes; a pipeline has a few kilobytes, a megabyte is an accident or an attack


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
            if key.value in seen:
                line = key.start_mark.line + 1
                raise SpecError(f"line {line}: the key {key.value!r} stands twice; keep one of them.")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_document(path: Path) -> dict[str, Any]:
    """One YAML mapping from `path`; SpecError names the file, the line and the way out."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as missing:
        raise SpecError(f"{path} does not exist.") from missing
    except (OSError, UnicodeDecodeError) as unreadable:
        raise SpecError(f"{path} can't be read as UTF-8 text: {unreadable}") from unreadable
    if len(text) > LARGEST:
        raise SpecError(f"{path} has {len(text)} characters; at most {LARGEST} are accepted.")
    try:
        document = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader, only stricter
    except SpecError as slip:
        raise SpecError(f"{path}, {slip}") from slip
    except (yaml.YAMLError, RecursionError) as broken:
        raise SpecError(f"{path} is not valid YAML: {' '.join(str(broken).split())}") from broken
    if not isinstance(document, dict):
        raise SpecError(f"{path} holds {type(document).__name__}, not a mapping of fields to values.")
    return document


def sentences(path: Path | str, error: ValidationError) -> SpecError:
    """The findings of pydantic as one sentence a field, in the words of the YAML."""
    lines = []
    for finding in error.errors():
        field = ".".join(str(part) for part in finding["loc"]) or "the document"
        value = finding["input"]
        shown = "" if isinstance(value, dict | list) or finding["type"] == "missing" else f" (got {value!r})"
        lines.append(f"  - {field}: {finding['msg']}{shown}")
    return SpecError(f"{path} is not a valid document:\n" + "\n".join(lines))
