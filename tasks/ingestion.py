"""Step 1 · source → raw: the table as it was known at the as-of, kept for ever.

       history: every column            as-of   the horizon: known covariates only
───────────────────────────────────────── │ ───────────────────── ┤   everything later: not read
"""

import difflib
import hashlib
import re
from datetime import datetime
from typing import Literal

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.dataset as pds

from data_contracts.artifact import Artifact
from data_contracts.contract import Contract
from data_contracts.errors import SourceUnreadable
from data_contracts.spec import Spec
from models.features import FeatureSpec
from tasks._step import step_that_depends_on
from tasks._store import Store

OURS = ("row", "unique_id", "ds", "y")


class SourceSpec(Spec):
    """Where the table comes from; `path` may be any fsspec URL, a folder or a glob."""

    kind: Literal["csv", "parquet"]
    path: str
    timezone: str | None = None
    """The zone of times that carry none; UTC where it is not given."""

    @property
    def shown(self) -> str:
        """The path as it may stand in a message or a record: without a password."""
        return re.sub(r"://[^/@]*@", "://…@", self.path)


class ColumnsSpec(Spec):
    """Which columns of the source are the series, the time and the target. Without `unique_id` all is one series."""

    unique_id: str | None = None
    ds: str
    y: str


class Reading(Spec):
    """How a source is read: all that ingestion and validation must agree on."""

    pipeline: str
    source: SourceSpec
    columns: ColumnsSpec
    features: FeatureSpec
    freq: str
    zone: str
    horizon: int
    contract: Contract | None = None

    @property
    def calendar_steps(self) -> bool:
        """Whether steps are days or longer: their stamps are dates, kept as midnight UTC."""
        return not isinstance(pd.tseries.frequencies.to_offset(self.freq), pd.offsets.Tick)

    def moment(self, as_of: datetime) -> pd.Timestamp:
        """`as_of` on the clock of `ds`: the instant itself or, where stamps are dates, the wall time of the zone."""
        instant = pd.Timestamp(as_of).tz_convert("UTC")
        return instant.tz_convert(self.zone).tz_localize(None).tz_localize("UTC") if self.calendar_steps else instant

    def times(self, values: pd.Series) -> pd.Series:
        """`ds` in UTC with microseconds; what is no time, or no single time on a DST night, becomes NaT."""
        text = pd.api.types.is_string_dtype(values)
        times = pd.to_datetime(values, errors="coerce", format="mixed" if text else None, utc=text and _mixed(values))
        if times.dt.tz is None:
            zone = "UTC" if self.calendar_steps else self.source.timezone or "UTC"
            times = times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
        elif self.calendar_steps and self.source.timezone:
            times = times.dt.tz_convert(self.source.timezone).dt.tz_localize(None).dt.tz_localize("UTC")
        return times.dt.tz_convert("UTC").astype("datetime64[us, UTC]")

    @property
    def numbers(self) -> tuple[str, ...]:
        """Covariates that must be numbers."""
        return (*self.features.known_columns, *self.features.observed)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Source columns besides series, time and target: covariates, then what only the contract speaks of."""
        promised = tuple(column.name for column in self.contract.columns) if self.contract else ()
        mapped = (self.columns.unique_id, self.columns.ds, self.columns.y)
        listed = dict.fromkeys((*self.numbers, *self.features.static, *promised))
        return tuple(name for name in listed if name not in mapped)


def _mixed(values: pd.Series) -> bool:
    """Whether the text carries offsets; they may differ from row to row, as on the two sides of a DST night."""
    return bool(values.str.contains(r"(?:Z|[+-]\d\d:?\d\d)\s*$", na=False).any())


def as_known(table: pa.Table, reading: Reading, as_of: datetime) -> pa.Table:
    """Only what was known at `as_of`: later rows keep their known covariates, as far as the horizon, and lose the rest.

    Rows whose time can't be read stay as they are: validation names them, and no model ever sees them.
    """
    times = reading.times(table["ds"].to_pandas())
    moment = reading.moment(as_of)
    horizon_end = pd.date_range(moment, periods=reading.horizon + 1, freq=reading.freq)[-1]
    later = times >= moment
    kept = ~later
    if reading.features.known_columns:
        kept |= times <= horizon_end
    told = {"row", "unique_id", "ds", *reading.features.known_columns, *reading.features.static}
    hidden = pa.array(later.to_numpy())
    for place, field in enumerate(table.schema):
        if field.name not in told:
            blank = pc.if_else(hidden, pa.scalar(None, field.type), table[field.name])
            table = table.set_column(place, field.name, blank)
    return table.filter(pa.array(kept.to_numpy()))


def in_our_words(table: pa.Table, reading: Reading) -> pa.Table:
    """Pick and rename the columns. Raises SourceUnreadable where one is missing, with the nearest name there is."""
    columns, where = reading.columns, reading.source.shown
    mapped = [("series (unique_id)", columns.unique_id), ("time (ds)", columns.ds), ("target (y)", columns.y)]
    needed = [(role, name) for role, name in mapped if name] + [("covariate", name) for name in reading.wanted]
    findings = [_missing(role, name, table) for role, name in needed if name not in table.column_names]
    findings += [
        f"column {name!r} has the name of a column of ours; rename it in the source"
        for name in reading.wanted
        if name in OURS
    ]
    if not findings and not table.num_rows:
        findings = ["the table has no rows"]
    if findings:
        raise SourceUnreadable(f"the source {where}", findings)
    series = table[columns.unique_id] if columns.unique_id else pa.array([columns.y] * table.num_rows)
    ours = {"row": pa.array(range(table.num_rows), pa.int64()), "unique_id": series}
    ours |= {"ds": table[columns.ds], "y": table[columns.y]}
    return pa.table(ours | {name: table[name] for name in reading.wanted})


def _missing(role: str, name: str, table: pa.Table) -> str:
    near = difflib.get_close_matches(name, table.column_names, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; the source has {', '.join(table.column_names[:20])}"
    return f"column {name!r}, the {role}, is missing{hint}"


def read_source(source: SourceSpec) -> pa.Table:
    """The whole table. CSV comes as text, so that `007` stays `007`; Raises SourceUnreadable with the reason."""
    try:
        filesystem, path = fsspec.core.url_to_fs(source.path)
        if source.kind == "parquet":
            files = sorted(filesystem.glob(path)) if re.search(r"[*?\[]", path) else path
            return pds.dataset(files, filesystem=filesystem, format="parquet", partitioning="hive").to_table()
        return _read_csv(filesystem, path)
    except FileNotFoundError as missing:
        raise SourceUnreadable(f"the source {source.shown}", ["there is no such file"]) from missing
    except (pa.ArrowException, OSError, UnicodeDecodeError) as unreadable:
        reason = f"it can't be read as {source.kind}: {str(unreadable).splitlines()[0]}"
        raise SourceUnreadable(f"the source {source.shown}", [reason]) from unreadable


def _read_csv(filesystem: fsspec.AbstractFileSystem, path: str) -> pa.Table:
    with filesystem.open(path, "rb", compression="infer") as file:
        data: bytes = file.read()
    header = pd.read_csv(pa.BufferReader(data), nrows=0).columns if data.strip() else []
    if not len(header):
        raise SourceUnreadable(f"the source {path}", ["the file is empty: not even a header"])
    text = pcsv.ConvertOptions(
        column_types={str(name): pa.string() for name in header},
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
    parsing = pcsv.ParseOptions(newlines_in_values=True)
    return pcsv.read_csv(pa.BufferReader(data), parse_options=parsing, convert_options=text)


def fingerprint(source: SourceSpec) -> str:
    """Digest of the source's files, so that a changed source is read again and an unchanged one is not."""
    filesystem, path = fsspec.core.url_to_fs(source.path)
    files = sorted(filesystem.glob(path)) if re.search(r"[*?\[]", path) else sorted(filesystem.find(path))
    digest = hashlib.sha256()
    for name in files:
        digest.update(f"{name}\n".encode())
        with filesystem.open(name, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


@step_that_depends_on(lambda reading, as_of, store: (reading, as_of, fingerprint(reading.source)))
def ingest(reading: Reading, as_of: datetime, store: Store) -> Artifact:
    """The source as it was known at `as_of`. Raises SourceUnreadable where it is no table, or lacks a column."""
    table = in_our_words(read_source(reading.source), reading)
    raw = as_known(table, reading, as_of)
    if not raw.num_rows:
        raise SourceUnreadable(
            f"the source {reading.source.shown}", [f"nothing in it was known at {as_of:%Y-%m-%d %H:%M %Z}"]
        )
    return store.put(raw, "raw")
