"""Ingestion: canonical columns, and nothing that was not known at the as-of."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.errors import SourceUnreadable
from tasks.ingestion import ingest
from tasks.intake.known_rows import filter_as_of
from tasks.sources.canonical_columns import to_canonical_columns
from tasks.sources.dataset import DatasetSpec
from tasks.sources.read import read_source
from tasks.sources.spec import SourceSpec
from tasks.storage.store import Store
from tasks.validation import validate

AS_OF = datetime(2024, 3, 2, 6, tzinfo=UTC)  # the 30th hour of `sales`
MakeSpec = Callable[..., DatasetSpec]
Sales = Callable[..., pd.DataFrame]


def raw_of(frame: pd.DataFrame, reading: DatasetSpec, as_of: datetime = AS_OF) -> pd.DataFrame:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return filter_as_of(to_canonical_columns(table, reading), reading, as_of).to_pandas()


def test_rows_after_as_of_keep_only_known_covariates(reading: MakeSpec, sales: Sales) -> None:
    raw = raw_of(sales(hours=40, ahead=0), reading())
    before, after = raw[raw["ds"] < AS_OF], raw[raw["ds"] >= AS_OF]
    assert before["sold" if "sold" in raw else "y"].notna().all()
    assert after.groupby("unique_id").size().tolist() == [4, 4]  # the step at the as-of, and the horizon
    assert after["price"].notna().all()
    assert after[["y", "visits", "town"]].isna().all(axis=None)


def test_without_known_covariates_rows_end_before_as_of(reading: MakeSpec, sales: Sales) -> None:
    raw = raw_of(sales(hours=40), reading(features={"known": [], "observed": ["visits"]}))
    assert raw["ds"].max() == pd.Timestamp(AS_OF) - pd.Timedelta(hours=1)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["noise", "infinite", "missing"]))
def test_raw_table_does_not_depend_on_data_after_as_of(
    reading: MakeSpec, sales: Sales, store: Store, seed: int, kind: str
) -> None:
    honest = sales(hours=40, ahead=3)
    draw, corrupt = np.random.default_rng(seed), honest.copy()
    later = corrupt["hour"] >= AS_OF
    beyond = corrupt["hour"] > pd.Timestamp(AS_OF) + pd.Timedelta(hours=3)
    for name, where in (("sold", later), ("visits", later), ("returned", later), ("price", beyond)):
        poison = {"noise": draw.normal(size=where.sum()), "infinite": np.inf, "missing": np.nan}[kind]
        corrupt.loc[where, name] = poison
    corrupt.loc[later, "town"] = "Poison"
    spec = reading()
    claims = [store.put(raw_of(frame, spec), "raw") for frame in (honest, corrupt)]
    assert claims[0].digest == claims[1].digest


def test_later_rows_do_not_change_an_earlier_night(reading: MakeSpec, sales: Sales) -> None:
    spec = reading(features={"known": []})
    first, later = sales(hours=30, ahead=0), sales(hours=60, ahead=0)
    known = [raw_of(frame, spec).drop(columns="row").reset_index(drop=True) for frame in (first, later)]
    assert known[0].equals(known[1])


def test_day_is_known_after_its_end_in_the_zone(reading: MakeSpec) -> None:
    days = pd.DataFrame({"sku": "a", "hour": ["2024-03-08", "2024-03-09", "2024-03-10", "2024-03-11"], "sold": 1.0})
    spec = reading(freq="D", zone="America/New_York", features={"known": []})
    midnight = datetime(2024, 3, 11, 4, tzinfo=UTC)  # 2024-03-11 00:00 in New York, after the change of clocks
    assert raw_of(days, spec, midnight)["ds"].tolist() == ["2024-03-08", "2024-03-09", "2024-03-10"]
    assert raw_of(days, spec, datetime(2024, 3, 11, 3, 59, tzinfo=UTC))["ds"].tolist()[-1] == "2024-03-10"
    assert raw_of(days, spec, datetime(2024, 3, 10, 5, tzinfo=UTC))["ds"].tolist()[-1] == "2024-03-09"


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        ("sold", r"column 'sold', the target \(y\), is missing; did you mean 'solt'\?"),
        ("sku", r"column 'sku', the series \(unique_id\), is missing; the source has zzz, hour"),
        ("price", "column 'price', the covariate, is missing"),
    ],
)
def test_missing_column_is_reported_with_the_nearest_name(
    reading: MakeSpec, sales: Sales, drop: str, message: str
) -> None:
    frame = sales().rename(columns={drop: {"sold": "solt", "sku": "zzz", "price": "qqq"}[drop]})
    with pytest.raises(SourceUnreadable, match=message):
        to_canonical_columns(pa.Table.from_pandas(frame), reading())


def test_missing_column_is_reported_before_data_are_read(tmp_path: Path, reading: MakeSpec, sales: Sales) -> None:
    sales().rename(columns={"sold": "solt"}).to_parquet(tmp_path / "sales.parquet")
    spec = reading()
    with pytest.raises(SourceUnreadable, match="did you mean 'solt'"):
        to_canonical_columns(read_source(spec.source, spec.select_columns), spec)


def test_empty_table_and_repeated_column_are_refused(reading: MakeSpec, tmp_path: Path) -> None:
    spec = reading(features={"known": []})
    with pytest.raises(SourceUnreadable, match="the table has no rows"):
        to_canonical_columns(pa.table({"sku": [], "hour": [], "sold": []}), spec)
    (tmp_path / "s.csv").write_text("sku,hour,sold,sold\na,2024-03-01,1,2\n")
    with pytest.raises(SourceUnreadable, match=r"column 'sold', the target \(y\), occurs 2 times"):
        to_canonical_columns(read_source(SourceSpec(kind="csv", path=str(tmp_path / "s.csv"))), spec)


def test_covariate_with_reserved_name_is_refused(reading: MakeSpec) -> None:
    spec = reading(columns={"unique_id": "sku", "ds": "hour", "y": "sold"}, features={"observed": ["y"]})
    with pytest.raises(SourceUnreadable, match="'y' has a reserved name"):
        to_canonical_columns(pa.table({"sku": ["a"], "hour": ["x"], "sold": [1], "y": [2]}), spec)


def test_unused_columns_and_column_order_do_not_matter(reading: MakeSpec, sales: Sales) -> None:
    spec, frame = reading(), sales()
    more = frame.assign(note="x")[["note", *reversed(frame.columns)]]
    assert raw_of(more, spec).equals(raw_of(frame, spec))


def test_without_series_column_all_rows_are_one_series(reading: MakeSpec, sales: Sales) -> None:
    spec = reading(columns={"ds": "hour", "y": "sold"}, features={"known": []})
    assert set(raw_of(sales()[["hour", "sold"]], spec)["unique_id"]) == {"sold"}


def test_dictionary_encoding_does_not_matter(reading: MakeSpec, sales: Sales) -> None:
    plain = pa.Table.from_pandas(sales(), preserve_index=False)
    encoded = plain.set_column(0, "sku", plain["sku"].dictionary_encode())
    spec = reading()
    assert (
        to_canonical_columns(encoded, spec)["unique_id"].to_pylist()
        == to_canonical_columns(plain, spec)["unique_id"].to_pylist()
    )
    assert raw_of(sales().astype({"sku": "category"}), spec).equals(raw_of(sales(), spec))


def test_csv_and_parquet_give_the_same_clean_table(
    tmp_path: Path, reading: MakeSpec, sales: Sales, store: Store, promise: Callable[..., Any]
) -> None:
    frame, draw = sales(), np.random.default_rng(5)
    frame["sold"] *= draw.standard_normal(len(frame)) * 10.0 ** draw.integers(-9, 9, len(frame))  # every digit counts
    frame.to_parquet(tmp_path / "sales.parquet", index=False)
    frame.to_csv(tmp_path / "sales.csv", index=False)
    claims = []
    for kind in ("csv", "parquet"):
        spec = reading(source={"kind": kind, "path": str(tmp_path / f"sales.{kind}")}, contract=promise())
        claims.append(validate.fn(ingest.fn(spec, AS_OF, store), spec, AS_OF, store).clean)
    assert claims[0].digest == claims[1].digest


def test_source_without_rows_before_as_of_is_refused(
    tmp_path: Path, reading: MakeSpec, sales: Sales, store: Store
) -> None:
    sales().to_parquet(tmp_path / "sales.parquet")
    spec = reading(features={"known": []})
    with pytest.raises(SourceUnreadable, match="none of its rows was known at 2023-01-01 00:00 UTC"):
        ingest.fn(spec, datetime(2023, 1, 1, tzinfo=UTC), store)
