"""Step 1 · source → raw: the table as it was known at the as-of, kept for ever.

       history: every column            as-of   the horizon: known covariates only
───────────────────────────────────────── │ ───────────────────── ┤   everything later: not read
"""

import difflib
import warnings
from datetime import date, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.tseries.api import guess_datetime_format

from data_contracts.artifact import Artifact
from data_contracts.contract import Column, Contract, Kind
from data_contracts.errors import SourceUnreadable
from data_contracts.spec import Spec
from models.features import FeatureSpec
from tasks._cleaning import CleaningSpec
from tasks._proof import prove
from tasks._source import SourceSpec, fingerprint, known_zone, read_source
from tasks._step import step_that_depends_on
from tasks._store import Store

__all__ = ["ColumnsSpec", "Reading", "SourceSpec", "as_known", "in_our_words", "ingest", "known_zone", "read_source"]

OURS = ("row", "unique_id", "ds", "y")
OFFSET = r"(?:[Zz]|[Tt ]\d[^-+]*[+-]\d\d(?::?\d\d)?)\s*$"  # at the end of a time: Z, +02, -05:00


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
    cleaning: CleaningSpec = CleaningSpec()

    @property
    def calendar_steps(self) -> bool:
        """Whether steps are days or longer: their stamps are dates, kept as midnight UTC."""
        return not isinstance(pd.tseries.frequencies.to_offset(self.freq), pd.offsets.Tick)

    def moment(self, as_of: datetime) -> pd.Timestamp:
        """`as_of` on the clock of `ds`: the instant itself or, where stamps are dates, the wall time of the zone."""
        instant = pd.Timestamp(as_of).tz_convert("UTC")
        return instant.tz_convert(self.zone).tz_localize(None).tz_localize("UTC") if self.calendar_steps else instant

    def times(self, values: pd.Series, column: Column | None = None) -> pd.Series:
        """Times in UTC with microseconds; what is no time, or no single time on a DST night, becomes NaT.

        `column` is what the contract promises of them, by default of `ds`.
        """
        column = column or self.promised(self.columns.ds) or Column(name=self.columns.ds)
        zone = self.source.timezone or column.zone
        if not pd.api.types.is_string_dtype(values):
            return self._in_utc(_stamps(values), zone)
        if column.format:
            utc = "%z" in column.format
            read = pd.to_datetime(values.str.strip(), errors="coerce", format=column.format, utc=utc)
            return self._in_utc(read, zone)
        zoned = values.str.contains(OFFSET, na=False)  # offsets may differ, as on the two sides of a DST night
        naive, instants = _parsed(values.where(~zoned), utc=False), _parsed(values.where(zoned), utc=True)
        return self._in_utc(naive, zone).where(~zoned, self._in_utc(instants, zone))

    def _in_utc(self, times: pd.Series, zone: str | None) -> pd.Series:
        if times.dt.tz is None:
            local = "UTC" if self.calendar_steps else zone or "UTC"
            times = times.dt.tz_localize(local, ambiguous="NaT", nonexistent="NaT")
        elif self.calendar_steps and zone:
            times = times.dt.tz_convert(zone).dt.tz_localize(None).dt.tz_localize("UTC")
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

    @property
    def columns_read(self) -> tuple[str, ...]:
        """Every column of the source that is used."""
        mapped = (self.columns.unique_id, self.columns.ds, self.columns.y)
        return tuple(dict.fromkeys(name for name in (*mapped, *self.wanted) if name))

    def promised(self, name: str) -> Column | None:
        """What the contract promises of a source column."""
        columns = self.contract.columns if self.contract else ()
        return next((column for column in columns if column.name == name), None)

    def kind(self, name: str) -> Kind:
        """What the contract says the values of a source column are; 'any' where it says nothing."""
        column = self.promised(name)
        return column.kind if column else "any"

    def role(self, name: str) -> str:
        """What a column of `wanted` is for, in a message."""
        covariate = name in {*self.numbers, *self.features.static}
        return (
            "covariate"
            if covariate
            else f"column that contract {self.contract.label if self.contract else ''} promises"
        )

    @property
    def row_faults(self) -> str:
        """What a row that is no observation does: error, series or warning."""
        return self.contract.row_faults if self.contract else "error"

    @property
    def kinds(self) -> dict[str, Kind]:
        """The kind of values in each column that the contract's rules meet, under the source's names."""
        columns = self.columns
        read: dict[str, Kind] = dict.fromkeys(self.features.static, "string")
        read |= dict.fromkeys(self.numbers, "number")
        ours: dict[str, Kind] = {columns.unique_id or "unique_id": "string", columns.ds: "time", columns.y: "number"}
        told = {name: self.kind(name) for name in self.wanted}
        return {**told, **{name: kind for name, kind in read.items() if told[name] == "any"}, **ours}


def _parsed(text: pd.Series, utc: bool) -> pd.Series:
    """ISO times and, for the others, the one way of writing that reads most of them: 13/2 and 2/13 don't mix."""
    times = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=utc)
    others = text[times.isna() & text.notna()]
    if others.empty:
        return times
    with warnings.catch_warnings(action="ignore"):  # pandas warns that 13/2 must be day first, which is what we ask
        first = str(others.iloc[0]).strip()
        styles = dict.fromkeys(guess_datetime_format(first, dayfirst=day_first) for day_first in (False, True))
    read = [pd.to_datetime(others.str.strip(), errors="coerce", format=s, utc=utc) for s in styles if s]
    return times.fillna(max(read, key=lambda one: one.notna().sum())) if read else times


def _stamps(values: pd.Series) -> pd.Series:
    """Times and dates as they are; a number is no time, for nobody says in which unit, or since when."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return values
    dates = [value if isinstance(value, date) else None for value in values]
    return pd.to_datetime(pd.Series(dates, index=values.index, dtype=object), errors="coerce")


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
    told = {"row", "unique_id", "ds", *reading.features.known_columns}
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
    needed = [(role, name) for role, name in mapped if name] + [(reading.role(name), name) for name in reading.wanted]
    findings = [_missing(role, name, table) for role, name in needed if name not in table.column_names]
    findings += [
        f"column {name!r}, the {role}, stands {table.column_names.count(name)} times"
        for role, name in needed
        if table.column_names.count(name) > 1
    ]
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
    ours |= {"ds": table[columns.ds], "y": table[columns.y]} | {name: table[name] for name in reading.wanted}
    return pa.table({name: _decoded(values) for name, values in ours.items()})


def _decoded(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values


def _missing(role: str, name: str, table: pa.Table) -> str:
    near = difflib.get_close_matches(name, table.column_names, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; the source has {', '.join(table.column_names[:20])}"
    return f"column {name!r}, the {role}, is missing{hint}"


@step_that_depends_on(lambda reading, as_of, store: (reading, as_of, fingerprint(reading.source)))
def ingest(reading: Reading, as_of: datetime, store: Store) -> Artifact:
    """The source as it was known at `as_of`. Raises SourceUnreadable where it is no table, or lacks a column.

    Raises SpecError, before anything is read, where a rule of the contract can't be run.
    """
    if reading.contract:
        prove(reading.contract, reading.kinds)
    table = in_our_words(read_source(reading.source, reading.columns_read), reading)
    raw = as_known(table, reading, as_of)
    if not raw.num_rows:
        raise SourceUnreadable(
            f"the source {reading.source.shown}", [f"nothing in it was known at {as_of:%Y-%m-%d %H:%M %Z}"]
        )
    return store.put(raw, "raw")
