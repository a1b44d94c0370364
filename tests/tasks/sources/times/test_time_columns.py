"""Times that several columns hold: they are joined as text, and read as if a single column held them."""

import pandas as pd
import pyarrow as pa
import pytest

from data_contracts.contract import Contract
from models.data.features import FeatureSpec
from tasks.intake.examination import examine
from tasks.intake.known_rows import filter_as_of
from tasks.quality.quarantine import to_source_rows
from tasks.sources.canonical_columns import to_canonical_columns
from tasks.sources.columns_spec import ColumnsSpec
from tasks.sources.dataset import DatasetSpec
from tasks.sources.read import read_source
from tasks.sources.spec import SourceSpec
from tasks.sources.times.time_columns import join_columns, joint_name, parts_of, with_joint_column
from tasks.sources.times.timestamps import TimestampParser


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"Date": ["31.01.2024", "1.2.2024"], "Time": ["13:00", "01:00:30"]},
         ["31.01.2024 13:00", "1.2.2024 01:00:30"]),
        ({"Date": ["31.01.2024"], "Time": ["24:00"]}, ["31.01.2024 24:00"]),
        ({"Date": ["31.01.2024", None], "Time": [None, "1:00"]}, [None, None]),
        ({"date": ["2024-01-31", "2024-01-31"], "hr": [0, 24]}, ["2024-01-31 00:00", "2024-01-31 24:00"]),
        ({"date": ["2024-01-31", "2024-01-31"], "hr": [5.0, None]}, ["2024-01-31 05:00", None]),
        ({"date": ["2024-01-31"] * 2, "hhmm": [30, 1330]}, ["2024-01-31 00:30", "2024-01-31 13:30"]),
        ({"date": ["2024-01-31"] * 2, "hhmmss": ["000030", "133000"]}, ["2024-01-31 00:00:30", "2024-01-31 13:30"]),
        ({"date": ["2024-01-31"] * 2, "part": [0.0, 0.5]}, ["2024-01-31 00:00", "2024-01-31 12:00"]),
        ({"date": ["2024-01-31"] * 2, "hour": ["H01", "H24"]}, ["2024-01-31 01:00", "2024-01-31 24:00"]),
        ({"date": ["2024-01-31"] * 2, "hour": ["13h30", "7h"]}, ["2024-01-31 13:30", "2024-01-31 7:00"]),
        ({"date": ["2024-01-31"] * 2, "hours": ["00:00-01:00", "01:00 - 02:00"]},
         ["2024-01-31 00:00", "2024-01-31 01:00"]),
        ({"date": ["2024-01-31 00:00:00"], "time": ["13:00:00"]}, ["2024-01-31 13:00:00"]),
        ({"date": ["1/31/2024 12:00:00 AM"], "time": ["1:00 PM"]}, ["1/31/2024 1:00 PM"]),
        ({"date": ["2024-01-31"], "time": ["1899-12-30 13:00:00"]}, ["2024-01-31 13:00:00"]),
        ({"date": [pd.Timestamp("2024-01-31")], "time": [pd.Timestamp("2024-01-31 13:00").time()]},
         ["2024-01-31 13:00:00"]),
        ({"date": [pd.Timestamp("2024-01-31").date()], "time": ["13:00"]}, ["2024-01-31 13:00"]),
        ({"date": ["2024-01-31"], "hour": [13], "minute": [5]}, ["2024-01-31 13:05"]),
        ({"year": ["2024"], "month": ["01"], "day": ["05"]}, ["2024-01-05"]),
        ({"year": [2024, 2024], "month": [1, 12], "day": [5, 31], "hour": [0, 24]},
         ["2024-01-05 00:00", "2024-12-31 24:00"]),
        ({"year": [2024], "month": [1], "day": [5], "hour": [13], "minute": [15]}, ["2024-01-05 13:15"]),
        ({"year": [2024], "month": [1], "day": [5], "hour": [13], "minute": [15], "second": [9]},
         ["2024-01-05 13:15:09"]),
        ({"Jahr": [2024.0, None], "Monat": [1, 2]}, ["2024-01", None]),
        ({"year": [2024, 2024], "month": ["Jan", "Dec"], "day": [5, 6]}, ["2024-Jan-05", "2024-Dec-06"]),
        ({"year": [2024, 2024], "week": [1, 9]}, ["2024-W01", "2024-W09"]),
        ({"year": [2024, 2024], "period": [1, 50]}, ["2024-W01", "2024-W50"]),
        ({"year": [2024, 2024], "quarter": [1, 4]}, ["2024-Q1", "2024-Q4"]),
        ({"year": [2024], "q": ["Q3"]}, ["2024-Q3"]),
        ({"date": ["soon"], "time": ["never"]}, ["soon never"]),
    ],
)  # fmt: skip
def test_parts_are_joined_as_text(columns, text):
    joined = join_columns([pa.chunked_array([pa.array(values)]) for values in columns.values()], list(columns))
    assert joined.astype(object).where(joined.notna(), None).tolist() == text
    TimestampParser(None).parse(joined)


def test_joint_text_is_read_as_one_time():
    joined = join_columns(
        [pa.chunked_array([["31.01.2024", "31.01.2024"]]), pa.chunked_array([["13:00", "24:00"]])], ["d", "t"]
    )
    assert TimestampParser(None).parse(joined).dt.strftime("%Y-%m-%d %H:%M").tolist() == [
        "2024-01-31 13:00",
        "2024-02-01 00:00",
    ]


@pytest.mark.parametrize("columns", [["a"] * 7, ["a", "a"], ["a", ""], ["a + b", "c"], []])
def test_wrong_list_of_columns_is_refused(columns):
    with pytest.raises(ValueError, match=r"list 2 to 6 columns|name each column once"):
        joint_name(columns)


def test_list_of_columns_has_a_joint_name():
    columns = ColumnsSpec.model_validate({"ds": ["Date", "Time"], "y": "load"})
    assert (columns.ds, columns.time_parts) == ("Date + Time", ("Date", "Time"))
    assert ColumnsSpec.model_validate(columns.model_dump()) == columns
    assert ColumnsSpec.model_validate({"ds": ["Date"], "y": "load"}).ds == "Date"
    assert parts_of("Date") == ()


def test_table_without_a_part_is_unchanged():
    table = pa.table({"Date": ["2024-01-01"], "Date + Clock": ["2024-01-01"]})
    assert with_joint_column(table, "Date + Time") is table
    assert with_joint_column(table, "Date + Clock") is table
    assert with_joint_column(table, "Date") is table


def test_rejected_rows_have_the_columns_of_the_source(tmp_path):
    hours = pd.date_range("2024-01-01", periods=300, freq="h")
    rows = pd.DataFrame({"Date": hours.strftime("%d/%m/%Y"), "Time": hours.strftime("%H:%M"), "load": "1"})
    rows.loc[7, "Time"] = "never"
    rows.to_csv(tmp_path / "t.csv", index=False)
    reading = DatasetSpec(
        pipeline="meter",
        source=SourceSpec(kind="csv", path=str(tmp_path / "t.csv")),
        columns=ColumnsSpec.model_validate({"ds": ["Date", "Time"], "y": "load"}),
        features=FeatureSpec(),
        freq="h",
        zone="UTC",
        horizon=3,
        contract=Contract(id="meter", version="1.0.0", columns=(), row_faults="warning"),
    )
    moment = pd.Timestamp("2024-02-01", tz="UTC")
    table = to_canonical_columns(read_source(reading.source, reading.select_columns, moment), reading)
    result = examine(filter_as_of(table, reading, moment).to_pandas(), reading, moment)
    assert "column 'Date + Time'" in result.findings[0]
    assert (result.health.used, result.health.quarantined) == (299, 1)
    rejected = to_source_rows(result.rejected, reading, read_source(reading.source).schema)
    assert rejected.to_dict("records") == [{"Date": "01/01/2024", "Time": "never", "load": "1"}]
