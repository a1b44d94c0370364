"""What readers find at stable paths after a forecast: the newest vintage, its history, errors, and what has changed.

The step `forecast` publishes the vintage. These files are derived from it, so that a night whose steps are all cached
restores them if they were deleted.
"""

import logging

from tasks.history.changes import record_changes
from tasks.results.anomalies import AnomaliesResult
from tasks.results.run import RunResults
from tasks.storage.store import Store
from tasks.storage.vintages import publish_latest, publish_latest_errors, publish_latest_history

log = logging.getLogger("nightcast")


def publish_for_readers(results: RunResults, store: Store) -> None:
    """Publish the forecast and its history under `latest/` if they are the newest, and record what has changed.

    Args:
        results: The results of a run that has published a forecast.
        store: The store, with the lease of the pipeline.
    """
    if results.forecasted is None:
        return
    pipeline, as_of = results.night.pipeline, results.night.as_of
    publish_latest(results.forecasted.table, pipeline, as_of, store)
    publish_latest_history(results.validated.clean, pipeline, as_of, store)
    if isinstance(results.anomalies, AnomaliesResult) and results.anomalies.errors:
        publish_latest_errors(results.anomalies.errors, pipeline, as_of, store)
    for sentence in record_changes(pipeline, as_of, store):
        log.info("· changed since the vintage before: %s", sentence)
