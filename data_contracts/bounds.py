"""Bounds of the standard (`mustBe…`): the number or share of rows that a rule may count."""

import math
from typing import Any, Literal

from data_contracts.spec import Spec

OPERATORS = (
    "mustBe",
    "mustNotBe",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeBetween",
    "mustNotBeBetween",
)
LOWER, UPPER = OPERATORS[2:4], OPERATORS[4:6]


class Bound(Spec):
    """Interval from `least` to `most`; `above` and `below` exclude the ends, `outside` inverts the interval."""

    least: float | None = None
    most: float | None = None
    above: bool = False
    below: bool = False
    outside: bool = False
    unit: Literal["rows", "percent"] = "rows"

    def admits(self, count: int, rows: int) -> bool:
        """Return whether `count` of `rows` is within the bound."""
        return self._within(self._measured(count, rows)) != self.outside

    def exceeded(self, count: int, rows: int) -> bool:
        """Return whether `count` of `rows` is above the bound, so that the counted rows violate the rule."""
        measured = self._measured(count, rows)
        too_many = self.most is not None and (measured > self.most or (self.below and measured == self.most))
        return too_many and not self.outside

    def _measured(self, count: int, rows: int) -> float:
        return count if self.unit == "rows" else 100 * count / rows if rows else 0.0

    def _within(self, value: float) -> bool:
        above_lower = self.least is None or value > self.least or (value == self.least and not self.above)
        return above_lower and (self.most is None or value < self.most or (value == self.most and not self.below))

    @property
    def sentence(self) -> str:
        """The bound in words, as in 'at most 5 percent'."""
        unit = " percent" if self.unit == "percent" else ""
        low, high = (_format_number(value) for value in (self.least, self.most))
        if self.least is not None and self.least == self.most:
            return f"{'anything but' if self.outside else 'exactly'} {low}{unit}"
        if self.outside:
            return f"less than {low} or more than {high}{unit}"
        sides = [f"{'more than' if self.above else 'at least'} {low}"] if low else []
        sides += [f"{'less than' if self.below else 'at most'} {high}"] if high else []
        return " and ".join(sides) + unit

    @property
    def none_at_all(self) -> bool:
        """Whether the bound is `mustBe: 0`."""
        return self.least in (None, 0) and self.most == 0 and not self.below and not self.outside


def bound_of(written: dict[str, Any], unit: str | None) -> Bound | None:
    """Return the bound that the operators of a rule define, or None.

    Args:
        written: Values by operator, as in the document.
        unit: rows, percent or None, which means rows.

    Raises:
        ValueError: The operators, their values or the unit are invalid.
    """
    operators = {name: value for name, value in written.items() if name in OPERATORS and value is not None}
    if unit not in (None, "rows", "percent"):
        raise ValueError(f"has the unit {unit!r}. Write rows or percent")
    if not operators:
        return None
    lower, upper = [name for name in operators if name in LOWER], [name for name in operators if name in UPPER]
    if len(operators) > 1 and (len(lower) > 1 or len(upper) > 1 or len(lower) + len(upper) < len(operators)):
        raise ValueError(f"has {' and '.join(operators)}. Write one bound, or a lower and an upper bound")
    facts: dict[str, Any] = {"unit": unit or "rows"}
    for name, value in operators.items():
        facts |= _bound_fields(name, value)
    bound = Bound(**facts)
    _reject_empty(bound)
    return bound


def _bound_fields(name: str, value: Any) -> dict[str, Any]:
    if name in ("mustBeBetween", "mustNotBeBetween"):
        if not isinstance(value, list) or len(value) != 2:
            raise ValueError(f"has the bound {value!r}. {name} takes two numbers, the smaller one first")
        low, high = (_parse_number(number) for number in value)
        if low > high:
            raise ValueError(f"has the bound {value!r}. {name} takes the smaller number first")
        return {"least": low, "most": high, "outside": name == "mustNotBeBetween"}
    number = _parse_number(value)
    if name in ("mustBe", "mustNotBe"):
        return {"least": number, "most": number, "outside": name == "mustNotBe"}
    if name in LOWER:
        return {"least": number, "above": name == "mustBeGreaterThan"}
    return {"most": number, "below": name == "mustBeLessThan"}


def _parse_number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as text:
        raise ValueError(f"has the bound {value!r}, which is not a number") from text
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(f"has the bound {value!r}, which is not a number")
    return number


def _reject_empty(bound: Bound) -> None:
    """Raise ValueError if no count is within the bound."""
    highest = 100 if bound.unit == "percent" else math.inf
    for side in (bound.least, bound.most):
        if side is not None and not 0 <= side <= highest:
            raise ValueError(
                f"has the bound {_format_number(side)}. Write 0 or more{', 100 at most' if highest == 100 else ''}"
            )
    least, most = bound.least or 0.0, highest if bound.most is None else bound.most
    strict = (bound.above and bound.least is not None) or bound.below
    if not bound.outside and (least > most or (least == most and strict)):
        raise ValueError(f"asks for {bound.sentence}, which no count satisfies")


def _format_number(value: float | None) -> str:
    return "" if value is None else f"{value:g}" if value % 1 else f"{int(value):,}"
