"""DatasetSpec: which columns of a source mean what, and how their values become times, numbers and names."""

from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa

from data_contracts.column_types import ColumnType
from data_contracts.contract import Column, Contract
from data_contracts.spec import Spec
from models.data.features import FeatureSpec
from models.data.time_steps import Stamps, default_stamps, period_begins, period_ends
from tasks.sources import unpivot
from tasks.sources.cleaning import CleaningSpec
from tasks.sources.columns_spec import RESERVED_COLUMNS, ColumnsSpec
from tasks.sources.distinct_times import DistinctTimes
from tasks.sources.spec import SourceSpec
from tasks.sources.times.time_advice import advise
from tasks.sources.times.time_columns import parts_of, with_joint_column
from tasks.sources.times.timestamps import TimestampParser


class DatasetSpec(Spec):
    """How a source is read: the settings on which ingestion and validation must agree."""

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
        """Whether steps are days or longer: the values of `ds` are then dates, kept as midnight UTC."""
        return not isinstance(pd.tseries.frequencies.to_offset(self.freq), pd.offsets.Tick)

    def align_as_of(self, as_of: datetime) -> pd.Timestamp:
        """Return `as_of` as it compares with `ds`: in UTC or, if `ds` holds dates, the wall time of the zone."""
        instant = pd.Timestamp(as_of).tz_convert("UTC")
        return instant.tz_convert(self.zone).tz_localize(None).tz_localize("UTC") if self.calendar_steps else instant

    @property
    def stamps(self) -> Stamps:
        """Whether a stamp is the begin or the end of its period."""
        return self.source.stamps or default_stamps(self.freq)

    def has_ended(self, times: pd.Series, moment: pd.Timestamp) -> pd.Series:
        """Return whether the period of each stamp is over: only then a row is an observation.

        Args:
            times: Stamps in UTC.
            moment: The as-of on the clock of `ds`, as `align_as_of` returns it.

        Returns:
            True for a period that ends at or before `moment`, and for NaT, which validation reports.
        """
        return ~(period_ends(times, self.freq, self.stamps) > moment)

    def is_running(self, times: pd.Series, moment: pd.Timestamp) -> pd.Series:
        """Return whether the period of each stamp has begun before `moment` and is not over."""
        return ~self.has_ended(times, moment) & (period_begins(times, self.freq, self.stamps) < moment)

    def ended_times(self, times: DistinctTimes, moment: pd.Timestamp) -> np.ndarray:
        """Return `has_ended` for each distinct time."""
        counts = times.counts if self.calendar_steps else None
        return ~np.asarray(period_ends(times.series, self.freq, self.stamps, counts) > moment)

    def running_times(self, times: DistinctTimes, moment: pd.Timestamp) -> np.ndarray:
        """Return `is_running` for each distinct time."""
        counts = times.counts if self.calendar_steps else None
        begun = np.asarray(period_begins(times.series, self.freq, self.stamps, counts) < moment)
        return begun & ~self.ended_times(times, moment)

    def parse_times(self, values: pd.Series, column: Column | None = None, ids: pd.Series | None = None) -> pd.Series:
        """Parse times of a column.

        Args:
            values: Values of the source.
            column: What the contract promises of the column; by default of `ds`.
            ids: The series of each value, to resolve wall times that occur twice, in the order of the source.

        Returns:
            Timestamps in UTC with microsecond precision; NaT for a value that is not a time, or an ambiguous one.
        """
        ids = ids if self.source.kind != "sql" else None  # the order of the rows of a database means nothing
        return self.timestamp_parser(column).parse(values, ids)

    def timestamp_parser(self, column: Column | None = None) -> TimestampParser:
        """Return the parser of a column of times, by default of `ds`, whose format in the source takes precedence."""
        is_ds = column is None or column.name == self.columns.ds
        column = column or self.contract_column(self.columns.ds) or Column(name=self.columns.ds)
        zone = self.source.timezone or column.zone
        format_ = (self.source.format if is_ds else None) or column.format
        return TimestampParser(zone, self.source.epoch, format_, self.calendar_steps)

    def advise_time(self, values: pd.Series) -> str:
        """Return what to do about values of `ds` that are mostly not times, as the end of a sentence."""
        parser = self.timestamp_parser()
        return "" if parser.is_epoch(values) else advise(values, parser.format)

    @property
    def naive_time_zone(self) -> str:
        """The time zone of naive times in `ds`."""
        return self.timestamp_parser().zone or "UTC"

    def find_clock_changes(self, values: pd.Series) -> pd.Series:
        """Return which of `values`, of which none could be parsed, are wall times in the hour of a clock change."""
        return self.timestamp_parser()._replace(calendar_steps=True).parse(values).notna()

    @property
    def numeric_covariates(self) -> tuple[str, ...]:
        """Covariates that must be numbers."""
        return (*self.features.known_columns, *self.features.observed)

    @property
    def additional_columns(self) -> tuple[str, ...]:
        """Source columns other than series, time and target: covariates, columns of the contract, parts of a key."""
        composite = self.columns.composite_ids
        parts = (*composite, *(name for name in self.columns.time_parts if name not in RESERVED_COLUMNS))
        listed = dict.fromkeys((*self.numeric_covariates, *self.features.static, *self.contract_columns, *parts))
        mapped = {*self.key_columns, *self.select_targets(list(listed))} - {*composite}
        return tuple(name for name in listed if name not in mapped)

    @property
    def optional_columns(self) -> tuple[str, ...]:
        """Source columns that some files may lack: all but the keys and the targets."""
        return tuple(name for name in self.additional_columns if name not in self.columns.key_parts)

    @property
    def contract_columns(self) -> tuple[str, ...]:
        """The columns of the contract."""
        return tuple(column.name for column in self.contract.columns) if self.contract else ()

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that hold the series and time of a row, and when it became known."""
        return tuple(
            name for name in (*self.columns.id_columns, self.columns.ds, self.columns.known_at) if name is not None
        )

    def select_targets(self, names: list[str]) -> list[str]:
        """Return the targets among the columns of the source, without columns that have another role."""
        if isinstance(self.columns.y, str):
            return [self.columns.y]
        return unpivot.match_columns(
            self.columns.y,
            names,
            (*self.key_columns, *self.columns.time_parts, *self.numeric_covariates, *self.features.static),
        )

    def select_columns(self, names: list[str]) -> list[str]:
        """Return every column of the source that is used, including those that the source lacks."""
        keys = [name for name in self.key_columns if name != self.columns.ds or name in names or not parts_of(name)]
        keys += self.columns.time_parts
        return list(dict.fromkeys((*keys, *self.select_targets(names), *self.additional_columns)))

    def with_joint_time(self, table: pa.Table) -> pa.Table:
        """Return the table of the source with the time that several columns hold together as a column of text."""
        return with_joint_column(table, self.columns.ds)

    def parse_known_at(self, values: pd.Series) -> pd.Series:
        """Parse the times at which rows became known: UTC with microsecond precision, NaT if it cannot be parsed."""
        return TimestampParser(self.source.timezone, self.source.epoch).parse(values)

    def contract_column(self, name: str) -> Column | None:
        """Return what the contract promises of a source column."""
        columns = self.contract.columns if self.contract else ()
        return next((column for column in columns if column.name == name), None)

    def column_type(self, name: str) -> ColumnType:
        """Return the type that the contract gives a source column; 'any' if it gives none."""
        column = self.contract_column(name)
        return column.kind if column else "any"

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Columns that are kept as names: static columns, and the columns that together name a series."""
        return tuple(dict.fromkeys((*self.features.static, *self.columns.composite_ids)))

    def describe_role(self, name: str) -> str:
        """Return the role of a column, other than series, time and target, as text for a message."""
        if name in self.columns.composite_ids:
            return "series (unique_id)"
        if name in {*self.numeric_covariates, *self.features.static}:
            return "covariate"
        if name in self.columns.time_parts:
            return "time (ds)"
        return f"column that contract {self.contract.label if self.contract else ''} promises"

    @property
    def row_faults(self) -> str:
        """What happens to a row that is not an observation: error, series or warning."""
        return self.contract.row_faults if self.contract else "error"

    @property
    def column_types(self) -> dict[str, ColumnType]:
        """The type of each column that the contract's rules may name, by the source's column names."""
        columns = self.columns
        covariates: dict[str, ColumnType] = dict.fromkeys(self.features.static, "string")
        covariates |= dict.fromkeys(self.numeric_covariates, "number")
        canonical: dict[str, ColumnType] = {columns.series_column: "string", columns.ds: "time"}
        canonical |= dict.fromkeys(self.select_targets(list(self.contract_columns)), "number")
        canonical |= {columns.known_at: "time"} if columns.known_at else {}
        promised = {name: self.column_type(name) for name in self.additional_columns}
        untyped = {name: kind for name, kind in covariates.items() if promised[name] == "any"}
        return {**promised, **untyped, **canonical}
