"""Compatibility of types and rules: whether a change promises more than before, less, or something else."""

import re
import textwrap
from collections.abc import Iterator
from typing import Any, Literal

from data_contracts.bounds import Bound
from data_contracts.contract import Column
from data_contracts.rules import QualityRule

Effect = Literal["breaking", "compatible", "unclear"]
STRICTER_DIRECTION = {"min_value": 1, "max_value": -1, "mostly": 1, "strict_min": 1, "strict_max": 1}
"""Sign of the change that makes an argument stricter."""
DEFAULT_ARGUMENTS: dict[str, Any] = {"mostly": 1.0, "strict_min": False, "strict_max": False}


def format_value(value: Any) -> str:
    """Return a value as short text, strings in quotes."""
    if value is None or value in ("", ()):
        return "nothing"
    return textwrap.shorten(repr(value) if isinstance(value, str) else str(value), 100, placeholder=" …")


def type_change(old: Column, new: Column) -> tuple[Effect, str] | None:
    """Return effect and description of a type change, or None. Readers accept every value of the old type."""
    if (old.kind, old.arrow) == (new.kind, new.arrow):
        return None
    if _fits(new, old):
        return "compatible", "narrowed"
    return "breaking", "widened" if _fits(old, new) else "retyped"


def _fits(small: Column, large: Column) -> bool:
    """Return whether `large` can hold every value of `small`."""
    if large.kind == "any":
        return True
    if small.kind == large.kind:
        return large.arrow is None or (small.arrow is not None and _can_hold(large.arrow, small.arrow))
    return (small.kind, large.kind) == ("integer", "number") and (large.arrow in (None, "float64"))


def _can_hold(large: str, small: str) -> bool:
    outer, inner = (re.fullmatch(r"(u?int|float)(\d+)", name) for name in (large, small))
    if outer is None or inner is None or (outer[1] == "float") != (inner[1] == "float"):
        return large == small
    spare_bits = int(outer[2]) - (outer[1] == "int") - (int(inner[2]) - (inner[1] == "int"))
    return spare_bits >= 0 and (outer[1] == inner[1] or outer[1] == "int")


def compare_rules(old: QualityRule, new: QualityRule) -> Iterator[tuple[Effect, str]]:
    """Yield effect and description of each argument and bound of a rule that changed."""
    if old.allowed != new.allowed:
        description = " → ".join(bound.sentence if bound else "no bound" for bound in (old.allowed, new.allowed))
        yield _compare_bounds(old.allowed, new.allowed), description
    for word in dict.fromkeys((*old.arguments, *new.arguments)):
        before, after = (rule.arguments.get(word, DEFAULT_ARGUMENTS.get(word)) for rule in (old, new))
        if repr(before) != repr(after):  # nan is the same as nan, and 1 is not true
            yield _compare_argument(word, before, after)


def _compare_bounds(old: Bound | None, new: Bound | None) -> Effect:
    if old is None or new is None or old.unit != new.unit or old.outside or new.outside:
        return "unclear"
    return "compatible" if _within(new, old) else "breaking" if _within(old, new) else "unclear"


def _within(inner: Bound, outer: Bound) -> bool:
    """Return whether `outer` admits every count that `inner` admits."""
    inner_lower, outer_lower = (inner.least or 0.0, inner.above), (outer.least or 0.0, outer.above)
    above = inner_lower[0] > outer_lower[0] or (inner_lower[0] == outer_lower[0] and inner_lower[1] >= outer_lower[1])
    most, limit = (float("inf") if bound.most is None else bound.most for bound in (inner, outer))
    return above and (most < limit or (most == limit and inner.below >= outer.below))


def _compare_argument(word: str, old: Any, new: Any) -> tuple[Effect, str]:
    if word in ("value_set", "words") and isinstance(old, list) and isinstance(new, list):
        return _compare_values(word, old, new)
    description = f"{word} {format_value(old)} → {format_value(new)}"
    if word == "of" and old and new and (new / old) % 1 == 0:
        return "compatible", description
    if word not in STRICTER_DIRECTION:
        return "unclear", description
    if old is None or new is None:
        return ("compatible" if old is None else "breaking"), description
    try:
        more = str(new) > str(old) if isinstance(old, str) or isinstance(new, str) else new > old
    except TypeError:
        return "unclear", description
    return ("compatible" if more == (STRICTER_DIRECTION[word] > 0) else "breaking"), description


def _compare_values(word: str, old: list[Any], new: list[Any]) -> tuple[Effect, str]:
    added, gone = [value for value in new if value not in old], [value for value in old if value not in new]
    description = [
        f"{name} {', '.join(map(format_value, values))}"
        for name, values in (("added", added), ("removed", gone))
        if values
    ]
    if word == "words":  # a longer list rejects more
        effect: Effect = "breaking" if gone else "compatible"
    else:
        effect = "breaking" if added else "compatible"
    return effect, f"values {'; '.join(description) or 'reordered'}"
