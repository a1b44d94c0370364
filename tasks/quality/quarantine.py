"""Quarantined rows of one night: which rules they broke, and the same rows in the format of their source."""

import io
import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.errors import SpecError
from tasks.quality.violations import Violation, are_rows
from tasks.sources.dataset import DatasetSpec
from tasks.sources.spec import SourceSpec

QUARANTINE_COLUMNS = ("row", "rule", "reason")
SOURCE_SUFFIX = " of the source"  # a source column with the name of a quarantine column carries it
FORMULA = re.compile(r"^\s*[=+\-@]|^[\t\r]")
MAX_EXAMPLES = 5


class RuleSummary(NamedTuple):
    """One rule and the rows that broke it; a row that broke several rules is counted for each."""

    rule: str
    rows: int
    reason: str
    series: dict[str, int]
    first: tuple[int, ...]


def to_quarantine_table(raw: pd.DataFrame, violations: list[Violation], series: pd.Series) -> pd.DataFrame:
    """Build the quarantine table of one night.

    Args:
        raw: The rows as read, with `row`, and `source_row` if the source is a wide table.
        violations: The violations whose rows are rejected.
        series: The series of each row as the contract's rules name it, on the index of `raw`.

    Returns:
        One row per rejected row or cell: `row` (its number in the source), `rule` and `reason`, each joined with "; "
        if it broke several rules, and all its columns as text.
    """
    by_row = _rules_by_row(violations, pd.Series(series.to_numpy(), raw["row"].to_numpy()))
    text = raw[are_rows(raw, by_row["row"].to_numpy())].copy()
    for name in text.columns.drop("row"):
        text[name] = text[name].map(str, na_action="ignore").astype("str")
    table = by_row.merge(text, "left", "row", suffixes=("", SOURCE_SUFFIX))
    if "source_row" in table:
        table["row"] = table.pop("source_row")
    return table.astype({"row": "int64", "rule": "str", "reason": "str"})


def _rules_by_row(violations: list[Violation], series: pd.Series) -> pd.DataFrame:
    """Return row, rule and reason, one line per rejected row, ascending; those of several rules are joined.

    Args:
        violations: The violations.
        series: The series of each row, by its number.
    """
    numbers = np.repeat(np.arange(len(violations)), [len(item.rows) for item in violations])
    rows = np.concatenate([np.asarray(item.rows, dtype=np.int64) for item in violations])
    order = np.argsort(rows, kind="stable")
    by_row = pd.DataFrame({"row": rows[order], "number": numbers[order], "counted": ""})
    for number in (number for number, item in enumerate(violations) if item.series_counts):
        concerned = by_row["number"] == number
        names = series.reindex(by_row.loc[concerned, "row"]).fillna("").to_numpy()
        by_row.loc[concerned, "counted"] = [violations[number].series_counts.get(name, "") for name in names]
    words = pd.DataFrame(
        {"rule": [item.rule for item in violations], "reason": [f"{item.column}: {item.reason}" for item in violations]}
    )
    several = by_row["row"].duplicated(keep=False)
    by_row = by_row.join(words, on="number").assign(reason=lambda table: table["reason"] + table["counted"])
    single, shared = by_row[~several], by_row[several]
    if len(shared):
        shared = shared.groupby("row", as_index=False).agg({"rule": _join_distinct, "reason": _join_distinct})
        single = pd.concat([single, shared]).sort_values("row", kind="stable")
    return single[["row", "rule", "reason"]].reset_index(drop=True)


def _join_distinct(values: pd.Series) -> str:
    return "; ".join(dict.fromkeys(values))


def summarize_by_rule(rejected: pd.DataFrame) -> list[RuleSummary]:
    """Summarize a quarantine table by rule.

    Args:
        rejected: The quarantine table of one night: `row`, `rule`, `reason` and the columns of the source as text.

    Returns:
        One summary per rule, most rows first. Its reason is that of a row that broke this rule only, if there is one.
    """
    by_rule = rejected.assign(
        rule=rejected["rule"].str.split("; "), single=~rejected["rule"].str.contains("; ", regex=False)
    ).explode("rule")
    by_rule = by_rule.sort_values(["single", "row"], ascending=[False, True], kind="stable")
    summaries = [_summarize(str(rule), rows) for rule, rows in by_rule.groupby("rule", sort=True)]
    return sorted(summaries, key=lambda summary: (-summary.rows, summary.rule))


def _summarize(rule: str, rows: pd.DataFrame) -> RuleSummary:
    names = rows["unique_id"].fillna("(no name)").value_counts()
    ordered = sorted(names.items(), key=lambda item: (-item[1], str(item[0])))
    series = {str(name): int(count) for name, count in ordered}
    first = tuple(int(row) for row in sorted(rows["row"])[:MAX_EXAMPLES])
    return RuleSummary(rule, len(rows), str(rows["reason"].iloc[0]), series, first)


def to_source_rows(rejected: pd.DataFrame, reading: DatasetSpec, schema: pa.Schema | None) -> pd.DataFrame:
    """Return the rejected rows under the column names of the source; columns that were never read are missing.

    Args:
        rejected: The quarantine table of one night.
        reading: How the source is read.
        schema: The schema of the source, which gives the order of the columns; None if the source cannot be read.

    Returns:
        One row per rejected source row, as text. Of a wide table, only the rejected cells have a value.
    """
    columns = reading.columns
    kept = rejected.sort_values("row", kind="stable")
    single_id = columns.unique_id if isinstance(columns.unique_id, str) else None  # several are columns of their own
    source_names = {"unique_id": single_id, "ds": columns.ds, "known_at": columns.known_at}
    if columns.time_parts and all(name in kept for name in columns.time_parts):
        source_names["ds"] = None  # the columns of the source are there
    if isinstance(columns.y, str):
        source_names["y"] = columns.y
    else:
        kept = _pivot_cells(kept, bool(columns.unique_id))
    kept = kept.drop(columns=list(QUARANTINE_COLUMNS))
    kept = kept.rename(columns={f"{name}{SOURCE_SUFFIX}": name for name in QUARANTINE_COLUMNS})
    kept = kept.drop(
        columns=[canonical for canonical, name in source_names.items() if name is None and canonical in kept]
    )
    kept = kept.rename(columns={canonical: name for canonical, name in source_names.items() if name is not None})
    order = [name for name in schema.names if name in kept] if schema else []
    return kept[[*order, *(name for name in kept if name not in order)]].reset_index(drop=True)


def _pivot_cells(cells: pd.DataFrame, has_ids: bool) -> pd.DataFrame:
    """Pivot cells to one row per source row, a column per target, and remove the target from the series name."""
    rows = cells.drop_duplicates("row").set_index("row", drop=False)
    if has_ids:
        pairs = zip(rows["unique_id"], rows["target"], strict=True)
        rows["unique_id"] = [
            name.removesuffix(f"/{target}") if isinstance(name, str) else name for name, target in pairs
        ]
    values = cells.pivot(index="row", columns="target", values="y")
    return rows.drop(columns=["y", "target"]).join(values)


def export_rows(rows: pd.DataFrame, suffix: str, source: SourceSpec, schema: pa.Schema | None) -> bytes:
    """Write rows as CSV with the delimiter and encoding of the source, or as Parquet with its types.

    Args:
        rows: Text values under the source's names.
        suffix: .csv, .parquet or .pq.
        source: The source of the pipeline.
        schema: The schema of the source; without it every Parquet column is text.

    Returns:
        The content of the file.

    Raises:
        SpecError: Any other suffix.
    """
    if suffix == ".csv":
        text = rows.to_csv(index=False, sep=getattr(source, "delimiter", None) or ",")
        return text.encode(getattr(source, "encoding", "utf-8"))
    if suffix not in (".parquet", ".pq"):
        ending = repr(suffix) if suffix else "no suffix"
        raise SpecError(f"--export writes CSV or Parquet, but the file has {ending}. Use a name with .csv or .parquet.")
    arrays = {name: _to_arrow(rows[name], _source_type(name, schema)) for name in rows}
    sink = io.BytesIO()
    pq.write_table(pa.table(arrays), sink)
    return sink.getvalue()


def _source_type(name: str, schema: pa.Schema | None) -> pa.DataType:
    arrow_type = schema.field(name).type if schema and name in schema.names else pa.string()
    return arrow_type.value_type if pa.types.is_dictionary(arrow_type) else arrow_type


def _to_arrow(text: pd.Series, arrow_type: pa.DataType) -> pa.Array:
    """Convert text to the type of the source; the column stays text if a value cannot be converted."""
    unconverted = pa.Array.from_pandas(text, type=pa.string())
    if pa.types.is_string(arrow_type):
        return unconverted
    try:
        return pa.Array.from_pandas(_parse_values(text, arrow_type), type=arrow_type)
    except (ValueError, TypeError, pa.ArrowException):
        return unconverted


def _parse_values(text: pd.Series, arrow_type: pa.DataType) -> Any:
    if pa.types.is_timestamp(arrow_type) or pa.types.is_date(arrow_type):
        times = pd.to_datetime(text, format="ISO8601", utc=getattr(arrow_type, "tz", None) is not None)
        return times.dt.date if pa.types.is_date(arrow_type) else times
    if pa.types.is_boolean(arrow_type):
        return text.map({"True": True, "False": False, "1.0": True, "0.0": False})
    if pa.types.is_integer(arrow_type):
        return pd.to_numeric(text).astype("Int64")
    return pd.to_numeric(text) if pa.types.is_floating(arrow_type) else text


def count_formulas(rows: pd.DataFrame) -> int:
    """Count the values that a spreadsheet would run as a formula.

    Args:
        rows: Any columns.

    Returns:
        The number of values that start with =, +, - or @ and are not numbers.
    """
    count = 0
    for name in rows:
        text = rows[name].dropna().astype(str)
        formula_like = text[text.str.contains(FORMULA)]
        count += int(pd.to_numeric(formula_like.str.strip(), errors="coerce").isna().sum())
    return count
