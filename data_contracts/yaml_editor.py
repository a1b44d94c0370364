"""A YAML document with some of its fields replaced, and everything else, comments too, as a person wrote it."""

from typing import Any

import yaml

from data_contracts.errors import SpecError
from data_contracts.yaml_reader import mapping

WIDTH = 1000  # a field stays on its line


def rewrite_yaml(text: str, changes: dict[str, Any], where: str) -> str:
    """`text` with the top-level fields of `changes` in place of its own, new ones at its end.

    Comments inside a field that is replaced go with it. Where a document is written so that its lines can't be
    replaced ({} around it all), it is written out anew, without its comments. SpecError says where it is no document.
    """
    wanted = mapping(text, where) | changes
    lines = text.splitlines()
    for first, last, field in sorted(_places(text), reverse=True):
        if field in changes:
            lines[first : last + 1] = _written({field: changes[field]})
    lines += _written({field: value for field, value in changes.items() if field not in mapping(text, where)})
    replaced = "\n".join(lines) + "\n"
    try:
        same = mapping(replaced, where) == wanted
    except SpecError:
        same = False
    return replaced if same else "\n".join(_written(wanted)) + "\n"


def _written(fields: dict[str, Any]) -> list[str]:
    """One field after the other; what holds only plain values stands on one line."""
    lines = []
    for field, value in fields.items():
        flow = None if isinstance(value, dict | list) else False
        text = yaml.safe_dump({field: value}, default_flow_style=flow, sort_keys=False, width=WIDTH, allow_unicode=True)
        lines += text.splitlines()
    return lines


def _places(text: str) -> list[tuple[int, int, str]]:
    """(first line, last line, name) of each field of the document, from 0."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    return [(key.start_mark.line, _last_line(value), key.value) for key, value in pairs]


def _last_line(node: yaml.Node) -> int:
    """Where a value ends; a block's own end mark lies behind the comments and blank lines that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        inner = [part for one in node.value for part in (one if isinstance(one, tuple) else (one,))]
        return max(_last_line(part) for part in inner)
    return int(node.end_mark.line)
