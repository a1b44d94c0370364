"""Skill is compared with the best baseline, and the age of data counts from the end of the newest period."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from tasks.report.headline import describe_freshness, describe_skill

BOARD = pd.DataFrame(
    {
        "bundle": ["c1", "b1", "b2"],
        "model_name": ["gru-8", "linear", "naive"],
        "role": ["champion", "baseline", "baseline"],
        "mase": [0.6, 0.8, 1.2],
        "wql": [0.9, 0.3, float("nan")],
    }
)


@pytest.mark.parametrize(
    ("metric", "digest", "clause"),
    [
        ("mase", "c1", "its MASE is 25.0% below the best baseline, linear"),
        ("wql", "c1", "its WQL is 200.0% above the best baseline, linear"),
        ("mase", "b1", "its MASE of 0.800 is the lowest of all baselines"),
        ("mase", "another", ""),
    ],
)
def test_skill_is_compared_with_the_best_baseline(metric: str, digest: str, clause: str) -> None:
    assert describe_skill(BOARD, metric, digest) == clause


@pytest.mark.parametrize(
    ("champion", "baseline", "clause"),
    [
        (1.5, 0.0, "its MASE is 1.50, and that of the best baseline, linear, is 0"),  # all actuals are the same value
        (0.71168, 0.71171, "its MASE equals that of the best baseline, linear"),
        (0.7994, 0.8, "its MASE is 0.1% below the best baseline, linear"),
    ],
)
def test_skill_is_described_for_losses_without_a_ratio(champion: float, baseline: float, clause: str) -> None:
    board = BOARD.assign(mase=[champion, baseline, 1.2])
    assert describe_skill(board, "mase", "c1") == clause


def test_no_skill_without_a_leaderboard() -> None:
    assert describe_skill(BOARD[:0], "mase", "c1") == ""
    assert describe_skill(BOARD[:1], "mase", "c1") == ""


@pytest.mark.parametrize(
    ("newest", "freq", "as_of", "clause"),
    [
        ("2024-02-05T23:00Z", "h", datetime(2024, 2, 6, tzinfo=UTC), "the data are up to date"),
        ("2024-02-05T20:00Z", "h", datetime(2024, 2, 6, tzinfo=UTC), "the data end 3 h 00 min before the as-of"),
        ("2024-02-05T00:00Z", "D", datetime(2024, 2, 6, 3, tzinfo=UTC), "the data end 3 h 00 min before the as-of"),
        ("2024-01-01T00:00Z", "MS", datetime(2024, 2, 1, tzinfo=UTC), "the data are up to date"),
        ("2024-01-01T00:00Z", "D", datetime(2024, 2, 1, tzinfo=UTC), "the data end 30 d 00 h before the as-of"),
    ],
)
def test_age_counts_from_the_end_of_the_newest_period(newest: str, freq: str, as_of: datetime, clause: str) -> None:
    assert describe_freshness(pd.Timestamp(newest), as_of, freq) == clause
