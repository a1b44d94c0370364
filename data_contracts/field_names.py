"""Suggests the field that an unknown one was probably meant to be, from the JSON schema of the document."""

import difflib
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

MIN_SIMILARITY = 0.6  # of two names, as difflib has it by default


def suggest_field(model: type[BaseModel], path: tuple[int | str, ...]) -> str:
    """Find the field that an unknown one was probably meant to be.

    Args:
        model: The model of the document.
        path: Keys to the unknown field, and its name.

    Returns:
        The keys, joined by dots, of a field of the same mapping with a similar name; else of a field with this name at
        another level; else an empty string.
    """
    root = model.model_json_schema()
    *parents, name = path
    nodes = list(_resolve(root, root))
    for key in parents:
        nodes = [resolved for node in nodes for child in _children(node, key) for resolved in _resolve(child, root)]
    names = [known for node in nodes for known in node.get("properties", {})]
    near = difflib.get_close_matches(str(name), names, 1, MIN_SIMILARITY)
    if near:
        return ".".join(map(str, (*parents, near[0])))
    return next(_find(str(name), root, root, ()), "")


def _resolve(schema: Schema, root: Schema) -> Iterator[Schema]:
    """Yield the schema of each type that a field may have, with references replaced by what they name."""
    if "$ref" in schema:
        yield from _resolve(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root)
        return
    alternatives = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    for alternative in alternatives:
        yield from _resolve(alternative, root)
    if not alternatives:
        yield schema


def _children(node: Schema, key: int | str) -> list[Schema]:
    """Return the schemas of an item of a list or of a field, as far as they are known."""
    child = node.get("items") if isinstance(key, int) else node.get("properties", {}).get(key)
    return [child] if isinstance(child, dict) else []


def _find(name: str, schema: Schema, root: Schema, parents: tuple[str, ...]) -> Iterator[str]:
    """Yield the keys to each field with this name: of a mapping first, then of those in it; none of lists."""
    nodes = list(_resolve(schema, root))
    fields = [field for node in nodes for field in node.get("properties", {}).items()]
    yield from (".".join((*parents, name)) for known, _ in fields if known == name)
    for known, child in fields:
        if known not in parents:
            yield from _find(name, child, root, (*parents, known))
