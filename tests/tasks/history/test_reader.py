"""One reader for every published table: latest, as of, every vintage, beside the actual, accuracy, history."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.errors import StoreDamaged
from tasks.history.published import NotPublished
from tasks.history.reader import PublishedReader
from tasks.history.selection import Selection
from tasks.storage.layout import latest_uri, vintage_uri
from tasks.storage.snapshots import restore_latest_history
from tasks.storage.store import Store
from tests.tasks.history.conftest import night

Read = Callable[..., PublishedReader]


def days(table: pa.Table, column: str = "as_of") -> list[int]:
    return [moment.day for moment in table[column].unique().to_pylist()]


@pytest.mark.parametrize(("as_of", "vintage", "rows"), [(None, 10, 9), (10, 10, 9), (9, 9, 6), (8, 8, 6), (30, 10, 9)])
def test_newest_vintage_at_or_before_a_time(reader: Read, as_of: int | None, vintage: int, rows: int) -> None:
    table = reader(as_of).forecasts()
    assert (days(table), len(table)) == ([vintage], rows)


def test_every_vintage_has_every_level_of_all_vintages(reader: Read) -> None:
    table = reader().all_forecasts()
    assert table.column_names[4:11] == ["step", "y_hat", "q05", "q10", "q50", "q90", "q95"]
    assert days(table) == [8, 9, 10]
    assert len(table) == 21
    assert table.filter(table["q05"].is_null())["as_of"].unique().to_pylist() == [night(8)]
    assert table.filter(table["q10"].is_null())["as_of"].unique().to_pylist() == [night(9), night(10)]


def test_every_forecast_that_was_made_for_a_time(reader: Read) -> None:
    table = reader().all_forecasts(Selection(("a",), night(10), night(11)))
    assert table.select(["as_of", "step", "y_hat"]).to_pylist() == [
        {"as_of": night(8), "step": 3, "y_hat": 10.0},
        {"as_of": night(9), "step": 2, "y_hat": 10.0},
        {"as_of": night(10), "step": 1, "y_hat": 10.0},
    ]


@pytest.mark.parametrize(
    ("as_of", "values"),
    [
        (None, {("a", 8): 1.5, ("a", 9): 9.0, ("b", 8): 2.0, ("b", 9): 9.5}),
        (9, {("a", 8): 1.0, ("b", 8): 2.0}),  # before the correction
    ],
)
def test_newest_version_of_each_actual(reader: Read, as_of: int | None, values: dict[tuple[str, int], float]) -> None:
    table = reader(as_of).actuals().to_pylist()
    assert {(row["unique_id"], row["ds"].day): row["y"] for row in table} == values
    assert len(table) == len(values)


def test_newest_version_of_each_score(reader: Read) -> None:
    table = reader().accuracy().to_pylist()
    assert {(row["forecast_vintage"].day, row["unique_id"]): row["mae"] for row in table} == {
        (8, "a"): 6.5,
        (8, "b"): 6.0,
        (9, "a"): 0.0,
        (9, "b"): 0.5,
    }
    assert [row["forecast_vintage"].day for row in reader(9).accuracy().to_pylist()] == [8, 8]


def test_forecast_beside_actual_has_each_pair_once(reader: Read) -> None:
    table = reader().comparison().to_pandas()
    assert len(table) == 6  # (8 and 9 March of the first night, 9 March of the second) × two series
    assert not table.duplicated(["unique_id", "ds", "cutoff"]).any()
    assert table.columns[-2:].tolist() == ["y", "actual_as_of"]
    assert table.loc[(table["unique_id"] == "a") & (table["ds"] == night(8)), "y"].tolist() == [1.5]


def test_vintages_with_one_cutoff_give_one_row_of_the_newest(shop: Store) -> None:
    table = pd.read_parquet(Path(shop.root) / vintage_uri("forecasts", "shop", night(8)))
    later = night(8).replace(hour=12)
    stored = shop.put(table.assign(as_of=later, y_hat=77.0), "forecasts")
    shop.publish(stored, vintage_uri("forecasts", "shop", later))
    compared = PublishedReader(pipeline="shop", store=shop).comparison().to_pandas()
    assert len(compared) == 6
    assert compared.loc[compared["cutoff"] == night(7), "y_hat"].unique().tolist() == [77.0]


def test_history_is_that_of_the_newest_forecast_or_of_a_vintage(reader: Read) -> None:
    newest, earlier = reader().history(), reader(8).history()
    assert newest["ds"].to_pylist()[-1] == night(12)
    assert newest.filter(newest["y"].is_valid())["ds"].to_pylist()[-1] == night(9)
    assert earlier.filter(earlier["y"].is_valid())["ds"].to_pylist()[-1] == night(7)
    assert newest.column_names == ["unique_id", "ds", "y", "price"]


def test_history_that_gc_has_deleted_is_named(shop: Store, reader: Read) -> None:
    for path in (Path(shop.root) / "artifacts/clean").iterdir():
        path.unlink()
    with pytest.raises(NotPublished, match=r"as of 2024-03-08T00:00:00Z was deleted from the store.*nightcast gc"):
        reader(8).history()
    assert len(reader().history()) > 0  # the newest has a path of its own


def test_files_of_an_earlier_release_are_read_with_their_as_of(shop: Store, reader: Read) -> None:
    expected = reader().all_forecasts()
    for path in [*Path(shop.root).glob("forecasts/*/*/*.parquet"), Path(shop.root) / latest_uri("shop")]:
        pq.write_table(pq.read_table(path, partitioning=None).drop_columns("as_of"), path)
    assert reader().all_forecasts().equals(expected)
    assert days(reader().forecasts()) == [10]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda reader: reader(7).forecasts(), r"no forecasts at or before 2024-03-07.*--as-of 2024-03-08T00:00:00Z"),
        (lambda reader: reader(8).actuals(), "no actuals at or before 2024-03-08"),
        (lambda reader: reader().forecasts(Selection(("abel",))), "series 'abel' has no row.*It has 3 series: a, b, c"),
        (
            lambda reader: reader().model_copy(update={"pipeline": "shp"}).forecasts(),
            "'shp' has published nothing.*forecasts of shop \\(did you mean 'shop'",
        ),
    ],
)
def test_what_is_missing_is_named_with_what_exists(reader: Read, ask: Callable[[Read], Any], message: str) -> None:
    with pytest.raises(NotPublished, match=f"(?s){message}"):
        ask(reader)


def test_first_id_of_several_series_is_explained(reader: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    names = pa.table({"unique_id": ["plant/power", "plant/heat", "planet/heat"]})
    monkeypatch.setattr("tasks.history.reader.read_rows", lambda *_: names)
    monkeypatch.setattr("tasks.history.reader.read_vintage", lambda *_: names.slice(0, 0))
    with pytest.raises(NotPublished, match=r"2 of them begin with 'plant/': name each of them, or read all series"):
        reader().forecasts(Selection(("plant",)))


def test_pipeline_without_actuals_says_when_they_come(store: Store) -> None:
    from tests.tasks.history.conftest import publish_forecasts

    publish_forecasts(8, store)
    with pytest.raises(NotPublished, match=r"published no actuals .* yet: the first night after"):
        PublishedReader(pipeline="shop", store=store).actuals()


def test_damaged_vintage_is_not_left_out_in_silence(shop: Store, reader: Read) -> None:
    path = Path(shop.root) / vintage_uri("forecasts", "shop", night(9))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(StoreDamaged, match=r"vintage=2024-03-09T000000Z/forecasts.parquet"):
        reader().all_forecasts()


def test_store_in_memory_is_read_like_a_folder() -> None:
    from tests.tasks.history.conftest import publish_forecasts

    store = Store(root="memory://history-reader")
    publish_forecasts(8, store)
    reader = PublishedReader(pipeline="shop", store=store)
    assert len(reader.forecasts()) == 6
    assert len(reader.history(Selection(("a",)))) == 10


def test_history_moves_back_with_the_newest_vintage(shop: Store, reader: Read) -> None:
    shutil.rmtree(Path(shop.root) / "forecasts/pipeline=shop/vintage=2024-03-10T000000Z")  # retracted
    restore_latest_history("shop", night(9), shop)
    assert reader().history().filter(reader().history()["y"].is_valid())["ds"].to_pylist()[-1] == night(8)
    shutil.rmtree(Path(shop.root) / "artifacts/clean")
    restore_latest_history("shop", night(9), shop)
    assert not (Path(shop.root) / "latest/pipeline=shop/history.parquet").exists()


def test_scores_by_step_count_each_forecast_once(reader: Read) -> None:
    table = reader().lead_times().to_pylist()
    # step 1: 8 March by the first night (y 1.5 and 2.0) and 9 March by the second (9.0 and 9.5); step 2: 9 March
    assert [(row["step"], row["rows"]) for row in table] == [(1, 4), (2, 2)]
    first, second = table
    assert (first["mae"], first["bias"]) == ((6.5 + 6.0 + 0.0 + 0.5) / 4, (6.5 + 6.0 + 0.0 - 0.5) / 4)
    assert first["rmse"] == pytest.approx(((6.5**2 + 6.0**2 + 0.5**2) / 4) ** 0.5)
    assert first["wape"] == pytest.approx(13.0 / (1.5 + 2.0 + 9.0 + 9.5))
    assert (first["coverage_90"], first["coverage_80"]) == (1.0, 0.0)  # q05 and q95 of the second night, q10 and q90
    assert (second["mae"], second["coverage_80"], second["coverage_90"]) == (0.25, 1.0, None)


def test_scores_by_step_of_one_series(reader: Read) -> None:
    table = reader().lead_times(Selection(("a",))).to_pylist()
    assert [(row["step"], row["rows"]) for row in table] == [(1, 2), (2, 1)]
