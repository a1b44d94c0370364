"""A sample of many series."""

import pandas as pd

from tasks.modeling.series import sample_series


def test_sample_of_series_changes_little_when_a_series_joins() -> None:
    def chosen(names: list[str]) -> set[str]:
        return set(sample_series(pd.DataFrame({"unique_id": names}), 40)["unique_id"])

    names = [f"series {number}" for number in range(100)]
    assert len(chosen(names)) == 40
    assert len(chosen(names) & chosen([*names, "another"])) >= 39
    assert chosen(names[:40]) == set(names[:40])
