"""The page names quantile levels that differ from the vintage before."""

from types import SimpleNamespace

import pytest

from tasks.report.assemble import _changed_columns
from tasks.results.run import RunResults
from tasks.storage.store import Store
from tasks.storage.vintages import Published
from tests.tasks.history.conftest import forecasts_of, night


@pytest.mark.parametrize(
    ("before", "after", "rows"),
    [
        (8, 9, ["quantile levels added: q05, q95", "quantile levels dropped: q10, q90"]),
        (9, 10, []),  # another series is listed elsewhere
    ],
)
def test_row_of_data_health_for_other_levels(store: Store, before: int, after: int, rows: list[str]) -> None:
    tables = [store.put(forecasts_of(day, "ab" if day < 10 else "abc"), "forecasts") for day in (before, after)]
    past = (Published(as_of=night(before), file=tables[0]),)
    results = RunResults.model_construct(past=past, forecasted=SimpleNamespace(table=tables[1]))
    assert [row.value for row in _changed_columns(results, store)] == rows
    assert _changed_columns(results.model_copy(update={"past": ()}), store) == ()
