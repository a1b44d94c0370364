"""Backtest every candidate and the baselines at the same rolling origins, and score them in source units."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from data_contracts.artifact import Artifact
from data_contracts.errors import NightcastError
from models.data.panel import InputSpec, Panel
from models.data.panel_table import PanelTable
from tasks.engine.machine_memory import release_unused_memory
from tasks.engine.step import step
from tasks.modeling.baselines import season_lengths, store_baselines
from tasks.modeling.candidate import Candidate, ExcludedCandidate, load_bundle
from tasks.modeling.clean_table import load_clean_table
from tasks.modeling.fallbacks import MODEL_ERRORS
from tasks.modeling.finiteness import describe_nonfinite
from tasks.modeling.forecast_setup import ForecastSetup
from tasks.modeling.forecasts import (
    NotComparable,
    actuals_of,
    closed_times_at,
    drop_closed_steps,
    forecast_table,
    load_comparable,
)
from tasks.modeling.scores import mase_scales_before, score_forecasts
from tasks.modeling.series import sample_series
from tasks.modeling.sharded_prediction import make_restorer
from tasks.modeling.training_data import load_training_part, load_window_index, window_cutoffs
from tasks.results.steps import EvaluationResult
from tasks.storage.store import Store


@step
def evaluate(
    clean: Artifact, windows: Artifact, models: tuple[Candidate, ...], setup: ForecastSetup, store: Store
) -> EvaluationResult:
    """Score the models and the baselines on the test part, at most `max_series` of its series.

    Baselines are fitted on the part that models learn from. A model whose bundle is damaged, that was trained for
    another setup, or that gives a forecast that is not finite, is not compared: `excluded` says why.

    Args:
        clean: The clean table.
        windows: The windows table of `cut_windows`.
        models: The champion and the challengers.
        setup: Inputs and outputs that every candidate must share, and the metric.
        store: The store that holds the bundles and takes the tables.

    Returns:
        The stored backtest (a row per model, series, origin and step) and scores (a row per model), and the
        candidates that were compared.

    Raises:
        NightcastError: If neither a model nor a baseline gives finite forecasts.
    """
    baselines = store_baselines(*load_training_part(clean, windows, setup.view, store), setup, store)
    release_unused_memory()
    spec, table, index = setup.evaluation, load_clean_table(clean, store), load_window_index(windows, store)
    comparable, excluded = _split_comparable(models, setup, store)
    tested = window_cutoffs(table, index, "test")
    origins = sample_series(tested, spec.max_series)
    backtest, candidates, rows = _Backtest(clean, table, origins, setup), list[Candidate](), list[dict[str, Any]]()
    release_unused_memory()

    def tables() -> Iterator[pd.DataFrame]:
        for candidate in (*comparable, *baselines):
            forecasts = backtest.forecast(candidate, store)
            if isinstance(forecasts, ExcludedCandidate):
                excluded.append(forecasts)
                continue
            candidates.append(candidate)
            rows.append(_score(candidate, forecasts))
            yield forecasts
            del forecasts
            release_unused_memory()
        if not rows:
            reasons = "; ".join(exclusion.reason for exclusion in excluded)
            raise NightcastError(
                f"no model and no baseline gives finite forecasts, so nothing can be compared: {reasons}"
            )

    stored, scores = store.put_parts(tables(), "backtest"), pd.DataFrame(rows)
    return EvaluationResult(
        backtest=stored,
        scores=store.put(scores, "scores"),
        candidates=tuple(candidates),
        passed_over=tuple(f"{model.candidate.role} passed over: {model.reason}" for model in excluded),
        excluded=tuple(excluded),
        lead=_origins_per_horizon(origins["cutoff"], table.times, setup.view.horizon),
        series=origins["unique_id"].nunique(),
        of_series=tested["unique_id"].nunique(),
        summary=_describe_best(scores, spec.metric, origins["cutoff"].nunique()),
    )


def _split_comparable(
    models: tuple[Candidate, ...], setup: ForecastSetup, store: Store
) -> tuple[list[Candidate], list[ExcludedCandidate]]:
    """Return the models that can be compared, and each of the others with the reason."""
    comparable, excluded = [], []
    for model in models:
        try:
            load_comparable(model, setup.view, setup.bounds, store)
        except NotComparable as error:
            excluded.append(ExcludedCandidate(candidate=model, cause="other setup", reason=str(error)))
        except NightcastError as error:
            excluded.append(ExcludedCandidate(candidate=model, cause="damaged", reason=str(error)))
        else:
            comparable.append(model)
    return comparable, excluded


class _Backtest:
    """The origins of the test part with their actuals, at which every candidate forecasts."""

    def __init__(self, clean: Artifact, table: PanelTable, origins: pd.DataFrame, setup: ForecastSetup) -> None:
        self.clean, self.origins, self.setup = clean, origins, setup
        self.sampled = table.select(origins["unique_id"])
        scales = mase_scales_before(self.sampled, origins["cutoff"].min(), season_lengths(setup)[0])
        self.scale = origins["unique_id"].map(scales).to_numpy(float).repeat(setup.view.horizon)
        self.closed = closed_times_at(origins["cutoff"].max(), table, setup)
        self.panels: dict[InputSpec, Panel] = {}

    def forecast(self, candidate: Candidate, store: Store) -> pd.DataFrame | ExcludedCandidate:
        """Forecast at all origins with one model, or return why it cannot be compared: the others do not need it."""
        try:
            bundle = load_bundle(candidate, store)
            if bundle.view not in self.panels:
                self.panels[bundle.view] = Panel.from_table(self.sampled, bundle.view)
            panel = self.panels[bundle.view]
            predictor = make_restorer(self.clean, self.sampled.times, store)(candidate, bundle)
            table = forecast_table(bundle, self.sampled, self.origins, self.setup.bounds, predictor, panel)
        except MODEL_ERRORS as error:
            reason = f"{candidate.label} cannot forecast: {type(error).__name__}: {str(error).splitlines()[0]}"
            return ExcludedCandidate(candidate=candidate, cause="damaged", reason=reason)
        table = table.assign(y=actuals_of(panel, self.origins), scale=self.scale, model_name=candidate.label)
        table = drop_closed_steps(table, self.closed)
        if problem := describe_nonfinite(table):
            reason = f"{candidate.label}: {problem}"
            return ExcludedCandidate(candidate=candidate, cause="not finite", reason=reason)
        return table


def _score(candidate: Candidate, table: pd.DataFrame) -> dict[str, Any]:
    return {
        "model_name": candidate.label,
        "role": candidate.role,
        "bundle": candidate.bundle.digest,
        **score_forecasts(table),
        "origins": table["cutoff"].nunique(),
    }


def _origins_per_horizon(cutoffs: pd.Series, times: pd.DatetimeIndex, horizon: int) -> int:
    """Return how many origins one horizon covers, from the shortest distance of two origins in steps."""
    positions = np.sort(times.searchsorted(pd.DatetimeIndex(cutoffs.unique())))
    distance = int(np.diff(positions).min()) if len(positions) > 1 else horizon
    return -(-horizon // max(distance, 1))


def _describe_best(scores: pd.DataFrame, metric: str, origins: int) -> str:
    ranked = scores.dropna(subset=[metric]).sort_values(metric, ignore_index=True)
    best = " > ".join(f"{row.model_name} {getattr(row, metric):.4g}" for row in ranked.head(3).itertuples())
    return f"{origins} origins, {metric}: {best}"
