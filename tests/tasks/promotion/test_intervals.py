"""An interval must cover what it promises, of counts too, and the better calibrated model is never blocked."""

import pandas as pd
import pytest

from tasks.promotion.intervals import IntervalCoverage, describe_coverage_fault, measure_coverage

NAN = float("nan")


def off(error: float) -> IntervalCoverage:
    return IntervalCoverage(share=0.9, inside=0.9 - error, error=error)


def measured(table: pd.DataFrame) -> dict[str, float]:
    coverage = measure_coverage(table)
    return coverage.model_dump() if coverage else {}


def test_coverage_is_that_of_the_outer_interval() -> None:
    table = pd.DataFrame({"y": [1.0, 2.0, 3.5, 9.0, NAN], "q05": 0.5, "q10": 1.5, "q50": 2.0, "q95": 4.0})
    assert measured(table) == pytest.approx({"share": 0.9, "inside": 0.75, "error": 0.15})


def test_counts_at_the_ends_of_an_interval_can_be_on_either_side() -> None:
    table = pd.DataFrame({"y": [0.0, 0.0, 1.0, 1.0, 2.0], "q05": 0.0, "q50": 1.0, "q95": 2.0})
    assert measured(table) == {"share": 0.9, "inside": 1.0, "error": 0.0}
    wide = table.assign(q05=-1.0, q95=3.0)
    assert measured(wide) == pytest.approx({"share": 0.9, "inside": 1.0, "error": 0.1})


def test_table_without_an_interval_an_actual_or_a_finite_forecast_has_no_coverage() -> None:
    table = pd.DataFrame({"y": [1.0, 2.0], "q05": [0.0, 0.0], "q95": [3.0, 3.0]})
    assert measure_coverage(table) is not None
    assert measure_coverage(table.drop(columns="q95")) is None
    assert measure_coverage(table.assign(y=NAN)) is None
    assert measure_coverage(table.assign(q95=[3.0, NAN])) is None


def test_reason_has_both_errors_and_what_to_do() -> None:
    own = IntervalCoverage(share=0.9, inside=0.712, error=0.188)
    assert describe_coverage_fault("new", "old v3", own, off(0.021), 0.1) == (
        "the interval of new promises 90% and covers 71.2% of the actuals of the test part, 18.8 points off, more than "
        "promotion.max_coverage_error allows (0.1) and than that of old v3 (2.1 points off). Lengthen "
        "windowing.validation, on which intervals are calibrated, or raise promotion.max_coverage_error"
    )


@pytest.mark.parametrize(
    ("own", "other"),
    [(off(0.1), off(0.0)), (off(0.2), off(0.2)), (off(0.2), off(0.3)), (off(0.2), None), (None, off(0.0))],
    ids=["within the limit", "as bad", "better", "champion unknown", "unknown"],
)
def test_interval_that_is_good_enough_or_no_worse_passes(
    own: IntervalCoverage | None, other: IntervalCoverage | None
) -> None:
    assert describe_coverage_fault("new", "old", own, other, 0.1) == ""
