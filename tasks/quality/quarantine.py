"""Rejected rows of one night: which rules they broke, and the same rows as their source had them."""

import io
import re
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.errors import SpecError
from tasks.sources.dataset import DatasetSpec
from tasks.sources.spec import SourceSpec

TOLD = ("row", "rule", "reason")
FORMULA = re.compile(r"^\s*[=+\-@]|^[\t\r]")
SHOWN = 5


class RuleSummary(NamedTuple):
    """One rule, and the rows that broke it; a row that broke several is counted with each."""

    rule: str
    rows: int
    reason: str
    series: dict[str, int]
    first: tuple[int, ...]


def summarize_by_rule(rejected: pd.DataFrame) -> list[RuleSummary]:
    """The rules, those with most rows first."""
    parts = rejected.assign(
        rule=rejected["rule"].str.split("; "), one=~rejected["rule"].str.contains("; ", regex=False)
    )
    each = parts.explode("rule").sort_values(["one", "row"], ascending=[False, True], kind="stable")
    told = [_broken(str(rule), rows) for rule, rows in each.groupby("rule", sort=True)]
    return sorted(told, key=lambda one: (-one.rows, one.rule))


def _broken(rule: str, rows: pd.DataFrame) -> RuleSummary:
    names = rows["unique_id"].fillna("(no name)").value_counts()
    ordered = sorted(names.items(), key=lambda item: (-item[1], str(item[0])))
    series = {str(name): int(count) for name, count in ordered}
    first = tuple(int(row) for row in sorted(rows["row"])[:SHOWN])
    return RuleSummary(rule, len(rows), str(rows["reason"].iloc[0]), series, first)


def to_source_rows(rejected: pd.DataFrame, reading: DatasetSpec, schema: pa.Schema | None) -> pd.DataFrame:
    """The rows as text under the names of the source, in its order; what was never read is not there.

    Of a wide table each rejected cell stands in its row; the cells that were used are empty.
    """
    columns = reading.columns
    kept = rejected.sort_values("row", kind="stable")
    theirs = {"unique_id": columns.unique_id, "ds": columns.ds, "known_at": columns.known_at}
    if isinstance(columns.y, str):
        theirs["y"] = columns.y
    else:
        kept = _one_row_each(kept, bool(columns.unique_id))
    kept = kept.drop(columns=list(TOLD)).rename(columns={f"{name} of the source": name for name in TOLD})
    kept = kept.drop(columns=[ours for ours, name in theirs.items() if name is None and ours in kept])
    kept = kept.rename(columns={ours: name for ours, name in theirs.items() if name})
    order = [name for name in schema.names if name in kept] if schema else []
    return kept[[*order, *(name for name in kept if name not in order)]].reset_index(drop=True)


def _one_row_each(cells: pd.DataFrame, named: bool) -> pd.DataFrame:
    """A row of the source each, with a column for each target; the id without the target that was joined to it."""
    rows = cells.drop_duplicates("row").set_index("row", drop=False)
    if named:
        ends = zip(rows["unique_id"], rows["target"], strict=True)
        rows["unique_id"] = [name.removesuffix(f"/{end}") if isinstance(name, str) else name for name, end in ends]
    values = cells.pivot(index="row", columns="target", values="y")
    return rows.drop(columns=["y", "target"]).join(values)


def export_rows(rows: pd.DataFrame, suffix: str, source: SourceSpec, schema: pa.Schema | None) -> bytes:
    """CSV or Parquet, as the source would have it. Raises SpecError for any other suffix."""
    if suffix == ".csv":
        text = rows.to_csv(index=False, sep=getattr(source, "delimiter", None) or ",")
        return text.encode(getattr(source, "encoding", "utf-8"))
    if suffix not in (".parquet", ".pq"):
        raise SpecError(
            f"--export writes .csv or .parquet, by the end of the file's name, not {suffix or 'a name without end'}."
        )
    arrays = {name: _typed(rows[name], _type(name, schema)) for name in rows}
    sink = io.BytesIO()
    pq.write_table(pa.table(arrays), sink)
    return sink.getvalue()


def _type(name: str, schema: pa.Schema | None) -> pa.DataType:
    found = schema.field(name).type if schema and name in schema.names else pa.string()
    return found.value_type if pa.types.is_dictionary(found) else found


def _typed(text: pd.Series, kind: pa.DataType) -> pa.Array:
    """The values in the type of the source; text where one is none of it, or there is none to go by."""
    plain = pa.Array.from_pandas(text, type=pa.string())
    try:
        return pa.Array.from_pandas(_values(text, kind), type=kind) if not pa.types.is_string(kind) else plain
    except (ValueError, TypeError, pa.ArrowException):
        return plain


def _values(text: pd.Series, kind: pa.DataType) -> Any:
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        times = pd.to_datetime(text, format="ISO8601", utc=getattr(kind, "tz", None) is not None)
        return times.dt.date if pa.types.is_date(kind) else times
    if pa.types.is_boolean(kind):
        return text.map({"True": True, "False": False, "1.0": True, "0.0": False})
    if pa.types.is_integer(kind):
        return pd.to_numeric(text).astype("Int64")
    return pd.to_numeric(text) if pa.types.is_floating(kind) else text


def formulas(rows: pd.DataFrame) -> int:
    """Values that a spreadsheet would run: they begin like a formula and are no number."""
    count = 0
    for name in rows:
        text = rows[name].dropna().astype(str)
        begun = text[text.str.contains(FORMULA)]
        count += int(pd.to_numeric(begun.str.strip(), errors="coerce").isna().sum())
    return count
