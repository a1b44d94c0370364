"""The reader of one pipeline: forecasts, actuals, accuracy, and the history behind a forecast, as Arrow tables."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from data_contracts.errors import StoreDamaged
from data_contracts.spec import Spec
from tasks.history.changes import list_changes
from tasks.history.columns import AS_OF, concat_vintages
from tasks.history.lead_times import score_lead_times
from tasks.history.published import NotPublished, column_names, nearest, read_rows, read_vintage, require_published
from tasks.history.selection import ALL_ROWS, Selection
from tasks.history.versions import ACCURACY_KEY, ACTUALS_KEY, newest_versions
from tasks.storage.layout import latest_history_uri, latest_uri, parse_vintage, snapshots_dir
from tasks.storage.snapshots import Snapshot
from tasks.storage.store import Store
from tasks.storage.vintages import MAX_AHEAD

MAX_NAMES = 12
FORECAST_KEY = ("unique_id", "ds", "cutoff")


class PublishedReader(Spec):
    """Reads what the nights of one pipeline have published.

    `as_of` limits everything to what was published for nights at or before it; None: everything.
    """

    pipeline: str
    store: Store
    as_of: datetime | None = None

    def forecasts(self, selection: Selection = ALL_ROWS) -> pa.Table:
        """Return the newest vintage, or with `as_of` the newest at or before it.

        Args:
            selection: The rows to read.

        Returns:
            One row per (unique_id, ds).

        Raises:
            NotPublished: No such vintage was published, or a series has no forecast in it.
        """
        vintages = self._vintages("forecasts")
        latest = self._latest() if self.as_of is None else None
        newest = latest or vintages[max(vintages)]
        return self._require_series(read_vintage(newest, self.store, selection), newest, selection)

    def all_forecasts(self, selection: Selection = ALL_ROWS) -> pa.Table:
        """Return every vintage, oldest first; quantile levels that a vintage does not have are null.

        Args:
            selection: The rows to read. A range of ds gives every forecast that was ever made for these times.

        Returns:
            One row per (unique_id, ds, as_of).

        Raises:
            NotPublished: No vintage was published, or a series has no forecast in any.
        """
        return self._all("forecasts", selection)

    def actuals(self, selection: Selection = ALL_ROWS) -> pa.Table:
        """Return the realised values of forecast times.

        Args:
            selection: The rows to read.

        Returns:
            One row per (unique_id, ds): the newest version of the value, with the as-of that published it.
        """
        return newest_versions(self._all("actuals", selection), ACTUALS_KEY)

    def accuracy(self, selection: Selection = ALL_ROWS) -> pa.Table:
        """Return the errors of past forecasts.

        Args:
            selection: The series to read; accuracy has no ds.

        Returns:
            One row per (forecast_vintage, unique_id, model_name): the newest version of the scores.
        """
        return newest_versions(self._all("accuracy", selection), ACCURACY_KEY)

    def anomalies(self, selection: Selection = ALL_ROWS) -> pa.Table:
        """Return the actuals compared with the newest forecast before each, and which of them are anomalies.

        Args:
            selection: The rows to read.

        Returns:
            One row per (unique_id, ds): the newest version, with the as-of of the night that compared it.
        """
        return newest_versions(self._all("anomalies", selection), ACTUALS_KEY)

    def comparison(self, selection: Selection = ALL_ROWS) -> pa.Table:
        """Return every forecast joined with its actual. Times without an actual are left out.

        Args:
            selection: The rows to read.

        Returns:
            One row per (unique_id, ds, cutoff), with the columns of the forecasts, then `y` and `actual_as_of`, the
            as-of that published `y`.
        """
        actuals = self.actuals(selection).select(["unique_id", "ds", "y", AS_OF])
        forecasts = newest_versions(self.all_forecasts(selection), FORECAST_KEY)
        columns = [*forecasts.column_names, "y", "actual_as_of"]
        forecasts = forecasts.append_column("row", pa.array(np.arange(len(forecasts))))
        joined = forecasts.join(actuals.rename_columns(["unique_id", "ds", "y", "actual_as_of"]), ["unique_id", "ds"],
                                join_type="inner")  # fmt: skip
        return joined.sort_by("row").select(columns).combine_chunks()

    def lead_times(self, selection: Selection = ALL_ROWS) -> pa.Table:
        """Return the scores of every forecast with an actual by step: each (unique_id, ds, cutoff) counts once.

        Args:
            selection: The rows that are scored.

        Returns:
            One row per step: rows, mae, rmse, bias, wape and the coverage of each central interval.
        """
        return score_lead_times(self.comparison(selection))

    def history(self, selection: Selection = ALL_ROWS) -> pa.Table:
        """Return the clean table that the newest forecast, or the newest at or before `as_of`, was made from.

        Args:
            selection: The rows to read.

        Returns:
            One row per (unique_id, ds): y and the covariates, gaps as null; the known covariates of the horizon stand
            at the end, with an empty y.

        Raises:
            NotPublished: No such vintage was published, or its table was collected by `nightcast gc`.
        """
        vintages = self._vintages("forecasts")
        uri = latest_history_uri(self.pipeline)
        if self.as_of is None and self.store.list_files(uri):
            return self._require_series(read_rows(uri, self.store, selection), uri, selection)
        as_of = max(vintages)
        snapshot = self._snapshot(as_of)
        if snapshot is None or not self.store.contains(snapshot.clean):
            raise NotPublished(
                f"the history behind the forecast of {self.pipeline!r} as of {as_of:%Y-%m-%dT%H:%M:%SZ} was deleted "
                f"from the store {self.store.display_root!r}: nightcast gc deletes the tables of old nights. Read a "
                f"later vintage, or run nightcast nightly {self.pipeline} --as-of {as_of:%Y-%m-%dT%H:%M:%SZ} again."
            )
        return self._require_series(read_rows(snapshot.clean.uri, self.store, selection), uri, selection)

    def changes(self, _selection: Selection = ALL_ROWS) -> pa.Table:
        """Return what differs from one vintage to the next: quantile levels, columns, series.

        Returns:
            A row per change: as_of, change, names.
        """
        self._vintages("forecasts")
        return list_changes(self.pipeline, self.store, self.as_of)

    def _vintages(self, table: str) -> dict[datetime, str]:
        """Return the paths of a table by as-of. Nights of the future, which a wrong clock left, do not count."""
        until = self.as_of or datetime.now(UTC) + MAX_AHEAD
        vintages = require_published(table, self.pipeline, self.store)
        visible = {moment: uri for moment, uri in vintages.items() if moment <= until}
        if not visible:
            first = min(vintages)
            raise NotPublished(
                f"pipeline {self.pipeline!r} has published no {table} at or before {until:%Y-%m-%dT%H:%M:%SZ}; its "
                f"first vintage is {first:%Y-%m-%dT%H:%M:%SZ}. Give --as-of {first:%Y-%m-%dT%H:%M:%SZ} or later."
            )
        return visible

    def _latest(self) -> str | None:
        """Return the path under latest/; None if it is missing or of an earlier release, which has no as-of in it."""
        uri = latest_uri(self.pipeline)
        try:
            return uri if AS_OF in column_names(uri, self.store) else None
        except StoreDamaged:
            return None

    def _all(self, table: str, selection: Selection) -> pa.Table:
        uris = list(self._vintages(table).values())
        together = concat_vintages([read_vintage(uri, self.store, selection) for uri in uris])
        return self._require_series(together, uris[-1], selection)

    def _require_series(self, table: pa.Table, uri: str, selection: Selection) -> pa.Table:
        """Return the table. Raises NotPublished if a series of the selection has no row in any time."""
        if not selection.series:
            return table
        missing = set(selection.series) - set(table["unique_id"].unique().to_pylist())
        if missing and selection.has_range:
            missing -= set(read_rows(uri, self.store, Selection(selection.series))["unique_id"].to_pylist())
        if not missing:
            return table
        known = sorted(set(read_rows(uri, self.store)["unique_id"].to_pylist()))
        name = min(missing)
        listed = ", ".join(known[:MAX_NAMES]) + (" …" if len(known) > MAX_NAMES else "")
        raise NotPublished(
            f"series {name!r} has no row in {uri} of the store {self.store.display_root!r}{nearest(name, known)}. "
            f"It has {len(known):,} series: {listed}.{_several(name, known)}"
        )

    def _snapshot(self, as_of: datetime) -> Snapshot | None:
        """Return the record of what the night of a vintage read; None if it is missing or torn."""
        for uri in self.store.list_files(snapshots_dir(self.pipeline)):
            if parse_vintage(uri) == as_of:
                try:
                    return Snapshot.model_validate(self.store.read_json(uri))
                except ValidationError:
                    return None
        return None


def _several(name: str, known: list[str]) -> str:
    """Return what to do if `name` is only the first of the ids of several series; empty if it is not."""
    begun = [series for series in known if series.startswith(f"{name}/")]
    if not begun:
        return ""
    return (
        f" {len(begun):,} of them begin with '{name}/': name each of them, or read all series and filter the column "
        "of this id."
    )
