"""The `mustBe…` bounds of the standard: how many rows, or which share of them, a rule may count."""

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
    """`least` to `most`, both included unless they are beyond (`above`, `below`); `outside` turns it round."""

    least: float | None = None
    most: float | None = None
    above: bool = False
    below: bool = False
    outside: bool = False
    unit: Literal["rows", "percent"] = "rows"

    def admits(self, count: int, rows: int) -> bool:
        """Whether `count` of `rows` is within the bound."""
        return self._within(self._measured(count, rows)) != self.outside

    def exceeded(self, count: int, rows: int) -> bool:
        """Whether `count` of `rows` is more than the bound allows, so that the rows counted are at fault."""
        measured = self._measured(count, rows)
        too_many = self.most is not None and (measured > self.most or (self.below and measured == self.most))
        return too_many and not self.outside

    def _measured(self, count: int, rows: int) -> float:
        return count if self.unit == "rows" else 100 * count / rows if rows else 0.0

    def _within(self, value: float) -> bool:
        enough = self.least is None or value > self.least or (value == self.least and not self.above)
        return enough and (self.most is None or value < self.most or (value == self.most and not self.below))

    @property
    def sentence(self) -> str:
        """As in 'at most 5 percent'."""
        unit = " percent" if self.unit == "percent" else ""
        low, high = (_plain(value) for value in (self.least, self.most))
        if self.least is not None and self.least == self.most:
            return f"{'anything but' if self.outside else 'exactly'} {low}{unit}"
        if self.outside:
            return f"less than {low} or more than {high}{unit}"
        told = [f"{'more than' if self.above else 'at least'} {low}"] if low else []
        told += [f"{'less than' if self.below else 'at most'} {high}"] if high else []
        return " and ".join(told) + unit

    @property
    def none_at_all(self) -> bool:
        """Whether it is the plain `mustBe: 0`."""
        return self.least in (None, 0) and self.most == 0 and not self.below and not self.outside


def bound_of(written: dict[str, Any], unit: str | None) -> Bound | None:
    """The bound that a rule's operators write, None where it has none. Raises ValueError with what is accepted."""
    told = {name: value for name, value in written.items() if name in OPERATORS and value is not None}
    if unit not in (None, "rows", "percent"):
        raise ValueError(f"has the unit {unit!r}; write rows or percent")
    if not told:
        return None
    lower, upper = [name for name in told if name in LOWER], [name for name in told if name in UPPER]
    if len(told) > 1 and (len(lower) > 1 or len(upper) > 1 or len(lower) + len(upper) < len(told)):
        raise ValueError(f"has {' and '.join(told)}; write one bound, or one from below and one from above")
    facts: dict[str, Any] = {"unit": unit or "rows"}
    for name, value in told.items():
        facts |= _facts(name, value)
    bound = Bound(**facts)
    _refuse_empty(bound)
    return bound


def _facts(name: str, value: Any) -> dict[str, Any]:
    if name in ("mustBeBetween", "mustNotBeBetween"):
        if not isinstance(value, list) or len(value) != 2:
            raise ValueError(f"has the bound {value!r}; {name} takes two numbers, the smaller one first")
        low, high = (_number(one) for one in value)
        if low > high:
            raise ValueError(f"has the bound {value!r}; {name} takes the smaller number first")
        return {"least": low, "most": high, "outside": name == "mustNotBeBetween"}
    number = _number(value)
    if name in ("mustBe", "mustNotBe"):
        return {"least": number, "most": number, "outside": name == "mustNotBe"}
    if name in LOWER:
        return {"least": number, "above": name == "mustBeGreaterThan"}
    return {"most": number, "below": name == "mustBeLessThan"}


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as text:
        raise ValueError(f"has the bound {value!r}, which is no number") from text
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(f"has the bound {value!r}, which is no number")
    return number


def _refuse_empty(bound: Bound) -> None:
    """A bound that no count keeps is a slip, never a promise."""
    highest = 100 if bound.unit == "percent" else math.inf
    for side in (bound.least, bound.most):
        if side is not None and not 0 <= side <= highest:
            raise ValueError(
                f"has the bound {_plain(side)}; write 0 or more{', 100 at most' if highest == 100 else ''}"
            )
    least, most = bound.least or 0.0, highest if bound.most is None else bound.most
    strict = (bound.above and bound.least is not None) or bound.below
    if not bound.outside and (least > most or (least == most and strict)):
        raise ValueError(f"asks for {bound.sentence}, which no count is")


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:g}" if value % 1 else f"{int(value):,}"
