"""Replace fields of a YAML document and keep all other text, comments included."""

from typing import Any

import yaml

from data_contracts.errors import SpecError
from data_contracts.yaml_reader import mapping

MAX_LINE_WIDTH = 1000  # characters; a field stays on its line


def rewrite_yaml(text: str, changes: dict[str, Any], where: str) -> str:
    """Replace the top-level fields named in `changes`; append fields that the document does not have.

    Comments inside a replaced field are lost with it. If lines cannot be replaced (the whole document is one flow
    mapping), the document is written anew, without its comments.

    Args:
        text: The YAML document.
        changes: New values by top-level field.
        where: Location of the text, for error messages.

    Returns:
        The edited document.

    Raises:
        SpecError: `text` is not a YAML mapping.
    """
    wanted = mapping(text, where) | changes
    lines = text.splitlines()
    for first, last, field in sorted(_field_lines(text), reverse=True):
        if field in changes:
            lines[first : last + 1] = _dump_fields({field: changes[field]})
    lines += _dump_fields({field: value for field, value in changes.items() if field not in mapping(text, where)})
    replaced = "\n".join(lines) + "\n"
    try:
        same = mapping(replaced, where) == wanted
    except SpecError:
        same = False
    return replaced if same else "\n".join(_dump_fields(wanted)) + "\n"


def _dump_fields(fields: dict[str, Any]) -> list[str]:
    """Return the YAML lines of the fields; a collection of plain values takes one line."""
    lines = []
    for field, value in fields.items():
        flow = None if isinstance(value, dict | list) else False
        text = yaml.safe_dump(
            {field: value}, default_flow_style=flow, sort_keys=False, width=MAX_LINE_WIDTH, allow_unicode=True
        )
        lines += text.splitlines()
    return lines


def _field_lines(text: str) -> list[tuple[int, int, str]]:
    """Return (first line, last line, name) of each top-level field, counted from 0."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    return [(key.start_mark.line, _last_line(value), key.value) for key, value in pairs]


def _last_line(node: yaml.Node) -> int:
    """Return the last line of a value; the end mark of a block lies behind trailing comments and blank lines."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        inner = [part for child in node.value for part in (child if isinstance(child, tuple) else (child,))]
        return max(_last_line(part) for part in inner)
    return int(node.end_mark.line)
