"""Distinct times: what is computed for them is spread over the rows that share them."""

import pandas as pd

from tasks.sources.distinct_times import DistinctTimes


def at(*times: str | None) -> pd.Series:
    return pd.Series(pd.to_datetime(list(times), utc=True)).astype("datetime64[us, UTC]")


TIMES = DistinctTimes.of(at("2024-03-02", "2024-03-01", None, "2024-03-02"))


def test_times_are_ascending_and_missing_times_have_the_code_minus_one() -> None:
    assert TIMES.series.tolist() == at("2024-03-01", "2024-03-02").tolist()
    assert TIMES.codes.tolist() == [1, 0, -1, 1]
    assert TIMES.has_missing


def test_counts_are_those_of_the_rows_with_a_time() -> None:
    assert TIMES.counts.tolist() == [1, 2]
    assert TIMES.where(TIMES.codes == 1).counts.to_dict() == {pd.Timestamp("2024-03-02", tz="UTC"): 2}


def test_value_of_a_time_is_spread_over_its_rows() -> None:
    assert TIMES.spread([True, False]).tolist() == [False, True, False, False]
    assert TIMES.spread([True, False], missing=True).tolist() == [False, True, True, False]


def test_column_without_rows_has_no_times() -> None:
    empty = DistinctTimes.of(at())
    assert (len(empty.times), empty.counts.tolist(), empty.spread([]).tolist()) == (0, [], [])


def test_part_of_a_table_counts_the_rows_of_the_other_parts() -> None:
    counts = pd.Series([1, 5, 4], index=at("2024-03-01", "2024-03-02", "2024-03-03"))
    part = TIMES.within(counts)
    assert part.codes.tolist() == [1, 0, -1, 1]
    assert part.counts.to_dict() == counts.to_dict()
    assert part.where(part.codes == 0).counts.tolist() == [1, 3, 4]
    assert DistinctTimes.of_counts(counts).counts.to_dict() == counts.to_dict()
