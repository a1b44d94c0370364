"""What a reader asks for: a pipeline by file, name or folder of the store; times in the zone of the pipeline."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from data_contracts.errors import SpecError
from flows.pipeline.published import ReadRequest, identify_pipeline, read, read_table
from tasks.history.published import NotPublished
from tasks.storage.store import Store
from tests.tasks.history.conftest import night, publish_actuals, publish_forecasts


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Two published nights of `shop`, and its YAML file in another folder."""
    folder = tmp_path / "pipelines"
    folder.mkdir()
    (folder / "kiosk.yaml").write_text("name: shop\nschedule: {timezone: Europe/Berlin}\n", encoding="utf-8")
    monkeypatch.setenv("NIGHTCAST_PIPELINES", str(folder))
    monkeypatch.setenv("NIGHTCAST_STORE", str(tmp_path / "store"))
    store = Store(root=str(tmp_path / "store"))
    publish_forecasts(8, store)
    publish_forecasts(9, store)
    publish_actuals(9, [("a", 8, 1.0), ("b", 8, 2.0)], store)
    return store


@pytest.mark.parametrize(
    ("pipeline", "name", "zone"),
    [("kiosk", "shop", "Europe/Berlin"), ("shop", "shop", "UTC"), ("{folder}/kiosk.yaml", "shop", "Europe/Berlin")],
)
def test_pipeline_is_a_file_a_name_or_a_folder_of_the_store(
    store: Store, tmp_path: Path, pipeline: str, name: str, zone: str
) -> None:
    argument = pipeline.format(folder=tmp_path / "pipelines")
    assert identify_pipeline(argument, store) == (name, zone)


@pytest.mark.parametrize(
    ("pipeline", "ds", "days"),
    [
        ("shop", "2024-03-09", [9]),
        ("shop", "2024-03-09..2024-03-10", [9, 10]),
        ("shop", "2024-03-10..", [10, 11]),
        ("shop", "..2024-03-09", [8, 9]),
        ("shop", "2024-03-09T00:00:00Z", [9]),
        ("shop", "2024-03-08T12:00..2024-03-10T00:00", [9, 10]),
        ("kiosk", "2024-03-09", [9]),  # midnight UTC is one o'clock of that day in Berlin
        ("kiosk", "2024-03-09T00:00..2024-03-09T00:59", []),
    ],
)
@pytest.mark.usefixtures("store")
def test_range_of_times_includes_both_ends(pipeline: str, ds: str, days: list[int]) -> None:
    table = read(pipeline, vintages="all", ds=ds, series="a")
    assert sorted(set(table["ds"].dt.day)) == days


@pytest.mark.parametrize(
    ("as_of", "vintage"),
    [
        ("2024-03-08", 8),
        ("2024-03-08T23:59", 8),
        ("2024-03-09", 9),
        (datetime(2024, 3, 8, 5, tzinfo=UTC), 8),
        (None, 9),
    ],
)
@pytest.mark.usefixtures("store")
def test_as_of_names_the_newest_vintage_before_it(as_of: str | datetime | None, vintage: int) -> None:
    assert read("shop", as_of=as_of)["as_of"].unique().tolist() == [night(vintage)]


def test_as_of_is_in_the_zone_of_the_pipeline(store: Store) -> None:
    with pytest.raises(NotPublished, match="at or before 2024-03-07T23:00:00Z"):
        read_table(ReadRequest("kiosk", as_of="2024-03-08"), store)


@pytest.mark.parametrize(("library", "kind"), [("pandas", pd.DataFrame), ("arrow", pa.Table)])
@pytest.mark.usefixtures("store")
def test_table_comes_in_the_library_of_the_reader(library: Any, kind: type) -> None:
    assert isinstance(read("shop", "comparison", library=library), kind)


@pytest.mark.usefixtures("store")
def test_polars_frame_keeps_times_and_nulls() -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed: pip install polars")
    frame = read("shop", vintages="all", library="polars")
    assert frame.schema["ds"] == polars.Datetime("us", "UTC")
    assert frame["q05"].null_count() == 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"table": "forecast"}, r"unknown table 'forecast' \(did you mean 'forecasts'\?\)"),
        ({"vintages": "every"}, "vintages 'every' is unknown; write newest or all"),
        ({"table": "accuracy", "ds": "2024-03-08"}, "accuracy has one row per forecast"),
        ({"ds": ".."}, "neither a begin nor an end"),
        ({"ds": "2024-03-10..2024-03-09"}, "ends before it begins"),
        ({"ds": "2024-02-30"}, "'2024-02-30' is not a"),
        ({"as_of": "yesterday-ish"}, "--as-of 'yesterday-ish' is not a time"),
        ({"as_of": ""}, "--as-of '' is not a time"),
    ],
)
def test_request_that_is_not_possible_is_refused(store: Store, changes: dict[str, str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read_table(ReadRequest("shop")._replace(**changes), store)


def test_yaml_file_without_a_name_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("freq: D\n", encoding="utf-8")
    with pytest.raises(SpecError, match="the field `name` is missing"):
        identify_pipeline(str(tmp_path / "empty.yaml"), store)
