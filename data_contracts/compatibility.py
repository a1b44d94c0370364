"""Whether a type or a rule promises more than before, less, or something else: the judgement behind a change."""

import re
import textwrap
from collections.abc import Iterator
from typing import Any, Literal

from data_contracts.bounds import Bound
from data_contracts.contract import Column
from data_contracts.rules import QualityRule

Effect = Literal["breaking", "compatible", "unclear"]
RAISED = {"min_value": 1, "max_value": -1, "mostly": 1, "strict_min": 1, "strict_max": 1}
"""Arguments that ask for more where they grow (1) or shrink (-1)."""
DEFAULT: dict[str, Any] = {"mostly": 1.0, "strict_min": False, "strict_max": False}


def shown(value: Any) -> str:
    """A value in a line: short, text in quotes."""
    if value is None or value in ("", ()):
        return "nothing"
    return textwrap.shorten(repr(value) if isinstance(value, str) else str(value), 100, placeholder=" …")


def type_change(old: Column, new: Column) -> tuple[Effect, str] | None:
    """(effect, word) of a change of type: readers can take what their type can hold."""
    if (old.kind, old.arrow) == (new.kind, new.arrow):
        return None
    if _fits(new, old):
        return "compatible", "narrowed"
    return "breaking", "widened" if _fits(old, new) else "retyped"


def _fits(small: Column, large: Column) -> bool:
    """Whether every value of `small` is one of `large`."""
    if large.kind == "any":
        return True
    if small.kind == large.kind:
        return large.arrow is None or (small.arrow is not None and _holds(large.arrow, small.arrow))
    return (small.kind, large.kind) == ("integer", "number") and (large.arrow in (None, "float64"))


def _holds(large: str, small: str) -> bool:
    one, other = (re.fullmatch(r"(u?int|float)(\d+)", name) for name in (large, small))
    if one is None or other is None or (one[1] == "float") != (other[1] == "float"):
        return large == small
    room = int(one[2]) - (one[1] == "int") - (int(other[2]) - (other[1] == "int"))
    return room >= 0 and (one[1] == other[1] or one[1] == "int")


def loosened(old: QualityRule, new: QualityRule) -> Iterator[tuple[Effect, str]]:
    """(effect, words) of each argument and bound of a rule that is another now."""
    if old.allowed != new.allowed:
        told = " → ".join(bound.sentence if bound else "what it says" for bound in (old.allowed, new.allowed))
        yield _of_bounds(old.allowed, new.allowed), told
    for word in dict.fromkeys((*old.arguments, *new.arguments)):
        before, after = (rule.arguments.get(word, DEFAULT.get(word)) for rule in (old, new))
        if repr(before) != repr(after):  # nan is the same as nan, and 1 is not true
            yield _of_argument(word, before, after)


def _of_bounds(old: Bound | None, new: Bound | None) -> Effect:
    if old is None or new is None or old.unit != new.unit or old.outside or new.outside:
        return "unclear"
    return "compatible" if _within(new, old) else "breaking" if _within(old, new) else "unclear"


def _within(inner: Bound, outer: Bound) -> bool:
    """Whether every count that `inner` admits is one of `outer`."""
    low, high = (inner.least or 0.0, inner.above), (outer.least or 0.0, outer.above)
    above = low[0] > high[0] or (low[0] == high[0] and low[1] >= high[1])
    most, limit = (float("inf") if bound.most is None else bound.most for bound in (inner, outer))
    return above and (most < limit or (most == limit and inner.below >= outer.below))


def _of_argument(word: str, old: Any, new: Any) -> tuple[Effect, str]:
    if word in ("value_set", "words") and isinstance(old, list) and isinstance(new, list):
        return _of_values(word, old, new)
    told = f"{word} {shown(old)} → {shown(new)}"
    if word == "of" and old and new and (new / old) % 1 == 0:
        return "compatible", told
    if word not in RAISED:
        return "unclear", told
    if old is None or new is None:
        return ("compatible" if old is None else "breaking"), told
    try:
        more = str(new) > str(old) if isinstance(old, str) or isinstance(new, str) else new > old
    except TypeError:
        return "unclear", told
    return ("compatible" if more == (RAISED[word] > 0) else "breaking"), told


def _of_values(word: str, old: list[Any], new: list[Any]) -> tuple[Effect, str]:
    added, gone = [one for one in new if one not in old], [one for one in old if one not in new]
    told = [
        f"{name} {', '.join(map(shown, values))}" for name, values in (("added", added), ("removed", gone)) if values
    ]
    if word == "words":  # more of them are refused
        effect: Effect = "breaking" if gone else "compatible"
    else:
        effect = "breaking" if added else "compatible"
    return effect, f"values {'; '.join(told) or 'in another order'}"
