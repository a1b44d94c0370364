"""Honest tables of random shapes: each is written to a file or folder together with what a person reads in it."""

import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

STARTS = {  # frequency: the first step and the number of steps
    "15min": ("2024-02-27 00:00", 500),
    "h": ("2024-02-27 00:00", 400),
    "D": ("2023-02-25", 150),
    "B": ("2023-02-27", 120),
    "W-MON": ("2020-01-06", 110),
    "MS": ("2012-01-01", 84),
    "ME": ("2012-01-31", 84),
    "QS-JAN": ("1996-01-01", 60),
}
CLOCK_SPELLINGS = ("typed", "typed UTC", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d %H:%M:%S UTC",
                   "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d/%m/%y %H:%M", "epoch",
                   "typed zone", "offset")  # fmt: skip
DATE_SPELLINGS = ("typed", "typed date", "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%d-%b-%y", "%Y%m%d", "excel")
SPELLINGS = {
    "15min": CLOCK_SPELLINGS,
    "h": CLOCK_SPELLINGS,
    "D": DATE_SPELLINGS,
    "B": DATE_SPELLINGS,
    "W-MON": ("typed", "%Y-%m-%d", "%d.%m.%Y", "%G-W%V"),
    "MS": ("typed", "%Y-%m-%d", "%Y-%m", "%YM%m", "%b %Y", "%m/%Y"),
    "ME": ("typed", "%Y-%m-%d", "%d.%m.%Y"),
    "QS-JAN": ("typed", "%Y-%m-%d", "quarter"),
}
NUMBERS = ("float", "integer", "thousands", "decimal comma")
IDS = ("none", "text", "leading zeros", "integer", "float", "bytes", "two columns")
CONTAINERS = ("csv", "csv.gz", "tsv", "parquet", "csv folder", "parquet folder")
NAMES = {
    "none": [()],
    "text": [("north",), ("südost",)],
    "leading zeros": [("007",), ("010",), ("100",)],
    "integer": [(101,), (102,)],
    "float": [(101.0,), (102.0,)],
    "bytes": [(b"a1",), (b"b2",)],
    "two columns": [(1, "tea"), (1, "milk"), (2, "tea")],
}
TYPED = ("typed", "typed UTC", "typed date", "typed zone")
MISTAKES = ("none", "repeated", "far off")
ZONE = "America/New_York"  # its clocks change on 10 March 2024, within the hourly tables


class TableCase(NamedTuple):
    """One table: how each of its parts is written."""

    freq: str
    spelling: int
    numbers: str
    ids: str
    container: str
    gaps: bool
    closed_sunday: bool
    running: bool
    mistake: str
    seed: int


def table_cases() -> st.SearchStrategy[TableCase]:
    """Return a strategy of tables."""
    return st.builds(
        TableCase,
        freq=st.sampled_from(sorted(STARTS)),
        spelling=st.integers(0, len(CLOCK_SPELLINGS) - 1),
        numbers=st.sampled_from(NUMBERS),
        ids=st.sampled_from(IDS),
        container=st.sampled_from(CONTAINERS),
        gaps=st.booleans(),
        closed_sunday=st.booleans(),
        running=st.booleans(),
        mistake=st.sampled_from(MISTAKES),
        seed=st.integers(0, 9),
    )


def truth(case: TableCase) -> pd.DataFrame:
    """Return what the table says: `name` (a tuple), `ds` (naive) and `y`, ordered by time within each series."""
    draw = np.random.default_rng(case.seed)
    start, count = STARTS[case.freq]
    steps = pd.date_range(start, periods=count, freq=case.freq)
    parts = []
    for number, name in enumerate(NAMES[case.ids]):
        wave = 3000 + 900 * np.sin(2 * np.pi * np.arange(count) / 7) + 400 * number + draw.normal(0, 90, count)
        parts.append(pd.DataFrame({"name": [name] * count, "ds": steps, "y": np.round(wave, 2)}))
    rows = pd.concat(parts, ignore_index=True)
    if case.numbers in ("integer", "thousands"):
        rows["y"] = rows["y"].round()
    if case.closed_sunday and case.freq in ("D", "h"):
        rows = rows[rows["ds"].dt.dayofweek != 6]
    if case.gaps:
        rows = rows[(draw.random(len(rows)) > 0.04) | (rows["ds"] == steps[0])]
    return rows.reset_index(drop=True)


def with_mistake(case: TableCase, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with one that must not be used: a copy of another row, or a row of 1970."""
    if case.mistake == "none":
        return rows
    extra = rows.iloc[[len(rows) // 2]]
    return pd.concat([rows, extra.assign(ds=pd.Timestamp("1970-01-01")) if case.mistake == "far off" else extra])


def write(case: TableCase, rows: pd.DataFrame, folder: Path) -> Path:
    """Write the table and return its path."""
    typed = case.container.startswith("parquet")
    columns = _id_columns(case, rows["name"], typed)
    columns |= {"day": _times(case, rows["ds"], typed), "sold": _values(case, rows["y"], typed)}
    table, order = pa.table(columns), np.random.default_rng(case.seed).permutation(len(rows))
    if case.seed % 2:
        table = table.take(pa.array(order))  # the rows need not be sorted
    if "folder" not in case.container:
        path = folder / f"sales.{case.container}"
        _write_file(table, path, case)
        return path
    path = folder / "sales"
    path.mkdir()
    half = table.num_rows // 2
    suffix = "parquet" if typed else "csv"
    for number, part in enumerate((table.slice(0, half), table.slice(half))):
        _write_file(part, path / f"part-{number}.{suffix}", case)
    return path


def written_name(name: tuple[object, ...]) -> str:
    """Return the name that a series must keep."""
    parts = [part.decode() if isinstance(part, bytes) else str(int(part)) if isinstance(part, float) else str(part)
             for part in name]  # fmt: skip
    return "/".join(parts) or "sold"


def _id_columns(case: TableCase, names: pd.Series, typed: bool) -> dict[str, pa.Array]:
    if case.ids == "none":
        return {}
    labels = ("store", "item") if case.ids == "two columns" else ("shop",)
    columns = {label: [name[index] for name in names] for index, label in enumerate(labels)}
    if typed:
        return {label: pa.array(values) for label, values in columns.items()}
    return {label: pa.array([written_name((value,)) for value in values]) for label, values in columns.items()}


def spelling_of(case: TableCase) -> str:
    """Return how times are written."""
    spellings = SPELLINGS[case.freq]
    return spellings[case.spelling % len(spellings)]


def _times(case: TableCase, times: pd.Series, typed: bool) -> pa.Array:
    spelling = spelling_of(case)
    if spelling in TYPED and not typed:
        spelling = "%Y-%m-%d %H:%M:%S"
    writers = {
        "typed UTC": lambda: pa.Array.from_pandas(times.dt.tz_localize("UTC")),
        "typed zone": lambda: pa.Array.from_pandas(times.dt.tz_localize("UTC").dt.tz_convert(ZONE)),
        "offset": lambda: pa.array([time.isoformat() for time in times.dt.tz_localize("UTC").dt.tz_convert(ZONE)]),
        "typed date": lambda: pa.array(times.dt.date),
        "typed": lambda: pa.Array.from_pandas(times),
        "epoch": lambda: pa.array(times.astype("datetime64[s]").astype("int64").tolist()),
        "excel": lambda: pa.array((times - pd.Timestamp("1899-12-30")).dt.days.tolist()),
        "quarter": lambda: pa.array([f"{time.year}-Q{time.quarter}" for time in times]),
    }
    return writers[spelling]() if spelling in writers else pa.array([time.strftime(spelling) for time in times])


def _values(case: TableCase, values: pd.Series, typed: bool) -> pa.Array:
    if typed:
        return pa.array(values.astype("int64")) if case.numbers == "integer" else pa.array(values)
    if case.numbers == "thousands":
        return pa.array([f"{value:,.0f}" for value in values])
    if case.numbers == "integer":
        return pa.array([f"{value:.0f}" for value in values])
    return pa.array([f"{value:.2f}".replace(".", "," if case.numbers == "decimal comma" else ".") for value in values])


def _write_file(table: pa.Table, path: Path, case: TableCase) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path)
        return
    separator = "\t" if case.container == "tsv" else ";" if case.numbers == "decimal comma" else ","
    text = table.to_pandas().to_csv(index=False, sep=separator).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
