"""Compare the newest actuals with their forecasts, and publish which differ too much, at a set rate of false alarms.

new actuals ──> newest forecast before each ──> scaled errors ──> p-values ──> Benjamini-Hochberg over the series
                                                                    │
                 backtest of the model, forecasts of earlier nights ┘
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field, ValidationError

from data_contracts.artifact import Artifact
from data_contracts.spec import SettingsSpec
from models.alarm_level import smallest_size
from tasks.engine.machine_memory import release_unused_memory
from tasks.engine.step import CacheInputs, step
from tasks.history.columns import AS_OF
from tasks.history.published import published_between
from tasks.modeling.anomaly_tables import compare_with_samples
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.earlier_errors import EarlierErrors, with_interval, with_scaled_errors
from tasks.modeling.error_units import ROW, UNIT_COLUMNS, ErrorUnits, to_units
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.forecasts import iterate_series_parts
from tasks.modeling.scores import mase_scales_before, read_models
from tasks.monitoring.new_actuals import TIME_TYPE, find_new_actuals, match_blocks
from tasks.results.accuracy import AccuracyResult
from tasks.results.anomalies import AnomaliesResult, Anomaly, ErrorSources
from tasks.results.evaluation import EvaluationResult
from tasks.results.manifest import read_finished
from tasks.results.steps import RunContext
from tasks.sources.series_names import add_id_columns
from tasks.storage.layout import vintage_uri
from tasks.storage.store import Store
from tasks.storage.vintages import publish_latest_errors

MAX_LISTED = 5  # anomalies in the result, the worst first
MAX_PUBLISHED_UNITS = 100_000  # whose errors score observations as they arrive
COLUMNS = [*ROW, AS_OF, "y", "y_hat", "cutoff", "step", "model_name", "scaled_error", "p_value", "series_p_value"]


class AnomalySpec(SettingsSpec):
    """Settings of the search for anomalies.

    `rate` is the share of nights without any anomaly on which a series is reported all the same.
    """

    rate: float = Field(0.05, gt=0, lt=0.5)


class EarlierNights(NamedTuple):
    """The files of earlier anomalies, and the evaluation whose backtest has the errors of the models."""

    anomalies: list[Artifact]
    evaluated: EvaluationResult | None


def load_earlier(
    realised: AccuracyResult, sources: ErrorSources, setup: ForecastSetup, spec: AnomalySpec, store: Store
) -> CacheInputs:
    """List what earlier nights reported, which limits the errors of these rows: its digests are in the cache key."""
    context, first = sources.context, sources.past[0].as_of if sources.past else None
    known = published_between("anomalies", context.pipeline, first, context.as_of, store) if first else []
    evaluated = sources.evaluated if isinstance(sources.evaluated, EvaluationResult) else None
    evaluated = evaluated or newest_evaluation(context, store)
    key = {"realised": realised, "sources": sources, "setup": setup, "spec": spec, "evaluated": evaluated}
    return CacheInputs(key | {"known": [artifact.digest for artifact in known]}, EarlierNights(known, evaluated))


def newest_evaluation(context: RunContext, store: Store) -> EvaluationResult | None:
    """Return the evaluation of the newest earlier night whose backtest is still stored; None without one."""
    records = sorted(read_finished(store, context.pipeline), key=lambda record: str(record["as_of"]), reverse=True)
    for record in records:
        if pd.Timestamp(record["as_of"]) < pd.Timestamp(context.as_of):
            try:
                evaluated = EvaluationResult.model_validate(record["story"].get("evaluated"))
            except ValidationError:  # a run without an evaluation, or of another release
                continue
            if store.contains(evaluated.backtest):
                return evaluated
    return None


@step(cache_key=load_earlier)
def find_anomalies(
    realised: AccuracyResult,
    sources: ErrorSources,
    setup: ForecastSetup,
    spec: AnomalySpec,
    store: Store,
    read: EarlierNights | None = None,
) -> AnomaliesResult:
    """Compare each new actual with the newest forecast made before it, and publish the errors and the anomalies.

    An actual is compared once, in the night in which it arrives; a correction is a new version. The new actuals are
    not among the errors that they are compared with.

    Args:
        realised: The result of `score_past`, with the new actuals.
        sources: The clean table, earlier forecasts, the champion and the evaluation of this night.
        setup: The season for the scale of a series.
        spec: The rate of false alarms.
        store: The store that holds the tables and takes the new ones.
        read: What `load_earlier` has loaded; None loads it.

    Returns:
        The published table, None if no new actual has a forecast; the errors of the champion; counts, and the worst.
    """
    earlier: EarlierNights = read or load_earlier(realised, sources, setup, spec, store).loaded
    clean, context = load_clean_table(sources.clean, store), sources.context
    new, flags = find_new_actuals(realised, earlier.anomalies, sources, store)
    moment = new["ds"].min() if len(new) else pd.Timestamp(context.as_of)
    scales = mase_scales_before(clean, moment, setup.evaluation.season or setup.view.season)
    release_unused_memory()
    tested, published = match_blocks(new, flags, clean, scales, sources, store)
    del new
    errors = EarlierErrors(
        published, to_units(_read_backtest(earlier.evaluated, published, sources, scales, store), flags, tested)
    )
    result = AnomaliesResult(rate=spec.rate)
    if len(tested):
        release_unused_memory()
        result, table = _compare(tested, errors, clean.times, spec.rate)
        table[AS_OF] = pd.Series(pd.Timestamp(context.as_of).as_unit("us"), index=table.index)
        published_rows = add_id_columns(table[[*COLUMNS, "is_anomaly"]], clean.labels, setup.id_columns)
        uri = vintage_uri("anomalies", context.pipeline, context.as_of)
        stored = store.put_parts(iterate_series_parts(published_rows), "anomalies")
        result = result.model_copy(update={"table": store.publish(stored, uri)})
        errors = errors.with_anomalies(table.loc[table["is_anomaly"], ROW])
    return result.model_copy(update={"errors": _publish_errors(errors, sources, earlier.evaluated, store)})


def _read_backtest(
    evaluated: EvaluationResult | None,
    published: list[ErrorUnits],
    sources: ErrorSources,
    scales: pd.Series,
    store: Store,
) -> pd.DataFrame:
    """Read the errors of the champion and of the models that have published, in any version, in a backtest."""
    names = {str(name) for part in published for name in part.units["model_name"].cat.categories}
    names |= {sources.champion.name} if sources.champion else set()
    models = [
        with_scaled_errors(with_interval(table), scales)[UNIT_COLUMNS]
        for label, table in (read_models(evaluated.backtest, store) if evaluated else ())
        if label.rpartition(" v")[0] in names or label in names
    ]
    types = {"unique_id": "str", "ds": TIME_TYPE, "cutoff": TIME_TYPE, "model_name": "str"}
    empty = pd.DataFrame({name: pd.Series(dtype=types.get(name, "float64")) for name in UNIT_COLUMNS})
    return pd.concat(models, ignore_index=True) if models else empty


def _compare(
    tested: pd.DataFrame, errors: EarlierErrors, times: pd.DatetimeIndex, rate: float
) -> tuple[AnomaliesResult, pd.DataFrame]:
    """Return the counts and the worst anomalies, and the table of all new actuals."""
    tests = tested["unique_id"].nunique()
    needed = smallest_size(tests, rate)
    labels = tested.groupby("model_name")["model_version"].max().to_dict()
    samples = (
        (name, errors.sample_of(name, f"{name} v{version}" if version else name, needed))
        for name, version in labels.items()
    )
    compared = compare_with_samples(tested, samples, times, rate)
    worst = compared.table[compared.table["is_anomaly"]]
    worst = worst.assign(size=worst["scaled_error"].abs())
    worst = worst.sort_values(["series_p_value", "size", *ROW], ascending=[True, False, True, True])
    listed = worst.drop_duplicates("unique_id").head(MAX_LISTED)
    result = AnomaliesResult(
        rate=rate,
        series=tests,
        flagged=worst["unique_id"].nunique(),
        count=len(worst),
        size=compared.size,
        needed=compared.needed,
        worst=tuple(
            Anomaly(series=row.unique_id, ds=row.ds, y=row.y, y_hat=row.y_hat, p_value=row.series_p_value)
            for row in listed.itertuples()
        ),
    )
    return result, compared.table


def _publish_errors(
    errors: EarlierErrors, sources: ErrorSources, evaluated: EvaluationResult | None, store: Store
) -> Artifact | None:
    """Publish the errors of the champion, which score observations as they arrive; None without any."""
    champion, context = sources.champion, sources.context
    if champion is None:
        return None
    candidates = evaluated.candidates if evaluated else ()
    labels = [model.label for model in candidates if model.bundle.digest == champion.bundle.digest]
    sample = errors.sample_of(champion.name, labels[0] if labels else champion.label, 1, with_new=True).errors
    sample = sample[:: -(-len(sample) // MAX_PUBLISHED_UNITS) or 1]  # of very many, every second, third … is enough
    steps = np.arange(1, sample.shape[1] + 1, dtype=np.int16).repeat(len(sample))
    table = pd.DataFrame({"step": steps, "scaled_error": sample.T.reshape(-1).astype(float)}).dropna(ignore_index=True)
    if table.empty:
        return None
    table.insert(0, "model_version", champion.version)
    table.insert(0, "model_name", champion.name)
    stored = store.put(table, "errors")
    publish_latest_errors(stored, context.pipeline, context.as_of, store)
    return stored
