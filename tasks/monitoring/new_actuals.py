"""New actuals of a night with their forecasts, and the errors of all forecasts, read a block of series at a time."""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_contracts.artifact import Artifact
from models.data.panel_table import PanelTable
from tasks.engine.machine_memory import release_unused_memory
from tasks.history.columns import AS_OF
from tasks.history.forecast_blocks import open_forecasts
from tasks.history.versions import ACTUALS_KEY, changed_rows, open_versions
from tasks.modeling.anomaly_tables import match_newest
from tasks.modeling.earlier_errors import collect_units, with_scaled_errors
from tasks.modeling.error_units import ROW, ErrorUnits
from tasks.modeling.series import series_between
from tasks.results.accuracy import AccuracyResult
from tasks.results.anomalies import ErrorSources
from tasks.storage.series_rows import blocks_of_series, open_series_files
from tasks.storage.store import Store

TIME_TYPE = "datetime64[us, UTC]"
MATCHED_COLUMNS = (*ROW, "cutoff", "step", "y_hat", "model_name", "model_version")  # of a forecast, besides quantiles


def find_new_actuals(
    realised: AccuracyResult, known: list[Artifact], sources: ErrorSources, store: Store
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find the actuals that no earlier night has compared.

    Args:
        realised: The result of `score_past`, with the actuals that it has published.
        known: Published anomalies of earlier nights, oldest first.
        sources: Where errors are taken from.
        store: The store that holds the tables.

    Returns:
        The actuals (unique_id, ds, y), and the anomalies (unique_id, ds) of earlier nights.
    """
    new = [pd.DataFrame({"unique_id": pd.Series(dtype="str"), "ds": pd.Series(dtype=TIME_TYPE), "y": []})]
    flags = [new[0][ROW]]
    actuals = [realised.actuals] if realised.actuals else []
    with open_series_files(actuals, store) as files, open_versions(known, ACTUALS_KEY, store) as versions:
        for first, last in blocks_of_series([*versions.files, *files]):
            rows = [file.between(first, last, [*ROW, "y"]) for file in files]
            earlier = versions.read(first, last, [*ROW, AS_OF, "y", "is_anomaly"])
            compared = versions.newest_of(_relevant_versions(earlier, rows))
            new += [changed_rows(table.to_pandas(), compared, ACTUALS_KEY, exact=True) for table in rows]
            if len(compared):
                flags.append(compared.loc[compared["is_anomaly"], ROW])
    release_unused_memory()
    return pd.concat(new, ignore_index=True), pd.concat(flags, ignore_index=True)


def _relevant_versions(earlier: list[pa.Table], actuals: list[pa.Table]) -> list[pa.Table]:
    """Return the rows of series that had an anomaly, and those at the times of the actuals: few of many nights."""
    flagged_rows = [table.filter(table["is_anomaly"])["unique_id"] for table in earlier]
    names = {name for column in flagged_rows for name in pc.unique(column).to_pylist()}
    times = {time for table in actuals for time in pc.unique(table["ds"]).to_pylist()}
    flagged, near = pa.array(sorted(names), pa.string()), pa.array(sorted(times), pa.timestamp("us", "UTC"))
    return [
        table.filter(pc.or_(pc.is_in(table["unique_id"], flagged), pc.is_in(table["ds"], near))) for table in earlier
    ]


def match_blocks(
    new: pd.DataFrame,
    flags: pd.DataFrame,
    clean: PanelTable,
    scales: pd.Series,
    sources: ErrorSources,
    store: Store,
) -> tuple[pd.DataFrame, list[ErrorUnits]]:
    """Match the new actuals with the newest forecast before each.

    Args:
        new: The new actuals (unique_id, ds, y).
        flags: The anomalies (unique_id, ds) of earlier nights.
        clean: The clean table of this night.
        scales: The typical change of each series, by unique_id.
        sources: The published forecasts.
        store: The store that holds them.

    Returns:
        A row per new actual that has a forecast, with its scaled error; and the errors of all forecasts as units.
    """
    tested, units = list[pd.DataFrame](), list[ErrorUnits]()
    with open_forecasts(sources.past, store) as forecasts:
        for block in forecasts.blocks:
            vintages = forecasts.read(block, MATCHED_COLUMNS)
            rows, flagged = (table[table["unique_id"].between(*block)] for table in (new, flags))
            rows = match_newest(rows, vintages)
            rows = with_scaled_errors(rows, scales).drop(columns=["lower", "upper"])
            units += collect_units(vintages, series_between(clean, *block), scales, flagged, rows)
            tested.append(rows)
    release_unused_memory()
    return pd.concat(tested, ignore_index=True) if tested else new.iloc[:0], units
