"""Results of parts are joined: rows of one rule together, rules in an order that agrees with every part."""

import numpy as np
import pandas as pd

from tasks.intake.part_checks import PartCheck, join_checks
from tasks.quality.violations import Violation

DAYS = pd.date_range("2024-03-01", periods=3, tz="UTC")


def check(*violations: Violation, kept: dict[int, int], **changes: object) -> PartCheck:
    """A part with these violations, and a number of kept rows on some of three days."""
    counts = pd.Series(kept.values(), index=DAYS[list(kept)])
    rows = sorted(row for violation in violations for row in violation.rows)
    faulty = pd.DataFrame({"row": rows, "unique_id": "a"})
    empty = PartCheck(9, 0, list(violations), faulty, None, np.array(rows, dtype=np.int64), (), (), counts, counts)
    return empty._replace(**changes)


def broken(rule: str, *rows: int, reason: str = "is wrong") -> Violation:
    return Violation(rule, "y", "warning", reason, list(rows))


def test_rows_of_a_rule_are_ascending_and_its_reason_is_that_of_the_first_part() -> None:
    parts = [
        check(broken("once", 7, reason="first"), kept={0: 1}),
        check(broken("once", 2, 9, reason="other"), kept={0: 1}),
    ]
    joined = join_checks(parts)
    assert joined.violations == [broken("once", 2, 7, 9, reason="first")]
    assert joined.faulty["row"].tolist() == [2, 7, 9]
    assert joined.rejected_rows.tolist() == [2, 7, 9]


def test_order_of_rules_agrees_with_every_part() -> None:
    parts = [
        check(broken("b", 1), broken("c", 2), kept={0: 1}),
        check(broken("a", 3), broken("b", 4), kept={0: 1}),
        check(broken("c", 5), broken("d", 6), kept={0: 1}),
    ]
    assert [violation.rule for violation in join_checks(parts).violations] == ["a", "b", "c", "d"]


def test_counts_by_time_are_added() -> None:
    joined = join_checks([check(kept={0: 2, 2: 1}), check(kept={1: 4, 2: 1})])
    assert joined.kept.to_dict() == {DAYS[0]: 2, DAYS[1]: 4, DAYS[2]: 2}
    assert (joined.rows, joined.superseded) == (18, 0)


def test_excluded_series_are_sorted() -> None:
    parts = [check(kept={0: 1}, excluded=("b", "x")), check(kept={0: 1}, excluded=("a",))]
    assert join_checks(parts).excluded == ("a", "b", "x")
