"""Rejected rows: counted by rule and series, explained, and given back in the shape of their source."""

import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.errors import SpecError
from tasks.intake.examination import examine
from tasks.quality.quarantine import count_formulas, export_rows, summarize_by_rule, to_source_rows
from tasks.quality.remedies import find_remedy
from tasks.sources.canonical_columns import to_canonical_columns
from tasks.sources.read import read_source
from tasks.sources.spec import SourceSpec

AS_OF = pd.Timestamp("2024-03-03", tz="UTC").to_pydatetime()


@pytest.fixture
def shop(tmp_path, reading, promise):
    """shop(frame, suffix): (its dataset, rejected rows, schema of the source) as of 3 March."""

    def reject(frame, suffix="csv", **changes):
        path = tmp_path / f"shop.{suffix}"
        frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path, index=False)
        source = {"kind": suffix, "path": str(path)}
        dataset = reading(source=source, contract=promise(row_faults="warning"), **changes)
        table = read_source(dataset.source)
        result = examine(to_canonical_columns(table, dataset).to_pandas(), dataset, AS_OF)
        return dataset, result.rejected, table.schema

    return reject


def broken(sales):
    """Four rejected rows: one repeated, two without a number, one without a time."""
    frame = sales(hours=30, ahead=0).astype(object)
    frame.iloc[3, frame.columns.get_loc("sold")] = "many"
    frame.iloc[40, frame.columns.get_loc("sold")] = "=1+1"
    frame.iloc[5, frame.columns.get_loc("hour")] = "noon"
    return pd.concat([frame, frame.iloc[[7]]], ignore_index=True)


def test_rows_are_counted_by_rule_and_series(shop, sales):
    _, rejected, _ = shop(broken(sales))
    counts = {item.rule: (item.rows, item.series, item.first) for item in summarize_by_rule(rejected)}
    assert counts == {
        "y is a number": (2, {"apple": 1, "pear": 1}, (3, 40)),
        "ds is a time": (1, {"apple": 1}, (5,)),
        "one row a series and time": (1, {"apple": 1}, (60,)),
    }


def test_exported_csv_rows_equal_the_rows_of_the_source(shop, sales):
    frame = broken(sales)
    dataset, rejected, schema = shop(frame)
    rows = to_source_rows(rejected, dataset, schema)
    original = pd.read_csv(dataset.source.path, dtype=str, keep_default_na=False).iloc[[3, 5, 40, 60]]
    again = pd.read_csv(io.BytesIO(export_rows(rows, ".csv", dataset.source, schema)), dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(again, original.reset_index(drop=True))


def test_corrected_export_is_read_again_without_violations(shop, sales, tmp_path):
    frame = broken(sales)
    dataset, rejected, schema = shop(frame)
    text = export_rows(to_source_rows(rejected, dataset, schema), ".csv", dataset.source, schema).decode()
    corrected = text.replace("many", "3").replace("=1+1", "2").replace("noon", "2024-03-01 05:00:00+00:00")
    whole = pd.read_csv(dataset.source.path, dtype=str).drop(index=[3, 5, 40, 60])
    both = pd.concat([whole, pd.read_csv(io.StringIO(corrected), dtype=str).iloc[:3]], ignore_index=True)
    _, left, _ = shop(both)
    assert left is None


def test_exported_parquet_has_the_types_of_the_source(shop, sales):
    frame = sales(hours=30, ahead=0)
    frame["visits"] = frame["visits"].astype("Int32")
    frame.loc[2, "visits"] = pd.NA
    dataset, rejected, schema = shop(pd.concat([frame, frame.iloc[[2, 9]]], ignore_index=True), "parquet")
    table = pq.read_table(
        pa.BufferReader(export_rows(to_source_rows(rejected, dataset, schema), ".parquet", dataset.source, schema))
    )
    assert table.schema.remove_metadata() == schema.remove_metadata()
    expected = pa.Table.from_pandas(frame.iloc[[2, 9]], schema=schema, preserve_index=False)
    assert table.to_pylist() == expected.to_pylist()


def test_export_without_series_column_has_no_id_column(shop, sales):
    frame = sales(hours=30, ahead=0).query("sku == 'apple'")
    frame = pd.concat([frame, frame.iloc[[4]]], ignore_index=True)
    dataset, rejected, schema = shop(frame, columns={"ds": "hour", "y": "sold"})
    assert list(to_source_rows(rejected, dataset, schema)) == list(frame.columns)


def test_source_columns_named_rule_and_reason_are_exported(shop, sales, reading):
    frame = sales(hours=30, ahead=0).assign(rule="theirs", reason=1.5)
    frame = pd.concat([frame, frame.iloc[[4]]], ignore_index=True)
    dataset, rejected, schema = shop(frame, features={"observed": ["reason"], "static": ["rule"]})
    rows = to_source_rows(rejected, dataset, schema)
    assert rows[["rule", "reason"]].to_numpy().tolist() == [["theirs", "1.5"]]


def test_export_of_a_wide_table_has_rejected_cells_in_their_source_row(shop, sales):
    frame = sales(hours=30, ahead=0).astype(object)
    frame.iloc[3, frame.columns.get_loc("sold")] = "many"
    frame.iloc[4, frame.columns.get_loc("returned")] = "few"
    wide = {"unique_id": "sku", "ds": "hour", "y": ["sold", "returned"]}
    dataset, rejected, schema = shop(frame, columns=wide)
    rows = to_source_rows(rejected, dataset, schema)
    assert list(rows) == list(frame.columns)
    assert rows["sku"].tolist() == ["apple", "apple"]
    assert rows["sold"].fillna("").tolist() == ["many", ""]
    assert rows["returned"].fillna("").tolist() == ["", "few"]


def test_unknown_export_suffix_is_a_spec_error():
    with pytest.raises(SpecError, match=r"'\.xlsx'.*\.csv or \.parquet"):
        export_rows(pd.DataFrame({"a": ["1"]}), ".xlsx", SourceSpec(kind="csv", path="t.csv"), None)


def test_formulas_are_counted_and_signed_numbers_are_not():
    rows = pd.DataFrame(
        {"id": ["=cmd|'/c calc'!A0", "a", "@SUM(A1)"], "y": ["-5", "+3", "-1e5"], "z": [None, "", "\t=1"]}
    )
    assert count_formulas(rows) == 3


@pytest.mark.parametrize(
    ("rule", "requirement", "fix"),
    [
        ("one row a series and time", "one value per time", "cleaning: {repeated"),
        ("wind is a number", "wind is a number or empty", "correct"),
        ("ds is on the grid", "a step of freq", "round"),
        ("ds is one moment", "occurs once", "with its offset, or in UTC"),
        ("sold is required", "sold is never empty", "`required` in the contract"),
        ("a rule of last year", "does not have this rule", "nightcast check shop.yaml"),
    ],
)
def test_each_built_in_rule_has_a_requirement_and_a_fix(rule, requirement, fix):
    remedy = find_remedy(rule, None, "shop.yaml")
    assert requirement in remedy.requirement
    assert fix in remedy.fix


def test_contract_rule_is_explained_by_its_description(promise):
    rule = {"name": "few", "description": "At most 9 are sold.", "metric": "invalidValues", "type": "library",
            "arguments": {"pattern": r"\d"}, "mustBe": 0, "severity": "warning"}  # fmt: skip
    contract = promise(rule, at="town")
    assert find_remedy("few", contract, "shop").requirement == "At most 9 are sold."
