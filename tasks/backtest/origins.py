"""What was known at each origin: the clean table that a night with this as-of would have had.

columns.known_at      rows with known_at before the origin, read and validated as by the night   known_at
no row versions       the clean table of a night at the origin, if the store has it              snapshot
                      otherwise the values of now, cut off at the origin                         current
"""

import io
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError, SpecError, StoreDamaged
from models.data.closed_times import find_closed_times
from models.data.time_steps import period_ends
from tasks.backtest.settings import BacktestPlan
from tasks.engine.failure import StepFailure
from tasks.ingestion import ingest
from tasks.modeling.clean_table import load_clean_table
from tasks.quality.closed_steps import skip_closed_steps
from tasks.results.backtest import Origin, OriginList, SkippedOrigin
from tasks.results.steps import ValidatedTable
from tasks.sources.dataset import DatasetSpec
from tasks.storage.snapshots import Snapshot, snapshot_at, snapshot_before
from tasks.storage.store import Store
from tasks.validation import validate


class CurrentTable:
    """The clean table of now, and its cutoff at any origin."""

    def __init__(self, validated: ValidatedTable, reading: DatasetSpec, store: Store) -> None:
        """Index the observed times of a clean table.

        Args:
            validated: The clean table, and its cutoff.
            reading: How the source is read.
            store: The store that holds the table.
        """
        clean, zone = load_clean_table(validated.clean, store), reading.zone
        end = clean.steps_until(pd.Timestamp(validated.cutoff))
        self.clean, self.reading, self.columns = validated.clean, reading, _columns_of(validated.clean, store)
        self.closed = find_closed_times(clean, reading.freq, zone, reading.cleaning.closed, end)
        self.times = clean.times.to_series(index=range(len(clean.times)))
        self.observed = self.times[clean.is_known()].reset_index(drop=True)
        self._ends = period_ends(self.observed, reading.freq, reading.stamps)

    def cutoff(self, as_of: datetime) -> pd.Timestamp | None:
        """Return the last observation, or the last closed step after it, before an origin; None if none is known."""
        moment = self.reading.align_as_of(as_of)
        count = int(np.searchsorted(self._ends.dt.tz_convert(None), moment.tz_convert(None), side="right"))
        return skip_closed_steps(self.observed[count - 1], moment, self.closed, self.reading) if count else None

    def require_lookback(self, as_of: datetime, lookback: int) -> None:
        """Raise SpecError if the history before the first origin is shorter than a lookback."""
        cutoff = self.cutoff(as_of)
        steps = 0 if cutoff is None else int((self.times <= cutoff).sum())
        if steps >= lookback:
            return
        where = f"before --from {as_of:%Y-%m-%d %H:%M} UTC, pipeline {self.reading.pipeline!r} has {steps:,} steps of"
        if len(self.times) <= lookback:
            advice = f"The whole history has {len(self.times):,} steps: lower windowing.lookback, or give more history."
        else:
            first = period_ends(self.times[[lookback - 1]], self.reading.freq, self.reading.stamps).iloc[0]
            advice = f"Give --from {first:%Y-%m-%dT%H:%M} or later."
        raise SpecError(f"{where} history, and a model reads {lookback:,} (windowing.lookback). {advice}")

    def snapshot(self, as_of: datetime, store: Store) -> Snapshot | None:
        """Return the snapshot of the night at an origin, or of an earlier one with the same cutoff; None without one.

        A night shortly before the origin saw nothing later than a night at it. Its tables must be in the store, with
        the columns that the pipeline has now.
        """
        exact = snapshot_at(self.reading.pipeline, as_of, store)
        night = exact or snapshot_before(self.reading.pipeline, as_of, store)
        if night is None or not (exact or pd.Timestamp(night.cutoff) == self.cutoff(as_of)):
            return None
        try:
            return night if self.columns <= _columns_of(night.clean, store) else None
        except StoreDamaged:  # `nightcast gc` deletes the tables of old nights
            return None


def _columns_of(clean: Artifact, store: Store) -> set[str]:
    return set(pq.read_schema(io.BytesIO(store.get_bytes(clean))).names)


def tables_at(moments: tuple[datetime, ...], validated: ValidatedTable, plan: BacktestPlan, store: Store) -> OriginList:
    """Find the table that was known at each origin.

    Args:
        moments: The as-ofs of the origins, oldest first.
        validated: The clean table of now.
        plan: How the source is read, and how many steps a model reads.
        store: The store.

    Returns:
        The origins, and those that are skipped: a night there would have failed, or nothing is known since the origin
        before.

    Raises:
        SpecError: The first origin lies before the first lookback.
        NightcastError: Every origin is skipped.
    """
    reading = plan.reading
    current = CurrentTable(validated, reading, store)
    current.require_lookback(moments[0], plan.setup.view.lookback)
    origins, skipped = list[Origin](), list[SkippedOrigin]()
    for as_of in moments:
        origin = _known_then(as_of, reading, store) if reading.columns.known_at else _known_now(as_of, current, store)
        if isinstance(origin, StepFailure):
            skipped.append(SkippedOrigin(as_of=as_of, reason=f"step {origin.step} failed: {origin.reason}"))
        elif origins and (origin.clean, origin.cutoff) == (origins[-1].clean, origins[-1].cutoff):
            skipped.append(SkippedOrigin(as_of=as_of, reason="nothing new is known since the origin before"))
        else:
            origins.append(origin)
    if not origins:
        raise NightcastError(
            f"none of the {len(moments):,} origins of pipeline {reading.pipeline!r} can be forecast; the first, "
            f"{moments[0]:%Y-%m-%d %H:%M} UTC: {skipped[0].reason}. Give another range."
        )
    return OriginList(origins=tuple(origins), skipped=tuple(skipped))


def night_table(as_of: datetime, reading: DatasetSpec, store: Store) -> ValidatedTable:
    """Read and validate the source as the night at an origin does.

    Args:
        as_of: The origin.
        reading: How the source is read.
        store: The store that takes the tables.

    Returns:
        The clean table and its cutoff.
    """
    return validate(ingest(reading, as_of, store), reading, as_of, store)


def _known_then(as_of: datetime, reading: DatasetSpec, store: Store) -> Origin | StepFailure:
    validated = validate.attempt(ingest.attempt(reading, as_of, store), reading, as_of, store)
    if isinstance(validated, StepFailure):
        return validated
    return Origin(as_of=as_of, cutoff=validated.cutoff, known="known_at", clean=validated.clean)


def _known_now(as_of: datetime, current: CurrentTable, store: Store) -> Origin:
    snapshot = current.snapshot(as_of, store)
    if snapshot:
        return Origin(as_of=as_of, cutoff=snapshot.cutoff, known="snapshot", clean=snapshot.clean)
    cutoff = current.cutoff(as_of)
    if cutoff is None:  # `require_lookback` refuses an origin without history, and later ones have more
        raise SpecError(f"nothing is known before {as_of:%Y-%m-%d %H:%M} UTC. Give a later --from.")
    return Origin(as_of=as_of, cutoff=cutoff.to_pydatetime(), known="current", clean=current.clean)
