"""Scores by step over the published vintages, on the values that are known now."""

from datetime import timedelta

import pytest

from models.data.panel_table import PanelTable
from tasks.report import published_steps
from tasks.report.published_steps import score_published_steps
from tasks.storage.store import Store
from tasks.storage.vintages import Published
from tests.tasks.history.conftest import forecasts_of, history_of, night


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(root=str(tmp_path))


def publish(store: Store, *days: int) -> tuple[Published, ...]:
    files = [(day, store.put(forecasts_of(day), "forecasts")) for day in days]
    return tuple(Published(as_of=night(day), file=file) for day, file in files)


def test_each_forecast_of_a_time_counts_once(store: Store) -> None:
    again = forecasts_of(9).assign(as_of=night(9) + timedelta(hours=1), y_hat=0.0)
    past = (*publish(store, 8, 9), Published(as_of=night(9), file=store.put(again, "forecasts")))
    table = score_published_steps(past, PanelTable.from_frame(history_of(11)), store)
    # by 11 March the actuals of 8 to 10 March are known: y is the day; the second forecast of 9 March is 0
    assert table["step"].tolist() == [1, 2, 3]
    assert table["rows"].tolist() == [4, 4, 2]
    assert table["mae"].tolist() == [(0 + 0 + 9 + 9) / 4, (0 + 0 + 10 + 10) / 4, 0.0]
    assert {"coverage_80", "coverage_90"} <= set(table.columns)


def test_first_night_has_no_steps(store: Store) -> None:
    assert score_published_steps((), PanelTable.from_frame(history_of(8)), store).empty
    assert score_published_steps(publish(store, 10), PanelTable.from_frame(history_of(10)), store).empty


def test_of_many_series_a_sample_is_scored(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_steps, "MAX_SERIES", 1)
    assert score_published_steps(publish(store, 8), PanelTable.from_frame(history_of(11)), store)["rows"].tolist() == [
        1,
        1,
        1,
    ]
