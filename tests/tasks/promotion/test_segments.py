"""A segment counts as worse only if its loss is much higher and significantly so, however many segments there are."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.promotion.segments import SegmentComparison, compare_segments, describe_segment_fault

NAN = float("nan")
STEADY = [1.0, 1.2, 0.9, 1.1, 1.0, 1.3, 0.8, 1.1]
TWICE = [2.0, 2.4, 1.8, 2.3, 2.0, 2.6, 1.7, 2.0]


def losses(**segments: list[float]) -> pd.Series:
    """Losses by segment and origin; `town_Bonn` is the value Bonn of the column town."""
    parts = {}
    for key, values in segments.items():
        by, _, name = key.partition("_")
        index = pd.MultiIndex.from_product([[by], [name], range(len(values))], names=["by", "segment", "cutoff"])
        parts[key] = pd.Series(values, index)
    return pd.concat(parts.values())


def test_segment_with_twice_the_loss_fails() -> None:
    worst = compare_segments(losses(series_a=STEADY, series_b=TWICE), losses(series_a=STEADY, series_b=STEADY), 0.25)
    assert worst is not None
    assert (worst.by, worst.name, worst.failing, worst.compared) == ("series", "b", 1, 2)
    assert (worst.loss, worst.champion_loss, worst.increase) == pytest.approx((2.1, 1.05, 1.0))
    assert worst.level == 0.025
    assert worst.p_value < 0.001


def test_increase_up_to_the_limit_passes() -> None:
    worst = compare_segments(losses(series_a=TWICE), losses(series_a=STEADY), 1.0)
    assert worst is not None
    assert worst.failing == 0
    assert describe_segment_fault("new", "old", worst, 1.0) == ""


def test_large_increase_at_a_single_origin_passes() -> None:
    lucky = [*STEADY[:-1], 30.0]
    worst = compare_segments(losses(series_a=lucky), losses(series_a=STEADY), 0.25)
    assert worst is not None
    assert worst.increase == pytest.approx(28.9 / 8.4)
    assert (worst.failing, worst.p_value > 0.05) == (0, True)


def test_failing_segment_is_named_before_a_larger_increase_by_chance() -> None:
    lucky = [*STEADY[:-1], 30.0]
    worst = compare_segments(losses(series_a=lucky, series_b=TWICE), losses(series_a=STEADY, series_b=STEADY), 0.25)
    assert worst is not None
    assert (worst.name, worst.failing) == ("b", 1)


def test_level_is_shared_by_columns_and_then_by_their_segments() -> None:
    names = {f"series_{number}": STEADY for number in range(10)} | {"town_Bonn": TWICE, "town_Kiel": STEADY}
    worst = compare_segments(losses(**names), losses(**names | {"town_Bonn": STEADY}), 0.25)
    assert worst is not None
    assert (worst.label, worst.level, worst.compared) == ("town 'Bonn'", 0.0125, 12)
    assert worst.failing == 1


def test_segment_without_a_finite_loss_is_left_out() -> None:
    worst = compare_segments(
        losses(series_a=STEADY, series_b=[NAN] * 8), losses(series_a=STEADY, series_b=STEADY), 0.25
    )
    assert worst is not None
    assert (worst.name, worst.compared) == ("a", 1)
    assert compare_segments(losses(series_a=[NAN] * 8), losses(series_a=STEADY), 0.25) is None


def test_champion_without_an_error_has_no_share() -> None:
    worst = compare_segments(losses(series_a=STEADY), losses(series_a=[0.0] * 8), 0.25)
    assert worst is not None
    assert (worst.increase, worst.failing) == (None, 1)
    equal = compare_segments(losses(series_a=[0.0] * 8), losses(series_a=[0.0] * 8), 0.0)
    assert equal is not None
    assert equal.failing == 0


def test_reason_has_both_losses_and_what_to_do() -> None:
    worst = SegmentComparison(
        by="segment town",
        name="Bonn",
        loss=2.1,
        champion_loss=1.05,
        p_value=0.00012,
        level=0.0125,
        failing=2,
        compared=12,
    )
    assert describe_segment_fault("new", "old v3", worst, 0.25) == (
        "new is worse by more than 25% in 2 of 12 segments, most in town 'Bonn': 2.1 against 1.05 of old v3 "
        "(p = 0.00012, level 0.0125). Check the data of this segment, or raise promotion.max_segment_increase"
    )
    assert describe_segment_fault("new", "old v3", None, 0.25) == ""


@settings(max_examples=50)
@given(st.lists(st.lists(st.floats(0, 1e6), min_size=6, max_size=6), min_size=1, max_size=4))
def test_model_never_fails_against_itself(values: list[list[float]]) -> None:
    same = losses(**{f"series_{number}": row for number, row in enumerate(values)})
    worst = compare_segments(same, same, 0.0)
    assert worst is not None
    assert (worst.failing, worst.p_value, worst.compared) == (0, 1.0, len(values))


@pytest.mark.parametrize("count", [1, 30])
def test_equal_challenger_fails_on_few_nights(count: int) -> None:
    draw, nights, failed = np.random.default_rng(count), 200, 0
    index = losses(**{f"series_{number}": [0.0] * 28 for number in range(count)}).index
    for _ in range(nights):
        hard = draw.gamma(2, 1, (count, 28))
        old, new = (hard + draw.normal(0, 0.5, hard.shape) for _ in range(2))
        worst = compare_segments(pd.Series(new.ravel(), index), pd.Series(old.ravel(), index), 0.0)
        failed += worst is not None and worst.failing > 0
    assert failed / nights < 0.05 + 3 * np.sqrt(0.05 * 0.95 / nights)
