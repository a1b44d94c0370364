"""Reading a source: ids and numbers as they are written, times in UTC, and nothing that was not known at the as-of."""

import gzip
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.errors import SourceUnreadable, SpecError
from tasks.ingestion import filter_as_of, ingest, to_canonical_columns
from tasks.sources import limits
from tasks.sources.dataset import DatasetSpec
from tasks.sources.read import fingerprint, read_source
from tasks.sources.spec import SourceSpec
from tasks.storage.store import Store
from tasks.validation import validate

AS_OF = datetime(2024, 3, 2, 6, tzinfo=UTC)  # the 30th hour of `sales`
Told = Callable[..., DatasetSpec]
Sales = Callable[..., pd.DataFrame]


def raw_of(frame: pd.DataFrame, reading: DatasetSpec, as_of: datetime = AS_OF) -> pd.DataFrame:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return filter_as_of(to_canonical_columns(table, reading), reading, as_of).to_pandas()


def test_before_the_as_of_everything_is_known_and_after_it_known_covariates_only(reading: Told, sales: Sales) -> None:
    raw = raw_of(sales(hours=40, ahead=0), reading())
    before, after = raw[raw["ds"] < AS_OF], raw[raw["ds"] >= AS_OF]
    assert before["sold" if "sold" in raw else "y"].notna().all()
    assert after.groupby("unique_id").size().tolist() == [4, 4]  # the step of the as-of itself, and the horizon
    assert after["price"].notna().all()
    assert after[["y", "visits", "town"]].isna().all(axis=None)


def test_without_known_covariates_nothing_at_or_after_the_as_of_survives(reading: Told, sales: Sales) -> None:
    raw = raw_of(sales(hours=40), reading(features={"known": [], "observed": ["visits"]}))
    assert raw["ds"].max() == pd.Timestamp(AS_OF) - pd.Timedelta(hours=1)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["noise", "infinite", "missing"]))
def test_whatever_comes_after_the_as_of_the_raw_table_is_the_same(
    reading: Told, sales: Sales, store: Store, seed: int, kind: str
) -> None:
    honest = sales(hours=40, ahead=3)
    draw, corrupt = np.random.default_rng(seed), honest.copy()
    later = corrupt["hour"] >= AS_OF
    beyond = corrupt["hour"] > pd.Timestamp(AS_OF) + pd.Timedelta(hours=3)
    for name, where in (("sold", later), ("visits", later), ("returned", later), ("price", beyond)):
        poison = {"noise": draw.normal(size=where.sum()), "infinite": np.inf, "missing": np.nan}[kind]
        corrupt.loc[where, name] = poison
    corrupt.loc[later, "town"] = "Poison"
    told = reading()
    claims = [store.put(raw_of(frame, told), "raw") for frame in (honest, corrupt)]
    assert claims[0].digest == claims[1].digest


def test_rows_that_came_later_do_not_change_what_an_earlier_night_knew(reading: Told, sales: Sales) -> None:
    told = reading(features={"known": []})
    first, later = sales(hours=30, ahead=0), sales(hours=60, ahead=0)
    known = [raw_of(frame, told).drop(columns="row").reset_index(drop=True) for frame in (first, later)]
    assert known[0].equals(known[1])


def test_a_day_is_known_when_the_day_is_over_on_the_clock_of_the_zone(reading: Told) -> None:
    days = pd.DataFrame({"sku": "a", "hour": ["2024-03-08", "2024-03-09", "2024-03-10", "2024-03-11"], "sold": 1.0})
    told = reading(freq="D", zone="America/New_York", features={"known": []})
    midnight = datetime(2024, 3, 11, 4, tzinfo=UTC)  # 2024-03-11 00:00 in New York, after the change of clocks
    assert raw_of(days, told, midnight)["ds"].tolist() == ["2024-03-08", "2024-03-09", "2024-03-10"]
    assert raw_of(days, told, datetime(2024, 3, 11, 3, 59, tzinfo=UTC))["ds"].tolist()[-1] == "2024-03-10"
    assert raw_of(days, told, datetime(2024, 3, 10, 5, tzinfo=UTC))["ds"].tolist()[-1] == "2024-03-09"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2024-03-01T12:00:00Z", "2024-03-01 12:00"),
        ("2024-03-01 12:00", "2024-03-01 11:00"),
        ("2024-03-01T12:00:00+02:00", "2024-03-01 10:00"),
        ("2024-03-01 12:00:00 -0500", "2024-03-01 17:00"),
        ("2024-03-01T12+02", "2024-03-01 10:00"),
        ("20240301T120000", "2024-03-01 11:00"),
        ("2024-07-01 12:00:00.5", "2024-07-01 10:00:00.5"),
        ("2024-03-31 02:30", None),  # the hour that Berlin skips
        ("2024-10-27 02:30", None),  # the hour that Berlin has twice
        ("2024-10-27 02:30+02:00", "2024-10-27 00:30"),
        ("2024-02-30", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("20240301.5", None),
    ],
)
def test_a_time_is_one_moment_or_none(reading: Told, written: str | None, read: str | None) -> None:
    told = reading(source={"kind": "csv", "path": "s.csv", "timezone": "Europe/Berlin"})
    (found,) = told.times(pd.Series([written], dtype="str"))
    assert found is pd.NaT if read is None else found == pd.Timestamp(read, tz="UTC")


def test_both_sides_of_a_dst_night_keep_their_offsets_and_naive_times_beside_them_the_zone(reading: Told) -> None:
    told = reading(source={"kind": "csv", "path": "s.csv", "timezone": "America/New_York"})
    written = ["2013-11-03T01:30:00-04:00", "2013-11-03T01:30:00-05:00", "2013-11-03 00:30"]
    assert told.times(pd.Series(written, dtype="str")).tolist() == [
        pd.Timestamp("2013-11-03 05:30", tz="UTC"),
        pd.Timestamp("2013-11-03 06:30", tz="UTC"),
        pd.Timestamp("2013-11-03 04:30", tz="UTC"),
    ]


def test_day_first_and_month_first_are_not_mixed_in_one_column(reading: Told) -> None:
    told = reading(freq="D")
    days = told.times(pd.Series(["13/02/2013", "01/02/2013", "02/13/2013"], dtype="str"))
    assert [None if day is pd.NaT else day.strftime("%d %b") for day in days] == ["13 Feb", "01 Feb", None]


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (pd.Series([date(2024, 3, 1), None]), ["2024-03-01", None]),
        (pd.Series(pd.to_datetime(["2024-03-01"]).as_unit("s")), ["2024-03-01"]),
        (pd.Series(pd.to_datetime(["2024-03-01"]).tz_localize("Asia/Tokyo")), ["2024-02-29 15:00"]),
        (pd.Series([20240301, 1709251200]), [None, None]),  # a number is no time
        (pd.Series([True]), [None]),
        (pd.Series([1.5]), [None]),
        (pd.Series([b"2024-03-01"], dtype=object), [None]),
    ],
)
def test_times_of_parquet_are_read_and_numbers_are_not_guessed(
    reading: Told, values: pd.Series, read: list[str | None]
) -> None:
    found = reading().times(values)
    assert str(found.dtype) == "datetime64[us, UTC]"
    assert [None if one is pd.NaT else one for one in found] == [one and pd.Timestamp(one, tz="UTC") for one in read]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moments=st.lists(st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)), min_size=1, max_size=6),  # noqa: DTZ001
    zone=st.sampled_from(["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"]),
)
def test_a_moment_written_with_its_offset_is_read_back_in_every_zone(
    reading: Told, moments: list[datetime], zone: str
) -> None:
    instants = [pd.Timestamp(moment, tz="UTC").floor("us") for moment in moments]
    written = [instant.tz_convert(zone).isoformat() for instant in instants]
    assert reading().times(pd.Series(written, dtype="str")).tolist() == instants


def test_csv_ids_and_words_stay_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text('sku,hour,sold\n007,2024-03-01,1.50\nNA,2024-03-01,\n"None",2024-03-01,""\n', encoding="utf-8")
    table = read_source(SourceSpec(kind="csv", path=str(path)))
    assert table["sku"].to_pylist() == ["007", "NA", "None"]
    assert table["sold"].to_pylist() == ["1.50", None, ""]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty and has no header"),
        (b"  \n\n", "the file is empty and has no header"),
        (b'"sku', "can't be read as csv"),
        (b"sku,hour,sold\na,2024-03-01\n", "can't be read as csv: line 2 has 2 fields, the header has 3"),
        (b"sku,hour,sold\n\xff\xfe,2024-03-01,1\n", "can't be read as csv.*UTF8"),
        (b"\x00\x01\x02garbage\xff", "can't be read as csv"),
    ],
)
def test_a_csv_that_is_none_says_why(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes(content)
    with pytest.raises(SourceUnreadable, match=f"(?s)s.csv broke.*{said}") as refused:
        read_source(SourceSpec(kind="csv", path=str(path)))
    assert refused.value.exit_code == 3


@pytest.mark.parametrize("content", [b"", b"garbage", b"PAR1garbagePAR1", None])
def test_a_parquet_file_that_is_none_is_unreadable(tmp_path: Path, sales: Sales, content: bytes | None) -> None:
    path = tmp_path / "s.parquet"
    sales().to_parquet(path)
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(SourceUnreadable, match=r"s\.parquet.*\n.*can't be read as parquet") as refused:
        read_source(SourceSpec(kind="parquet", path=str(path)))
    assert refused.value.exit_code == 3


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_missing_file_is_said_to_be_missing(tmp_path: Path, kind: str) -> None:
    with pytest.raises(SourceUnreadable, match=r"gone\.x broke.*\n.*the file does not exist"):
        read_source(SourceSpec.model_validate({"kind": kind, "path": str(tmp_path / "gone.x")}))


def test_a_truncated_gzip_and_an_unknown_protocol_are_sentences(tmp_path: Path) -> None:
    path = tmp_path / "s.csv.gz"
    path.write_bytes(gzip.compress(b"sku,hour,sold\n" * 100)[:-12])
    with pytest.raises(SourceUnreadable, match="can't be read as csv"):
        read_source(SourceSpec(kind="csv", path=str(path)))
    with pytest.raises(SpecError, match=r"nowhere://…@host/s\.csv can't be opened") as refused:
        read_source(SourceSpec(kind="csv", path="nowhere://me:hunter2@host/s.csv"))
    assert "hunter2" not in str(refused.value)


def test_a_source_larger_than_what_is_declared_is_refused(
    tmp_path: Path, sales: Sales, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales().to_parquet(tmp_path / "s.parquet")
    sales().to_csv(tmp_path / "s.csv.gz", index=False)
    monkeypatch.setattr(limits, "MAX_VALUES", 100)
    with pytest.raises(SourceUnreadable, match="holds 462 values or more, and at most 100 are read"):
        read_source(SourceSpec(kind="parquet", path=str(tmp_path / "s.parquet")))
    assert read_source(SourceSpec(kind="parquet", path=str(tmp_path / "s.parquet")), ["sku"]).num_rows == 66
    monkeypatch.setattr(limits, "MAX_BYTES", 1000)
    with pytest.raises(SourceUnreadable, match="bytes or more"):
        read_source(SourceSpec(kind="csv", path=str(tmp_path / "s.csv.gz")))
    monkeypatch.setattr(limits, "MAX_VALUES", 10**9)
    with pytest.raises(SourceUnreadable, match="bytes or more"):
        read_source(SourceSpec(kind="parquet", path=str(tmp_path / "s.parquet")))


def test_a_small_file_that_unpacks_to_a_hundred_million_values_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    nothing = pa.nulls(1_000_000, pa.float64())
    with pq.ParquetWriter(tmp_path / "bomb.parquet", pa.schema([("y", pa.float64())]), compression="zstd") as writer:
        for _ in range(101):
            writer.write_table(pa.table({"y": nothing}))
    table = pq.ParquetFile(tmp_path / "bomb.parquet").metadata
    assert (tmp_path / "bomb.parquet").stat().st_size < 300_000 < table.num_rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "MAX_VALUES", 100_000_000)
        with pytest.raises(SourceUnreadable, match="101,000,000 values"):
            read_source(SourceSpec(kind="parquet", path=str(tmp_path / "bomb.parquet")))


def test_of_ten_thousand_columns_only_the_named_ones_are_read(tmp_path: Path) -> None:
    wide = pa.table({f"c{number}": [1.0] for number in range(10_000)})
    pq.write_table(wide, tmp_path / "wide.parquet")
    assert read_source(SourceSpec(kind="parquet", path=str(tmp_path / "wide.parquet")), ["c7"]).column_names == ["c7"]


def test_a_folder_and_a_glob_are_one_table_and_hive_keys_stay_text(tmp_path: Path) -> None:
    for series, sold in (("007", 1.0), ("008", 2.0)):
        folder = tmp_path / f"sku={series}"
        folder.mkdir()
        pq.write_table(pa.table({"hour": ["2024-03-01"], "sold": [sold]}), folder / "part.parquet")
        (folder / "_SUCCESS").write_bytes(b"")
    whole = read_source(SourceSpec(kind="parquet", path=str(tmp_path)))
    assert sorted(whole["sku"].to_pylist()) == ["007", "008"]
    assert read_source(SourceSpec(kind="parquet", path=f"{tmp_path}/*/part.parquet")).num_rows == 2


def test_a_key_that_stands_in_the_file_as_well_as_in_its_folder_is_one_column(tmp_path: Path) -> None:
    for series, kind in (("a", pa.large_string()), ("b", pa.string())):
        folder = tmp_path / f"sku={series}"
        folder.mkdir()
        pq.write_table(pa.table({"sku": pa.array([series], kind), "sold": [1.0]}), folder / "part.parquet")
    (tmp_path / "sku=c").mkdir()
    pq.write_table(pa.table({"sold": [1.0]}), tmp_path / "sku=c" / "part.parquet")
    assert read_source(SourceSpec(kind="parquet", path=str(tmp_path)))["sku"].to_pylist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("drop", "said"),
    [
        ("sold", r"column 'sold', the target \(y\), is missing; did you mean 'solt'\?"),
        ("sku", r"column 'sku', the series \(unique_id\), is missing; the source has zzz, hour"),
        ("price", "column 'price', the covariate, is missing"),
    ],
)
def test_a_missing_column_is_named_with_the_nearest_there_is(reading: Told, sales: Sales, drop: str, said: str) -> None:
    frame = sales().rename(columns={drop: {"sold": "solt", "sku": "zzz", "price": "qqq"}[drop]})
    with pytest.raises(SourceUnreadable, match=said):
        to_canonical_columns(pa.Table.from_pandas(frame), reading())


def test_a_missing_column_is_named_before_the_data_are_read(tmp_path: Path, reading: Told, sales: Sales) -> None:
    sales().rename(columns={"sold": "solt"}).to_parquet(tmp_path / "sales.parquet")
    told = reading()
    with pytest.raises(SourceUnreadable, match="did you mean 'solt'"):
        to_canonical_columns(read_source(told.source, told.chosen), told)


def test_a_table_without_rows_and_a_column_that_stands_twice_are_refused(reading: Told, tmp_path: Path) -> None:
    told = reading(features={"known": []})
    with pytest.raises(SourceUnreadable, match="the table has no rows"):
        to_canonical_columns(pa.table({"sku": [], "hour": [], "sold": []}), told)
    (tmp_path / "s.csv").write_text("sku,hour,sold,sold\na,2024-03-01,1,2\n")
    with pytest.raises(SourceUnreadable, match=r"column 'sold', the target \(y\), occurs 2 times"):
        to_canonical_columns(read_source(SourceSpec(kind="csv", path=str(tmp_path / "s.csv"))), told)


def test_a_covariate_may_not_have_the_name_of_a_column_of_ours(reading: Told) -> None:
    told = reading(columns={"unique_id": "sku", "ds": "hour", "y": "sold"}, features={"observed": ["y"]})
    with pytest.raises(SourceUnreadable, match="'y' has a reserved name"):
        to_canonical_columns(pa.table({"sku": ["a"], "hour": ["x"], "sold": [1], "y": [2]}), told)


def test_further_columns_and_their_order_do_not_matter(reading: Told, sales: Sales) -> None:
    told, frame = reading(), sales()
    more = frame.assign(note="x")[["note", *reversed(frame.columns)]]
    assert raw_of(more, told).equals(raw_of(frame, told))


def test_without_a_series_column_all_rows_are_one_series(reading: Told, sales: Sales) -> None:
    told = reading(columns={"ds": "hour", "y": "sold"}, features={"known": []})
    assert set(raw_of(sales()[["hour", "sold"]], told)["unique_id"]) == {"sold"}


def test_a_dictionary_encoded_table_is_the_plain_table(reading: Told, sales: Sales) -> None:
    plain = pa.Table.from_pandas(sales(), preserve_index=False)
    encoded = plain.set_column(0, "sku", plain["sku"].dictionary_encode())
    told = reading()
    assert (
        to_canonical_columns(encoded, told)["unique_id"].to_pylist()
        == to_canonical_columns(plain, told)["unique_id"].to_pylist()
    )
    assert raw_of(sales().astype({"sku": "category"}), told).equals(raw_of(sales(), told))


def test_csv_and_parquet_of_one_panel_give_one_clean_table(
    tmp_path: Path, reading: Told, sales: Sales, store: Store, promise: Callable[..., Any]
) -> None:
    frame, draw = sales(), np.random.default_rng(5)
    frame["sold"] *= draw.standard_normal(len(frame)) * 10.0 ** draw.integers(-9, 9, len(frame))  # every digit counts
    frame.to_parquet(tmp_path / "sales.parquet", index=False)
    frame.to_csv(tmp_path / "sales.csv", index=False)
    claims = []
    for kind in ("csv", "parquet"):
        told = reading(source={"kind": kind, "path": str(tmp_path / f"sales.{kind}")}, contract=promise())
        claims.append(validate.fn(ingest.fn(told, AS_OF, store), told, AS_OF, store).clean)
    assert claims[0].digest == claims[1].digest


def test_a_changed_source_has_another_fingerprint_and_a_touched_one_has_not(tmp_path: Path, sales: Sales) -> None:
    path = tmp_path / "s.parquet"
    source = SourceSpec(kind="parquet", path=str(path))
    sales().to_parquet(path)
    first = fingerprint(source)
    path.touch()
    assert fingerprint(source) == first
    sales(hours=31).to_parquet(path)
    assert fingerprint(source) != first


def test_a_source_that_ends_after_the_as_of_alone_knows_nothing_yet(
    tmp_path: Path, reading: Told, sales: Sales, store: Store
) -> None:
    sales().to_parquet(tmp_path / "sales.parquet")
    told = reading(features={"known": []})
    with pytest.raises(SourceUnreadable, match="none of its rows was known at 2023-01-01 00:00 UTC"):
        ingest.fn(told, datetime(2023, 1, 1, tzinfo=UTC), store)
