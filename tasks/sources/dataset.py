"""How a source is read: which columns are what, and how their values become times, numbers and names."""

from datetime import datetime

import pandas as pd
from pydantic import field_validator

from data_contracts.column_types import ColumnType
from data_contracts.contract import Column, Contract
from data_contracts.spec import Spec
from models.data.features import FeatureSpec
from tasks.sources import unpivot
from tasks.sources.cleaning import CleaningSpec
from tasks.sources.spec import SourceSpec
from tasks.sources.timestamps import OFFSET, TAIL, localize, parse_datetimes, parse_epoch, parsed, to_instants

RESERVED_COLUMNS = ("row", "unique_id", "ds", "y", "known_at", "source_row", "target")


class ColumnsSpec(Spec):
    """Which columns of the source are the series, the time and the target. Without `unique_id` all is one series.

    `y` may be a list of names or globs: then each target becomes series of its own. `known_at` is the instant at which
    a row became known: of several versions of one series and time the newest one known at the as-of counts.
    """

    unique_id: str | None = None
    ds: str
    y: str | tuple[str, ...]
    known_at: str | None = None

    @field_validator("y")
    @classmethod
    def _some(cls, y: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not y or (isinstance(y, tuple) and (not all(y) or len(set(y)) < len(y))):
            raise ValueError("name at least one target, and each of them once")
        return y

    @property
    def target(self) -> str:
        """The target, or all of them, in a message."""
        return self.y if isinstance(self.y, str) else ", ".join(self.y)


class DatasetSpec(Spec):
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

    def times(self, values: pd.Series, column: Column | None = None, ids: pd.Series | None = None) -> pd.Series:
        """Times in UTC with microseconds; what is no time, or no single time on a DST night, becomes NaT.

        `column` is what the contract promises of them, by default of `ds`. A wall time of the autumn night that stands
        twice in a series (`ids`) is first the summer's hour and then the winter's, in the order of the source.
        """
        column = column or self.contract_column(self.columns.ds) or Column(name=self.columns.ds)
        zone = self.source.timezone or column.zone
        ids = ids if self.source.kind != "sql" else None  # a database gives its rows in any order
        if self.counts(values):
            return self._in_utc(parse_epoch(values, str(self.source.epoch)), zone, ids)
        if not pd.api.types.is_string_dtype(values):
            return self._in_utc(parse_datetimes(values), zone, ids)
        if column.format:
            utc = "%z" in column.format
            read = pd.to_datetime(values.str.strip(), errors="coerce", format=column.format, utc=utc)
            return self._in_utc(read, zone, ids)
        zoned = values.str.contains(OFFSET, na=False)  # offsets may differ, as on the two sides of a DST night
        naive, told = parsed(values.where(~zoned), utc=False), values.where(zoned)
        if self.calendar_steps and not zone:  # a date is the one that is written, whatever its offset
            instants = parsed(told.str.replace(TAIL, "", regex=True), utc=False)
        else:
            instants = parsed(told, utc=True)
        return self._in_utc(naive, zone, ids).where(~zoned, self._in_utc(instants, zone, ids))

    def counts(self, values: pd.Series) -> bool:
        """Whether `values` are counts since 1970 where they are times; in one column they don't mix with stamps."""
        return self.source.epoch is not None and not pd.api.types.is_datetime64_any_dtype(values)

    def _in_utc(self, times: pd.Series, zone: str | None, ids: pd.Series | None) -> pd.Series:
        if self.calendar_steps:
            if times.dt.tz is not None:
                times = (times.dt.tz_convert(zone) if zone else times).dt.tz_localize(None)
            times = times.dt.tz_localize("UTC")
        elif times.dt.tz is None:
            times = localize(times, zone or "UTC", ids)
        return times.dt.tz_convert("UTC").astype("datetime64[us, UTC]")

    @property
    def clock(self) -> str:
        """The zone of times that carry none."""
        column = self.contract_column(self.columns.ds)
        return self.source.timezone or (column.zone if column else None) or "UTC"

    def on_a_changing_clock(self, values: pd.Series) -> pd.Series:
        """Which of `values`, where none is one moment, are times of a clock that is set back or forward just then."""
        return self.model_copy(update={"freq": "D"}).times(values).notna()

    @property
    def numbers(self) -> tuple[str, ...]:
        """Covariates that must be numbers."""
        return (*self.features.known_columns, *self.features.observed)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Source columns besides series, time and target: covariates, then what only the contract speaks of."""
        listed = dict.fromkeys((*self.numbers, *self.features.static, *self.contract_columns))
        mapped = {*self.identity, *self.targets(list(listed))}
        return tuple(name for name in listed if name not in mapped)

    @property
    def contract_columns(self) -> tuple[str, ...]:
        """The columns that the contract speaks of."""
        return tuple(column.name for column in self.contract.columns) if self.contract else ()

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that say of which series and time a row is, and since when it is known."""
        return tuple(name for name in (self.columns.unique_id, self.columns.ds, self.columns.known_at) if name)

    def targets(self, names: list[str]) -> list[str]:
        """The targets among the columns of the source; never one that has another part."""
        if isinstance(self.columns.y, str):
            return [self.columns.y]
        return unpivot.match_columns(self.columns.y, names, (*self.identity, *self.numbers, *self.features.static))

    def chosen(self, names: list[str]) -> list[str]:
        """Every column of the source that is used; also those that it lacks."""
        return list(dict.fromkeys((*self.identity, *self.targets(names), *self.wanted)))

    def known(self, values: pd.Series) -> pd.Series:
        """The instants at which rows became known."""
        if self.counts(values):
            return parse_epoch(values, str(self.source.epoch))
        return to_instants(values, self.source.timezone)

    def contract_column(self, name: str) -> Column | None:
        """What the contract promises of a source column."""
        columns = self.contract.columns if self.contract else ()
        return next((column for column in columns if column.name == name), None)

    def kind(self, name: str) -> ColumnType:
        """What the contract says the values of a source column are; 'any' where it says nothing."""
        column = self.contract_column(name)
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
    def kinds(self) -> dict[str, ColumnType]:
        """The kind of values in each column that the contract's rules meet, under the source's names."""
        columns = self.columns
        read: dict[str, ColumnType] = dict.fromkeys(self.features.static, "string")
        read |= dict.fromkeys(self.numbers, "number")
        ours: dict[str, ColumnType] = {columns.unique_id or "unique_id": "string", columns.ds: "time"}
        ours |= dict.fromkeys(self.targets(list(self.contract_columns)), "number")
        ours |= {columns.known_at: "time"} if columns.known_at else {}
        told = {name: self.kind(name) for name in self.wanted}
        return {**told, **{name: kind for name, kind in read.items() if told[name] == "any"}, **ours}
